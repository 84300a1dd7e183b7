"""A classifier of few crystals: logistic regression on the vectors of frozen encoders, its probabilities calibrated on inner folds.

Vectors are standardised and projected onto principal components (`regressors.Space`). The penalty is the one with the smallest log
loss on inner folds, which keep formulas together; on the same predictions, of crystals that did not train, the temperature and the
prediction sets are calibrated.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from cryskit.elements import formula
from cryskit.errors import DataError, counted
from cryskit.predict.card import Card
from cryskit.predict.classes import calibrate
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.small_data.folds import folds_of, without
from cryskit.small_data.model import STANDS_ON
from cryskit.small_data.regressors import Space
from cryskit.small_data.search import INNER
from cryskit.small_data.sources import source_of, vectors_of
from cryskit.small_data.table import LEAST, SPEC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.small_data.sources import Source
    from cryskit.types import Crystal, Graph, Property

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse penalties C that are tried."""

_FLOOR = 1e-12  # a probability below it counts as this, so that its logarithm is finite


class Labelled(NamedTuple):
    """Crystals with the numbers of their classes.

    Attributes:
        crystals: The crystals.
        graph: Their graph.
        labels: (n,) int64, the number of the class of each.
        wanted: The class property.
    """

    crystals: Sequence[Crystal]
    graph: Graph
    labels: np.ndarray
    wanted: Property


class Chosen(NamedTuple):
    """What the inner folds of some rows chose.

    Attributes:
        penalty: The inverse penalty C.
        loss: Log loss of the inner folds, in nats.
        logits: (n, classes) logarithms of the probabilities of all rows, each by a model that has not seen its formula.
    """

    penalty: float
    loss: float
    logits: np.ndarray


def fitted_classifier(given: Labelled, encoders: Sequence[str], seed: int, name: str) -> Predictor:
    """Fit a classifier and return it as a predictor, whose file is a model file like others.

    Args:
        given: Crystals and classes.
        encoders: Published models or model files.
        seed: Seed of the inner folds.
        name: Name of the model on its card.

    Raises:
        DataError: There are too few crystals, or all are of one class.
    """
    count = len(given.labels)
    if count < LEAST:
        raise DataError(f"{counted(count, 'crystal')} are too few to learn from", f"Give at least {LEAST}")
    if len(np.unique(given.labels)) < 2:
        only = given.wanted.classes[int(given.labels[0])]
        raise DataError(f"All labels are {only}", "Give crystals of two classes or more")
    sources = [source_of(each) for each in encoders]
    vectors = np.concatenate([vectors_of(given.graph, source) for source in sources], axis=1)
    if not np.ptp(vectors, axis=0).max() > 0:
        raise DataError("All crystals are the same", "Give crystals that differ")
    formulas = np.unique([formula(crystal.numbers) for crystal in given.crystals], return_inverse=True)[1]
    groups = formulas if formulas.any() else np.arange(count)  # polymorphs of one formula cannot be kept together
    penalty, _, held_out = chosen(vectors, given.labels, groups, len(given.wanted.classes), seed)
    facts: dict[str, Any] = {
        "name": name,
        "plan": {"fit": {"C": penalty, "seed": seed}},
        "rows": {"training": count},
        "class_calibration": {given.wanted.name: calibrate(held_out, given.labels, "inner folds")},
    }
    return logistic_predictor(given, sources, vectors, penalty, facts)


def chosen(vectors: np.ndarray, labels: np.ndarray, groups: np.ndarray, classes: int, seed: int) -> Chosen:
    """Return the inverse penalty of a logistic regression that has the smallest log loss on inner folds.

    Args:
        vectors: (n, width) the vectors of the training rows.
        labels: (n,) the numbers of their classes.
        groups: (n,) the numbers of their formulas, which are never divided.
        classes: Number of classes.
        seed: Seed of the inner folds.
    """
    every = np.arange(len(vectors))
    found = np.zeros((len(PENALTIES), len(vectors), classes))
    for fold in folds_of(groups, INNER, seed, labels):
        kept = without(every, fold)
        space = Space.of(vectors[kept])
        points, others = space(vectors[kept]), space(vectors[fold])
        for place, penalty in enumerate(PENALTIES):
            found[place, fold] = _logarithms(penalty, points, labels[kept], others, classes)
    losses = -found[:, every, labels].mean(1)
    best = int(losses.argmin())
    return Chosen(PENALTIES[best], float(losses[best]), found[best])


def logarithms(penalty: float, vectors: np.ndarray, labels: np.ndarray, others: np.ndarray, classes: int) -> np.ndarray:
    """Return the logarithms of the probabilities that a logistic regression on some rows gives others, (n, classes).

    Args:
        penalty: Inverse penalty C.
        vectors: Vectors of the training rows.
        labels: The numbers of their classes.
        others: (n, width) vectors of the other rows.
        classes: Number of classes; one that no training row has is given a probability of next to nothing.
    """
    space = Space.of(vectors)
    return _logarithms(penalty, space(vectors), labels, space(others), classes)


def _logarithms(penalty: float, points: np.ndarray, labels: np.ndarray, others: np.ndarray, classes: int) -> np.ndarray:
    known = np.unique(labels)
    found = np.full((len(others), classes), _FLOOR)
    if len(known) < 2:
        found[:, known] = 1.0
    else:
        model = LogisticRegression(C=penalty, max_iter=2000).fit(points, labels)
        found[:, model.classes_] = np.maximum(model.predict_proba(others), _FLOOR)
    probable: np.ndarray = np.log(found)
    return probable


def logistic_predictor(
    given: Labelled, sources: Sequence[Source], vectors: np.ndarray, penalty: float, facts: dict[str, Any]
) -> Predictor:
    """Fit a logistic regression to all rows and return it with its encoders as one predictor.

    Args:
        given: Crystals and classes, each class at least once.
        sources: The encoders.
        vectors: (n, width) the vectors of the encoders, joined in their order.
        penalty: Inverse penalty C.
        facts: Further fields of the card.
    """
    space = Space.of(vectors)
    model = LogisticRegression(C=penalty, max_iter=2000).fit(space(vectors), given.labels)
    members = [source.member for source in sources]
    card = Card(
        encoder=ENCODERS.complete({"name": "levels", "members": members}),
        heads={"name": "logistic"},
        spec=SPEC,
        properties=[given.wanted],
        elements=sorted({int(number) for crystal in given.crystals for number in crystal.numbers}),
        versions={package: version(package) for package in STANDS_ON},
        **facts,
    )
    predictor: Any = Predictor.from_card(card)
    for member, source in zip(predictor.encoder.members, sources, strict=True):
        member.load_state_dict(dict(source.tensors))
    weight = (space.projection.astype(np.float64) @ model.coef_.T) / space.scale[:, None]
    bias = model.intercept_ - space.mean.astype(np.float64) @ weight
    with torch.no_grad():
        predictor.heads.weight.copy_(torch.from_numpy(weight))
        predictor.heads.bias.copy_(torch.from_numpy(bias))
    made: Predictor = predictor.eval()
    return made
