"""From the outputs of a model to classes, calibrated probabilities and prediction sets.

    p = softmax(logits / T),    set = {k : 1 - p_k <= q_k} and the most probable class

The temperature T and the thresholds q are found on crystals that did not train, and are kept on the card of the model. q_k is
the ceil((n_k + 1) level)-th smallest of the scores 1 - p_k of the n_k crystals of class k (label-conditional split conformal
prediction): each class is in the set of its own crystals as often as the level says. Of a class with too few crystals for that
nothing can be said, and it is in every set.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from cryskit.types import ClassPrediction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryskit.types import Property

LEVEL = 0.9
"""How often a class is in the prediction sets of its own crystals."""
ENDINGS = ("_p", "_set")
"""What is appended to the name of a class property for the columns of the probability and of the prediction set."""
SEPARATOR = "|"
"""What stands between the classes of a prediction set."""

_COLDEST, _HOTTEST = 0.05, 20.0  # limits of the temperature
_STEPS = 60  # of the golden-section search, whose error shrinks by 0.6 in each


class ClassCalibration(BaseModel):
    """What turns the logits of a class property into probabilities and sets.

    Attributes:
        temperature: The number T by which logits are divided.
        thresholds: Largest 1 - p of each class with which it is in the set, in the order of the classes.
        level: How often a class is in the sets of its own crystals.
        part: Part of the split that was used: "calibration", or "validation" if there was no such part; "inner folds" of a fit
            without a split.
        crystals: Number of crystals with labels that were used.
    """

    model_config = ConfigDict(frozen=True)

    temperature: Annotated[float, Field(gt=0)] = 1.0
    thresholds: tuple[float, ...] = ()
    level: Annotated[float, Field(gt=0, lt=1)] = LEVEL
    part: str = ""
    crystals: int = 0


UNCALIBRATED = ClassCalibration()
"""No temperature, and every class in every set."""


def fields_of(wanted: Property) -> list[pa.Field]:
    """Return the columns of a class property: the class, its probability, the prediction set."""
    kinds = (pa.string(), pa.float64(), pa.string())
    return [pa.field(f"{wanted.name}{end}", kind) for end, kind in zip(("", *ENDINGS), kinds, strict=True)]


def cells_of(name: str, found: ClassPrediction) -> dict[str, str | float]:
    """Return what stands in the columns of a class property.

    Args:
        name: Name of the property.
        found: What is predicted of it.
    """
    probability, members = ENDINGS
    return {
        name: found.name,
        f"{name}{probability}": found.probability,
        f"{name}{members}": SEPARATOR.join(found.members),
    }


def parted(
    properties: Sequence[Property], outputs: np.ndarray, calibrations: Mapping[str, ClassCalibration]
) -> tuple[dict[str, float], dict[str, ClassPrediction]]:
    """Return the values of scalars and the predictions of classes by name; tensors are left out.

    Args:
        properties: Properties of the model, in order.
        outputs: (outputs,) what the model computed of a crystal, as `Predictor.forward` gives it.
        calibrations: Name of a class property to its calibration.
    """
    values: dict[str, float] = {}
    classes: dict[str, ClassPrediction] = {}
    for wanted, part in zip(properties, by_property(properties, outputs[None]), strict=True):
        if wanted.classes:
            known = calibrations.get(wanted.name, UNCALIBRATED)
            (probabilities,) = softmax(logits_of(part), known.temperature)
            classes[wanted.name] = class_prediction(wanted.classes, probabilities, known.thresholds)
        elif not wanted.tensor:
            values[wanted.name] = float(part[0, 0])
    return values, classes


def targets_of(properties: Sequence[Property], outputs: np.ndarray) -> dict[str, float]:
    """Return what a model computed of a crystal as targets, of classes the number of the most probable one.

    Args:
        properties: Properties of the model, in order.
        outputs: (outputs,) what the model computed, as `Predictor.forward` gives it.
    """
    values, classes = parted(properties, outputs, {})
    numbers = {one.name: float(one.classes.index(classes[one.name].name)) for one in properties if one.classes}
    return {one.name: {**values, **numbers}[one.name] for one in properties}


def by_property(properties: Sequence[Property], outputs: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the outputs of each property, (n, 1) or (n, classes).

    Args:
        properties: Properties of the model, in order.
        outputs: (n, outputs) what the model computed.
    """
    return iter(np.split(outputs, np.cumsum([wanted.outputs for wanted in properties])[:-1], axis=1))


def class_prediction(
    classes: Sequence[str], probabilities: np.ndarray, thresholds: Sequence[float] = ()
) -> ClassPrediction:
    """Return the most probable class with its probability and the prediction set.

    Args:
        classes: Names of the classes.
        probabilities: (classes,) calibrated probabilities.
        thresholds: Largest 1 - p of each class with which it is in the set; without them every class is.
    """
    best = int(probabilities.argmax())
    limits = thresholds or (1.0,) * len(classes)
    inside = [
        name
        for k, (name, p, limit) in enumerate(zip(classes, probabilities, limits, strict=True))
        if k == best or 1 - p <= limit
    ]
    return ClassPrediction(classes[best], float(probabilities[best]), tuple(probabilities.tolist()), tuple(inside))


def logits_of(outputs: np.ndarray) -> np.ndarray:
    """Return a logit per class, (n, classes), from the outputs of a property, (n, 1) if it has two classes."""
    values = outputs.astype(np.float64)
    return np.concatenate([np.zeros_like(values), values], axis=1) if values.shape[1] == 1 else values


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return probabilities, (n, classes).

    Args:
        logits: (n, classes) logits.
        temperature: Number by which they are divided.
    """
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def calibrate(logits: np.ndarray, labels: np.ndarray, part: str = "", level: float = LEVEL) -> ClassCalibration:
    """Return temperature and thresholds.

    The temperature minimises the log loss plus (log T)^2 / 2, which holds it near 1 where there are few crystals or where they are
    separated without error.

    Args:
        logits: (n, classes) logits of crystals that did not train.
        labels: (n,) numbers of their classes.
        part: Name of the part of the split that they are.
        level: How often a class is to be in the sets of its own crystals.
    """
    if not len(labels):
        return UNCALIBRATED
    temperature = _temperature(logits, labels)
    scores = 1 - softmax(logits, temperature)
    thresholds = tuple(_threshold(scores[labels == k, k], level) for k in range(logits.shape[1]))
    return ClassCalibration(
        temperature=temperature, thresholds=thresholds, level=level, part=part, crystals=len(labels)
    )


def _threshold(scores: np.ndarray, level: float) -> float:
    """Return the score that a share of `level` of new crystals does not exceed, 1 if there are too few crystals to say."""
    rank = ceil((len(scores) + 1) * level)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else 1.0


def _temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the best temperature, by golden-section search: the loss has one minimum in log T."""
    rows = np.arange(len(labels))

    def loss(logarithm: float) -> float:
        scaled = logits / np.exp(logarithm)
        top = scaled.max(1)
        likelihoods = scaled[rows, labels] - top - np.log(np.exp(scaled - top[:, None]).sum(1))
        return float(logarithm**2 / 2 - likelihoods.sum())

    golden = (5**0.5 - 1) / 2
    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(_STEPS):
        step = golden * (high - low)
        low, high = (low, low + step) if loss(high - step) < loss(low + step) else (high - step, high)
    return float(np.exp((low + high) / 2))
