"""Learn properties from labelled crystals: from a plan and a split to a model file."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit import properties
from cryskit.batching import collate, with_targets
from cryskit.data.interchange import manifest
from cryskit.errors import DataError, PlanError, UnknownNameError
from cryskit.evaluate.evaluate import evaluate
from cryskit.graphs.build import build_usable
from cryskit.plots.loss_curves import plot_curves
from cryskit.plots.parity import plot_parity
from cryskit.predict.predictor import Predictor
from cryskit.registry import OBJECTIVES
from cryskit.training.fit import fit, seed
from cryskit.training.log import LOG, read_log
from cryskit.training.run import card_of, digest_of, note_plan, start_from, text_hash
from cryskit.training.start import with_start_resolved
from cryskit.training.teacher import taught, teacher_of
from cryskit.types import Property

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.data.splits import Split
    from cryskit.predict.card import Card
    from cryskit.training.plan import Plan
    from cryskit.training.teacher import Vectors
    from cryskit.types import Crystal, Graph, GraphSpec


class _Part(NamedTuple):
    """The crystals of a part that could be built, their graph, and why the others could not."""

    crystals: list[Crystal]
    graph: Graph
    unusable: dict[str, str]

    def joined(self, crystals: list[Crystal], graph: Graph) -> _Part:
        """Return the part with other crystals behind it."""
        return _Part([*self.crystals, *crystals], collate([self.graph, graph]), self.unusable)


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
    plan, teacher = teacher_of(with_start_resolved(plan))
    wanted = _wanted(plan, crystals)
    divided = split.divide(crystals)
    labelled = [_labelled(part, wanted) for part in divided[:2]]
    card = card_of(plan, wanted, name or out.stem)
    card.split, card.data = {"name": split.name, "hash": split.hash}, {"source": source, "manifest": manifest(crystals)}
    seed(plan.optimisation.seed)
    predictor = Predictor.from_card(card, cache or folder)
    objective = _objective(plan, predictor, teacher)
    shares = start_from(plan, predictor, folder)
    training, validation = (_built(part, objective.needs, cache or folder) for part in labelled)
    note_plan(plan, _unusable(card, training, validation), folder)
    unlabelled = teacher.unlabelled_crystals(chain(*divided), objective.needs, cache or folder) if teacher else None
    if unlabelled:
        card.rows["unlabelled"] = len(unlabelled[0])
        training = training.joined(*unlabelled)
    graphs = _graphs(predictor, training, validation, wanted)
    if teacher:
        card.teacher = teacher.named.model_dump()
        graphs = _taught(objective, graphs[0], training, teacher, cache or folder), graphs[1]
    texts = [crystal.text for part in (training, validation) for crystal in part.crystals]
    seen = [manifest(unlabelled[0])] if unlabelled else []
    identity = digest_of(plan.hash, split.hash, *seen, *text_hash(predictor, texts))
    card.epoch = fit(objective, *graphs, plan.optimisation, folder, identity=identity, rates=shares, progress=progress)
    return _finish(predictor, validation.crystals, out, folder)


def _objective(plan: Plan, predictor: Predictor, teacher: Vectors | None) -> Any:
    """Return the objective of a run with labels around the networks of its predictor."""
    settings = {key: value for key, value in plan.objective.items() if key != "heads"}
    settings |= {"teacher": teacher.width} if teacher else {}
    return OBJECTIVES.build({**settings, "encoder": predictor.encoder, "heads": predictor.heads})


def _unusable(card: Card, training: _Part, validation: _Part) -> dict[str, str]:
    """Let the card say on which crystals the plan is carried out; return why others cannot be used."""
    card.elements = sorted({int(number) for crystal in training.crystals for number in crystal.numbers})
    card.rows = {"training": len(training.crystals), "validation": len(validation.crystals)}
    unusable = training.unusable | validation.unusable
    card.rows |= {"unusable": len(unusable)} if unusable else {}
    return unusable


def _finish(predictor: Predictor, validation: Sequence[Crystal], out: Path, folder: Path) -> Card:
    """Measure on the validation crystals, plot, and write the model file."""
    judged = evaluate(predictor, validation)
    predictor.card.metrics = judged.metrics
    predictor.save(out)
    plot_curves(read_log(folder / LOG), folder / "curve.png")
    for wanted in (p for p in predictor.card.properties if p.name in judged.metrics):
        truth, values = judged.table[f"{wanted.name}_true"], judged.table[wanted.name]
        plot_parity(truth, values, wanted, folder / f"parity-{wanted.name}.png")
    return predictor.card


def _wanted(plan: Plan, crystals: Sequence[Crystal]) -> list[Property]:
    if not plan.properties:
        raise PlanError("The plan names no property to learn", "Name at least one")
    return [_property(column, crystals) for column in plan.properties]


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


def _built(crystals: Sequence[Crystal], spec: GraphSpec, cache: Path) -> _Part:
    graph, errors = build_usable(crystals, spec, cache=cache)
    usable = [crystal for position, crystal in enumerate(crystals) if position not in errors]
    return _Part(usable, graph, {crystals[position].id: str(error) for position, error in errors.items()})


def _graphs(
    predictor: Predictor, training: _Part, validation: _Part, wanted: Sequence[Property]
) -> tuple[Graph, Graph]:
    """Return the graphs of both parts with labels, whose scale the heads take, and with words if the model reads them."""
    graphs = _with_targets(training, wanted), _with_targets(validation, wanted)
    predictor.heads.fit_scale(graphs[0].targets)
    text_input = predictor.text_input
    if text_input is None:
        return graphs
    predictor.card.text = text_input.facts
    silent = sum(crystal.text is None for part in (training, validation) for crystal in part.crystals)
    predictor.card.rows |= {"without text": silent} if silent else {}
    return text_input.attach(graphs[0], training.crystals), text_input.attach(graphs[1], validation.crystals)


def _taught(objective: Any, graph: Graph, part: _Part, teacher: Vectors, cache: Path) -> Graph:
    """Return the graph of a part with what the teacher says of its atoms, if that is learned."""
    if not objective.by_vectors:
        return graph
    found = taught(graph, teacher.of(part.crystals, objective.layers, cache))
    objective.fit_scale(found)
    return found


def _with_targets(part: _Part, wanted: Sequence[Property]) -> Graph:
    targets = [[c.targets.get(p.name, np.nan) for p in wanted] for c in part.crystals]
    return with_targets(part.graph, np.array(targets).reshape(len(part.crystals), len(wanted)))
