"""Pre-train an encoder on crystals without labels: from a plan and data sets to a model file and its manifest."""

from __future__ import annotations

import inspect
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.batching import TextBatcher
from cryskit.data.corpus import Assignment, Corpus, manifest_path
from cryskit.errors import PlanError
from cryskit.graphs.shards import Shards, problems_of, processes, shards, structures_of
from cryskit.plots.curves import plot_curves
from cryskit.predict.predictor import Predictor
from cryskit.registry import OBJECTIVES
from cryskit.training.fit import fit, seed
from cryskit.training.log import LOG, read_log
from cryskit.training.run import card_of, digest_of, note_plan, start_from, text_hash
from cryskit.training.start import with_start_resolved

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cryskit.batching import Batcher
    from cryskit.data.splits import Split
    from cryskit.graphs.shards import Shard
    from cryskit.predict.card import Card
    from cryskit.training.plan import Plan
    from cryskit.types import Crystal, GraphSpec


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
    plan = with_start_resolved(plan).model_copy(update={"properties": ()})
    _refuse_labels(plan.objective)
    card = card_of(plan, [], name or out.stem)
    seed(plan.optimisation.seed)
    predictor = Predictor.from_card(card, cache or folder)
    objective = OBJECTIVES.build({**plan.objective, "encoder": predictor.encoder})
    corpus, built, texts = _build_corpus(sources, objective.needs, cache or folder, workers)
    assignments = corpus.divide(structures_of(built), splits, plan.optimisation.seed)
    shares = start_from(plan, predictor, folder)
    parts = [Shards(built, np.flatnonzero(assignments == each)) for each in (Assignment.TRAIN, Assignment.VALIDATION)]
    card.sources, card.split = corpus.manifests, {name: split.hash for name, split in corpus.matched(splits).items()}
    card.elements, card.rows = parts[0].elements(), _counts(assignments)
    note_plan(plan, _problems(corpus, built, np.flatnonzero(assignments == Assignment.UNUSABLE)), folder)
    identity = digest_of(plan.hash, corpus.manifests, card.split, card.rows, *text_hash(predictor, texts))
    training, validation = (_with_text(predictor, part, texts) for part in parts)
    settings: dict[str, Any] = {"identity": identity, "rates": shares, "progress": progress}
    card.epoch = fit(objective, training, validation, plan.optimisation, folder, **settings)
    card.metrics = _losses(folder, card.epoch)
    seen = manifest_path(out)
    digest = corpus.write_manifest(seen, assignments)
    card.data = {"source": ", ".join(corpus.manifests), "manifest": digest, "file": seen.name}
    predictor.save(out)
    plot_curves(read_log(folder / LOG), folder / "curve.png")
    return card


def _losses(folder: Path, epoch: int) -> dict[str, dict[str, float]]:
    """Return the validation losses of an epoch of a run, for the card."""
    (found,) = (entry for entry in read_log(folder / LOG) if entry["epoch"] == epoch)
    return {loss: {"loss": value} for loss, value in found["validation"].items()}


def _build_corpus(
    sources: Mapping[str, Iterable[Crystal]], spec: GraphSpec, cache: Path, workers: int
) -> tuple[Corpus, list[Shard], list[str | None]]:
    """Read every data set once: list its crystals, build their graphs, and keep descriptions, which graphs do not hold."""
    corpus = Corpus(sources)
    texts: list[str | None] = []
    with processes(workers) if workers > 1 else nullcontext() as pool:
        built = [
            shard
            for source, crystals in sources.items()
            for shard in shards(corpus.listed(source, _collect_texts(crystals, texts)), spec, cache, pool)
        ]
    return corpus, built, texts


def _collect_texts(crystals: Iterable[Crystal], texts: list[str | None]) -> Iterator[Crystal]:
    """Pass crystals on and keep their descriptions."""
    for crystal in crystals:
        texts.append(crystal.text)
        yield crystal


def _with_text(predictor: Predictor, part: Shards, texts: Sequence[str | None]) -> Batcher:
    """Return a part of the corpus with words if the model reads them."""
    if predictor.text_input is None:
        return part
    predictor.card.text = predictor.text_input.facts
    return TextBatcher(part, predictor.text_input.vectors([texts[row] for row in part.rows]))


def _problems(corpus: Corpus, built: Sequence[Shard], rows: np.ndarray) -> dict[str, str]:
    """Return for some crystals, by id, why they cannot be used."""
    return dict(zip(corpus.ids(rows), problems_of(built, rows), strict=True))


def _counts(assignments: np.ndarray) -> dict[str, int]:
    """Return how many crystals met which assignment, for the card; nothing where none did."""
    names = {Assignment.UNUSABLE: "unusable", Assignment.DUPLICATE: "duplicates", Assignment.HELD_OUT: "held out"}
    counts = np.bincount(assignments, minlength=len(Assignment)).tolist()
    met = {name: counts[assignment] for assignment, name in names.items() if counts[assignment]}
    return {"training": counts[Assignment.TRAIN], "validation": counts[Assignment.VALIDATION], **met}


def _refuse_labels(objective: Mapping[str, Any]) -> None:
    """Refuse an objective that learns from labels: it has heads."""
    free = [name for name in OBJECTIVES if "heads" not in inspect.signature(OBJECTIVES[name]).parameters]
    if objective.get("name") in OBJECTIVES and objective["name"] not in free:
        raise PlanError(
            f"The objective {objective['name']} learns from labels",
            f"Use `cryskit train`, or one of {', '.join(free)}",
        )
