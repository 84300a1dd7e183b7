"""A run: from a plan, crystals and a split to a model file, with its log and plots beside it."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from cryskit import properties
from cryskit.batching import with_targets
from cryskit.data.interchange import manifest
from cryskit.errors import DataError, UnknownNameError
from cryskit.evaluate.evaluate import evaluate
from cryskit.graphs.build import build
from cryskit.plots.curves import plot_curves
from cryskit.plots.parity import plot_parity
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS, OBJECTIVES
from cryskit.training.fit import fit, seed
from cryskit.types import Property

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.data.splits import Split
    from cryskit.training.plan import Plan
    from cryskit.types import Crystal, Graph, GraphSpec

_STANDS_ON = ("cryskit", "torch", "numpy", "pymatgen-core", "moyopy", "lightning")


def train(
    plan: Plan,
    crystals: Sequence[Crystal],
    split: Split,
    out: Path,
    folder: Path,
    *,
    name: str | None = None,
    source: str = "",
    cache: Path | None = None,
    progress: bool = False,
) -> Card:
    """Train a model and write its file.

    The test rows of the split are not looked at. A run that was killed goes on from its last checkpoint in `folder`.

    Args:
        plan: What is learned, by which network, and how.
        crystals: The whole data set that the split divides.
        split: Which crystals train and which choose the epoch.
        out: The model file to write.
        folder: Of the run: plan, log, checkpoints, loss curve, parity plots of the validation crystals.
        name: Of the model; the stem of `out` by default.
        source: Where the data came from, for the card.
        cache: Where built graphs are kept; `folder` by default.
        progress: Show a progress bar.

    Returns:
        The card of the model, with its validation metrics.

    Raises:
        DataError: A property has no labels, or the data is not that of the split.
        PlanError: The plan contradicts itself, or `folder` holds another run.
    """
    wanted = [_property(column, crystals) for column in plan.properties]
    training, validation, _ = (_labelled(part, wanted) for part in split.divide(crystals))
    card = _card(plan, wanted, training, validation)
    card.name, card.split = name or out.stem, {"name": split.name, "hash": split.hash}
    card.data = {"source": source, "manifest": manifest(crystals)}
    seed(plan.optimisation.seed)
    predictor = Predictor.from_card(card)
    train_graph, validation_graph = (
        _graph(part, card.spec, wanted, cache or folder) for part in (training, validation)
    )
    predictor.heads.fit_scale(train_graph.targets)
    settings = {key: value for key, value in plan.objective.items() if key != "heads"}
    objective = OBJECTIVES.build({**settings, "encoder": predictor.encoder, "heads": predictor.heads})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    identity = hashlib.sha256(f"{plan.hash} {split.hash}".encode()).hexdigest()
    card.epoch = fit(
        objective, train_graph, validation_graph, plan.optimisation, folder, identity=identity, progress=progress
    )
    return _finish(predictor, validation, out, folder)


def _card(plan: Plan, wanted: list[Property], training: Sequence[Crystal], validation: Sequence[Crystal]) -> Card:
    encoder = ENCODERS.build(plan.encoder)
    return Card(
        name="",
        description=plan.about.description,
        licence=plan.about.licence,
        citation=list(plan.about.citation),
        encoder=ENCODERS.config_of(encoder),
        heads=plan.objective.get("heads", {}),
        spec=encoder.needs,
        properties=wanted,
        elements=sorted({int(number) for crystal in training for number in crystal.numbers}),
        plan=plan.model_dump(mode="json", exclude={"about"}),
        rows={"training": len(training), "validation": len(validation)},
        versions={package: version(package) for package in _STANDS_ON},
    )


def _finish(predictor: Predictor, validation: Sequence[Crystal], out: Path, folder: Path) -> Card:
    """Measure on the validation crystals, plot, and write the model file."""
    judged = evaluate(predictor, validation)
    predictor.card.metrics = judged.metrics
    predictor.save(out)
    plot_curves(folder / "log.jsonl", folder / "curve.png")
    for wanted in (p for p in predictor.card.properties if p.name in judged.metrics):
        truth, values = judged.table[f"{wanted.name}_true"], judged.table[wanted.name]
        plot_parity(truth, values, wanted, folder / f"parity-{wanted.name}.png")
    return predictor.card


def _property(column: str, crystals: Sequence[Crystal]) -> Property:
    """Return the registered property, or one made of a column that the registry does not know."""
    try:
        return properties.get(column)
    except UnknownNameError as error:
        if any(column in crystal.targets for crystal in crystals):
            return Property(name=column, symbol=column, unit="")
        known = sorted({name for crystal in crystals for name in crystal.targets})
        raise DataError(f"The data has no column {column}", f"It has {', '.join(known) or 'no targets'}") from error


def _labelled(crystals: Sequence[Crystal], wanted: Sequence[Property]) -> list[Crystal]:
    return [c for c in crystals if any(np.isfinite(c.targets.get(p.name, np.nan)) for p in wanted)]


def _graph(crystals: Sequence[Crystal], spec: GraphSpec, wanted: Sequence[Property], cache: Path) -> Graph:
    targets = [[c.targets.get(p.name, np.nan) for p in wanted] for c in crystals]
    return with_targets(build(crystals, spec, cache=cache), np.array(targets).reshape(len(crystals), len(wanted)))
