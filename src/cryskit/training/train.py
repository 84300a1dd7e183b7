"""Learn properties from labelled crystals: from a plan and a split to a model file."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit.batching import collate, with_targets
from cryskit.data.classes import prepared
from cryskit.data.interchange import manifest
from cryskit.evaluate.evaluate import evaluate
from cryskit.graphs.build import build_usable
from cryskit.plots.judged import plot_judged
from cryskit.plots.loss_curves import plot_curves
from cryskit.predict.predictor import Predictor
from cryskit.registry import OBJECTIVES
from cryskit.training.class_calibration import class_calibrations
from cryskit.training.fit import fit, seeded
from cryskit.training.identity import claim, digest_of
from cryskit.training.labels import COUNT, note_impossible, without_impossible
from cryskit.training.log import LOG, read_log
from cryskit.training.run import card_of, identity_of, note_plan, start_from, start_heads, text_hash
from cryskit.training.settle import settle
from cryskit.training.teacher import taught

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.data.splits import Divided, Split
    from cryskit.evaluate.evaluate import Evaluation
    from cryskit.predict.card import Card
    from cryskit.protocols import Objective
    from cryskit.training.identity import Identity
    from cryskit.training.plan import Plan
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal, Graph, GraphSpec, Property


class _Part(NamedTuple):
    """The crystals of a part that could be built, their graph, and why the others could not."""

    crystals: list[Crystal]
    graph: Graph
    unusable: dict[str, str]

    def joined(self, crystals: list[Crystal], graph: Graph) -> _Part:
        """Return the part with other crystals behind it."""
        return _Part([*self.crystals, *crystals], collate([self.graph, graph]), self.unusable)


class _Learned(NamedTuple):
    """A run that has ended.

    Attributes:
        validation: The crystals that chose the epoch.
        facts: What its card says of it.
    """

    validation: list[Crystal]
    facts: dict[str, Any]


def train(
    plan: Plan | SettledPlan,
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

    Labels outside the physical range of their property are left out and listed in `folder`. The test crystals of the split are not looked at. A run that was killed goes on from its last checkpoint in `folder`.

    Args:
        plan: What is learned, by which network, and how.
        crystals: The whole data set that the split divides.
        split: Which crystals train and which choose the epoch.
        out: The model file to write.
        folder: Folder of the run, for plan, log, checkpoints, loss curve, parity plots of the validation crystals.
        name: Name of the model; the stem of `out` by default.
        source: Where the data came from, for the card.
        cache: Where built graphs are kept; `folder` by default.
        progress: Show a progress bar.

    Returns:
        The card of the model, with its validation metrics.

    Raises:
        DataError: A property has no labels, or the data is not that of the split.
        PlanError: The plan contradicts itself, or `folder` holds another run.

    Warns:
        FewValidationCrystals: Fewer than 20 crystals choose the epoch.

    Example:
        A small network, trained for one epoch on sixty crystals that come with the package:

        >>> from itertools import islice
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> import cryskit
        >>> from cryskit.data.sources import open_source
        >>> from cryskit.data.splits import make
        >>> crystals = list(islice(open_source("elastic_tensor"), 60))
        >>> split = make(crystals, kind="random", fractions=(0.5, 0.4, 0.1), seed=0)
        >>> network = {"name": "cgcnn", "width": 8, "layers": 1}
        >>> plan = cryskit.Plan.make({"properties": ["bulk_modulus"], "encoder": network, "optimisation": {"epochs": 1}})
        >>> folder = Path(mkdtemp())
        >>> card = cryskit.train(plan, crystals, split, folder / "model.safetensors", folder / "run")
        >>> [prop.name for prop in card.properties]
        ['bulk_modulus']
    """
    settled, cache = settle(plan), cache or folder
    divided, wanted = _divided(settled.plan, crystals, split)
    begun = card_of(settled.plan, wanted, name or out.stem)
    with seeded(settled.plan.optimisation.seed):
        predictor = Predictor.from_card(begun, cache)
        learned = _learn(settled, predictor, divided, split, folder, cache, progress=progress)
        calibration = class_calibrations(predictor, learned.validation, divided.calibration)
        predictor.card = begun.model_copy(update={"class_calibration": calibration})
        judged = evaluate(predictor, learned.validation)
    predictor.card = begun.model_copy(
        update={
            **learned.facts,
            "class_calibration": calibration,
            "split": {"name": split.name, "hash": split.hash},
            "data": {"source": source, "manifest": manifest(crystals)},
            "metrics": judged.metrics,
        }
    )
    predictor.save(out)
    _plot(judged, begun.properties, folder)
    return predictor.card


def _learn(
    settled: SettledPlan,
    predictor: Predictor,
    divided: Sequence[Sequence[Crystal]],
    split: Split,
    folder: Path,
    cache: Path,
    *,
    progress: bool,
) -> _Learned:
    """Train the networks of a predictor on the first part of the data; the second chooses the epoch.

    Args:
        settled: The plan.
        predictor: The predictor with the weights that it begins with; those of the best epoch are left in it.
        divided: Training, validation and test crystals; of the last it is only asked which they are.
        split: The split of the data.
        folder: Folder of the run.
        cache: Folder of built graphs, and of the teacher's vectors.
        progress: Show a progress bar.
    """
    plan, teacher = settled.plan, settled.teacher
    wanted = predictor.card.properties
    objective = _objective(settled, predictor)
    start = start_from(plan, predictor)
    parts, impossible = zip(*(without_impossible(part, wanted) for part in divided[:2]), strict=True)
    training, validation = (_built(_labelled(part, wanted), objective.needs, cache) for part in parts)
    elements = sorted({int(number) for crystal in training.crystals for number in crystal.numbers})
    rows = {"training": len(training.crystals), "validation": len(validation.crystals)}
    unusable = training.unusable | validation.unusable
    unlabelled = teacher.unlabelled_crystals(chain(*divided), objective.needs, cache) if teacher else None
    if unlabelled:
        training = training.joined(*unlabelled)
    graphs = _graphs(predictor, training, validation)
    heads = start_heads(plan, predictor)
    if teacher and objective.teacher_layers:
        graphs = taught(graphs[0], teacher.of(training.crystals, objective.teacher_layers, cache)), graphs[1]
    objective.prepare(graphs[0])
    texts = [crystal.text for part in (training, validation) for crystal in part.crystals]
    seen = [manifest(unlabelled[0])] if unlabelled else []
    identity = _identity(settled, split, [*chain(*parts)], seen, text_hash(predictor, texts), wanted)
    claim(folder, identity)
    note_plan(plan, start, unusable, folder)
    note_impossible([*chain(*impossible)], folder)
    epoch = fit(objective, *graphs, plan.optimisation, folder, identity=identity, rates=start.rates, progress=progress)
    counts = {
        "unusable": len(unusable),
        COUNT: sum(map(len, impossible)),
        "unlabelled": len(unlabelled[0]) if unlabelled else 0,
        "without text": texts.count(None) if predictor.text_input else 0,
    }
    said = {
        "elements": elements,
        "rows": rows | {name: count for name, count in counts.items() if count},
        "start": start.facts | heads,
        "teacher": teacher.named.model_dump() if teacher else {},
        "text": predictor.text_input.facts if predictor.text_input else {},
        "epoch": epoch,
    }
    return _Learned(validation.crystals, said)


def _identity(
    settled: SettledPlan,
    split: Split,
    crystals: Sequence[Crystal],
    seen: list[str],
    text: list[str],
    wanted: Sequence[Property],
) -> Identity:
    """Return what a run depends on.

    Args:
        settled: The plan.
        split: The split of the data.
        crystals: Training and validation crystals, with labels.
        seen: Manifest hash of the crystals that are learned from without labels, if there are any.
        text: Hash of the descriptions, if the model reads them.
        wanted: What is learned.
    """
    labels = [crystal.targets.get(one.name) for crystal in crystals for one in wanted]
    classes = [f"{one.name}: {', '.join(one.classes)}" for one in wanted if one.classes]
    data = {
        "data": split.data,
        "split": split.hash,
        "labels": digest_of(labels),
        "unlabelled": seen,
        "descriptions": text,
        "classes": classes or None,
    }
    return identity_of(settled, data, split.hash, *seen, *text)


def _objective(settled: SettledPlan, predictor: Predictor) -> Objective:
    """Return the objective of a run with labels around the networks of its predictor."""
    settings = {key: value for key, value in settled.plan.objective.items() if key != "heads"}
    settings |= {"teacher": settled.teacher.width} if settled.teacher else {}
    return OBJECTIVES.build({**settings, "encoder": predictor.encoder, "heads": predictor.heads})


def _plot(judged: Evaluation, wanted: Sequence[Property], folder: Path) -> None:
    """Draw the curves of the run, and predictions of the validation crystals over their labels."""
    plot_curves(read_log(folder / LOG), folder / "curve.png")
    for each in (p for p in wanted if p.name in judged.metrics):
        plot_judged(judged.table, each, folder)


def _divided(plan: Plan, crystals: Sequence[Crystal], split: Split) -> tuple[Divided, list[Property]]:
    """Return the parts of the data with targets of classes, and what is learned."""
    named, wanted = prepared(crystals, plan.properties, plan.kinds)
    return split.divide(named), wanted


def _labelled(crystals: Sequence[Crystal], wanted: Sequence[Property]) -> list[Crystal]:
    return [c for c in crystals if any(np.isfinite(c.targets.get(p.name, np.nan)) for p in wanted)]


def _built(crystals: Sequence[Crystal], spec: GraphSpec, cache: Path) -> _Part:
    graph, errors = build_usable(crystals, spec, cache=cache)
    usable = [crystal for position, crystal in enumerate(crystals) if position not in errors]
    return _Part(usable, graph, {crystals[position].id: str(error) for position, error in errors.items()})


def _graphs(predictor: Predictor, training: _Part, validation: _Part) -> tuple[Graph, Graph]:
    """Return the graphs of both parts with labels, whose scale the heads take, and with descriptions if the model reads them."""
    wanted, text_input = predictor.card.properties, predictor.text_input
    graphs = _with_targets(training, wanted), _with_targets(validation, wanted)
    predictor.heads.fit_scale(graphs[0].targets)
    if text_input is None:
        return graphs
    return text_input.attach(graphs[0], training.crystals), text_input.attach(graphs[1], validation.crystals)


def _with_targets(part: _Part, wanted: Sequence[Property]) -> Graph:
    targets = [[c.targets.get(p.name, np.nan) for p in wanted] for c in part.crystals]
    return with_targets(part.graph, np.array(targets).reshape(len(part.crystals), len(wanted)))
