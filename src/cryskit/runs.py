"""A run: from a plan and crystals, with or without labels, to a model file, with its log and plots beside it."""

from __future__ import annotations

import hashlib
import inspect
from contextlib import nullcontext
from importlib.metadata import version
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit import properties
from cryskit.batching import Beside, collate, with_targets
from cryskit.data.atomic import write_json
from cryskit.data.corpus import Corpus, Fate, manifest_beside
from cryskit.data.interchange import manifest
from cryskit.errors import DataError, PlanError, UnknownNameError
from cryskit.evaluate.evaluate import evaluate
from cryskit.graphs.build import build_usable
from cryskit.graphs.shards import Shards, problems_of, processes, shards, structures_of
from cryskit.plots.curves import plot_curves, read_log
from cryskit.plots.parity import plot_parity
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.predict.start import settled, tensors_of
from cryskit.predict.teacher import taught, teacher_of
from cryskit.registry import ENCODERS, OBJECTIVES
from cryskit.training.fit import fit, seed
from cryskit.training.transfer import freeze, rates, transfer
from cryskit.types import Property

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cryskit.batching import Batcher
    from cryskit.data.splits import Split
    from cryskit.graphs.shards import Shard
    from cryskit.predict.teacher import Vectors
    from cryskit.training.plan import Plan
    from cryskit.types import Crystal, Graph, GraphSpec

TRANSFER, UNUSABLE = "transfer.json", "unusable.json"
"""Files of a run: what became of every tensor of the file it started from; which crystals cannot be built, and why."""

_STANDS_ON = ("cryskit", "torch", "numpy", "pymatgen-core", "moyopy", "lightning")


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
    """
    plan, teacher = teacher_of(settled(plan))
    wanted = _wanted(plan, crystals)
    divided = split.divide(crystals)
    labelled = [_labelled(part, wanted) for part in divided[:2]]
    card = _card(plan, wanted, name or out.stem)
    card.split, card.data = {"name": split.name, "hash": split.hash}, {"source": source, "manifest": manifest(crystals)}
    seed(plan.optimisation.seed)
    predictor = Predictor.from_card(card, cache or folder)
    objective = _objective(plan, predictor, teacher)
    shares = _start(plan, predictor, folder)
    training, validation = (_built(part, objective.needs, cache or folder) for part in labelled)
    _note(plan, _unusable(card, training, validation), folder)
    company = teacher.company(chain(*divided), objective.needs, cache or folder) if teacher else None
    if company:
        card.rows["unlabelled"] = len(company[0])
        training = training.joined(*company)
    graphs = _graphs(predictor, training, validation, wanted)
    if teacher:
        card.teacher = teacher.named.model_dump()
        graphs = _taught(objective, graphs[0], training, teacher, cache or folder), graphs[1]
    texts = [crystal.text for part in (training, validation) for crystal in part.crystals]
    seen = [manifest(company[0])] if company else []
    identity = _digest(plan.hash, split.hash, *seen, *_told(predictor, texts))
    card.epoch = fit(objective, *graphs, plan.optimisation, folder, identity=identity, rates=shares, progress=progress)
    return _finish(predictor, validation.crystals, out, folder)


def pretrain(
    plan: Plan,
    sources: Mapping[str, Iterable[Crystal]],
    out: Path,
    folder: Path,
    *,
    splits: Sequence[Split] = (),
    name: str | None = None,
    cache: Path | None = None,
    workers: int = 1,
    progress: bool = False,
) -> Card:
    """Train an encoder on crystals without looking at their labels, and write a model file that embeds.

    The crystals are read once, one after the other, and their graphs are kept on disk; memory holds neither. Of several
    crystals of one structure the first is kept. Beside the model lies `<stem>.manifest.parquet`, which lists every crystal
    that was seen. A run that was killed goes on from the last shard of graphs, or the last checkpoint in `folder`.

    Args:
        plan: By which objective, which network, and how.
        sources: Name or path of each data set to its crystals; 90 % train and 10 % choose the epoch.
        out: The model file to write.
        folder: Of the run: plan, log, checkpoints, loss curve.
        splits: Of the data sets that have one: its training crystals train, its validation crystals choose the epoch, and its
            test crystals are held out, with all of the same structure in the other data sets.
        name: Of the model; the stem of `out` by default.
        cache: Where built graphs are kept; `folder` by default.
        workers: Processes that build graphs. A script that asks for several is guarded by `if __name__ == "__main__"`.
        progress: Show a progress bar.

    Returns:
        The card of the model, with its validation losses.

    Raises:
        DataError: A data set cannot be divided.
        PlanError: The objective needs labels, a split is of none of the data sets, or `folder` holds another run.
    """
    plan = settled(plan).model_copy(update={"properties": ()})
    _refuse_labels(plan.objective)
    card = _card(plan, [], name or out.stem)
    seed(plan.optimisation.seed)
    predictor = Predictor.from_card(card, cache or folder)
    objective = OBJECTIVES.build({**plan.objective, "encoder": predictor.encoder})
    corpus, built, texts = _gathered(sources, objective.needs, cache or folder, workers)
    fates = corpus.divide(structures_of(built), splits, plan.optimisation.seed)
    shares = _start(plan, predictor, folder)
    parts = Shards(built, np.flatnonzero(fates == Fate.TRAIN)), Shards(built, np.flatnonzero(fates == Fate.VALIDATION))
    card.sources, card.split = corpus.manifests, {name: split.hash for name, split in corpus.matched(splits).items()}
    card.elements, card.rows = parts[0].elements(), _counts(fates)
    _note(plan, _problems(corpus, built, np.flatnonzero(fates == Fate.UNUSABLE)), folder)
    identity = _digest(plan.hash, corpus.manifests, card.split, card.rows, *_told(predictor, texts))
    given = _beside(predictor, parts[0], texts), _beside(predictor, parts[1], texts)
    card.epoch = fit(objective, *given, plan.optimisation, folder, identity=identity, rates=shares, progress=progress)
    card.metrics = _losses(folder, card.epoch)
    seen = manifest_beside(out)
    digest = corpus.write_manifest(seen, fates)
    card.data = {"source": ", ".join(corpus.manifests), "manifest": digest, "file": seen.name}
    predictor.save(out)
    plot_curves(folder / "log.jsonl", folder / "curve.png")
    return card


def _losses(folder: Path, epoch: int) -> dict[str, dict[str, float]]:
    """Return the validation losses of an epoch of a run, for the card."""
    (found,) = (entry for entry in read_log(folder / "log.jsonl") if entry["epoch"] == epoch)
    return {loss: {"loss": value} for loss, value in found["validation"].items()}


def _gathered(
    sources: Mapping[str, Iterable[Crystal]], spec: GraphSpec, cache: Path, workers: int
) -> tuple[Corpus, list[Shard], list[str | None]]:
    """Read every data set once: list its crystals, build their graphs, and keep descriptions, which graphs do not hold."""
    corpus = Corpus(sources)
    texts: list[str | None] = []
    with processes(workers) if workers > 1 else nullcontext() as pool:
        built = [
            shard
            for source, crystals in sources.items()
            for shard in shards(corpus.listed(source, _heard(crystals, texts)), spec, cache, pool)
        ]
    return corpus, built, texts


def _heard(crystals: Iterable[Crystal], texts: list[str | None]) -> Iterator[Crystal]:
    """Pass crystals on and keep their descriptions."""
    for crystal in crystals:
        texts.append(crystal.text)
        yield crystal


def _told(predictor: Predictor, texts: Sequence[str | None]) -> list[str]:
    """Return the hash of the descriptions that a model reads; nothing if it reads none."""
    return [_digest(texts)] if predictor.words else []


def _beside(predictor: Predictor, part: Shards, texts: Sequence[str | None]) -> Batcher:
    """Return a part of the corpus with words if the model reads them."""
    if predictor.words is None:
        return part
    predictor.card.text = predictor.words.facts
    return Beside(part, predictor.words.vectors([texts[row] for row in part.rows]))


def _problems(corpus: Corpus, built: Sequence[Shard], rows: np.ndarray) -> dict[str, str]:
    """Return for some crystals, by id, why they cannot be used."""
    return dict(zip(corpus.ids(rows), problems_of(built, rows), strict=True))


def _counts(fates: np.ndarray) -> dict[str, int]:
    """Return how many crystals met which fate, for the card; nothing where none did."""
    names = {Fate.UNUSABLE: "unusable", Fate.DUPLICATE: "duplicates", Fate.HELD_OUT: "held out"}
    counts = np.bincount(fates, minlength=len(Fate)).tolist()
    met = {name: counts[fate] for fate, name in names.items() if counts[fate]}
    return {"training": counts[Fate.TRAIN], "validation": counts[Fate.VALIDATION], **met}


def _objective(plan: Plan, predictor: Predictor, teacher: Vectors | None) -> Any:
    """Return the objective of a run with labels around the networks of its predictor."""
    settings = {key: value for key, value in plan.objective.items() if key != "heads"}
    settings |= {"teacher": teacher.width} if teacher else {}
    return OBJECTIVES.build({**settings, "encoder": predictor.encoder, "heads": predictor.heads})


def _card(plan: Plan, wanted: list[Property], name: str) -> Card:
    encoder = ENCODERS.build(plan.encoder)
    return Card(
        name=name,
        description=plan.about.description,
        licence=plan.about.licence,
        citation=list(plan.about.citation),
        encoder=ENCODERS.config_of(encoder),
        heads=plan.objective.get("heads", {}),
        spec=encoder.needs,
        properties=wanted,
        plan=plan.model_dump(mode="json", exclude={"about"}),
        versions={package: version(package) for package in _STANDS_ON},
    )


def _refuse_labels(objective: Mapping[str, Any]) -> None:
    """Refuse an objective that learns from labels: it has heads."""
    free = [name for name in OBJECTIVES if "heads" not in inspect.signature(OBJECTIVES[name]).parameters]
    if objective.get("name") in OBJECTIVES and objective["name"] not in free:
        raise PlanError(
            f"The objective {objective['name']} learns from labels",
            f"Use `cryskit train`, or one of {', '.join(free)}",
        )


def _start(plan: Plan, predictor: Predictor, folder: Path) -> dict[str, float]:
    """Give the encoder the weights that the plan starts from, and write what became of each.

    Returns:
        What the learning rates of its parameters are multiplied with.
    """
    own = {f"encoder.{name}": share for name, share in getattr(predictor.encoder, "rates", {}).items()}
    if plan.start is None:
        return own
    report = transfer(predictor.encoder, tensors_of(plan.start), plan.start.parts)
    freeze(predictor.encoder, plan.start.freeze, report)
    predictor.card.start = plan.start.model_dump() | report.counts
    write_json(report.to_json(), folder / TRANSFER)
    return rates(predictor.encoder, plan.start.decay, report) | own


def _unusable(card: Card, training: _Part, validation: _Part) -> dict[str, str]:
    """Let the card say on which crystals the plan is carried out; return why others cannot be used."""
    card.elements = sorted({int(number) for crystal in training.crystals for number in crystal.numbers})
    card.rows = {"training": len(training.crystals), "validation": len(validation.crystals)}
    unusable = training.unusable | validation.unusable
    card.rows |= {"unusable": len(unusable)} if unusable else {}
    return unusable


def _note(plan: Plan, unusable: Mapping[str, str], folder: Path) -> None:
    """Write the plan, and why crystals cannot be used."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plan.yaml").write_text(plan.to_yaml(), encoding="utf-8")
    if unusable:
        write_json(unusable, folder / UNUSABLE)


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
    words = predictor.words
    if words is None:
        return graphs
    predictor.card.text = words.facts
    silent = sum(crystal.text is None for part in (training, validation) for crystal in part.crystals)
    predictor.card.rows |= {"without text": silent} if silent else {}
    return words.told(graphs[0], training.crystals), words.told(graphs[1], validation.crystals)


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


def _digest(*what: object) -> str:
    return hashlib.sha256(" ".join(map(str, what)).encode()).hexdigest()
