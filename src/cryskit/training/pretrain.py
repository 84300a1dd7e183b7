"""Pre-train an encoder on crystals without labels: from a plan and data sets to a model file and its manifest."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cryskit.batching import TextBatcher
from cryskit.data.corpus import Assignment, Corpus, manifest_path
from cryskit.graphs.shards import Shards, problems_of, shards, structures_of
from cryskit.parallel import Pool
from cryskit.plots.loss_curves import plot_curves
from cryskit.predict.predictor import Predictor
from cryskit.registry import OBJECTIVES
from cryskit.training.fit import fit, seeded
from cryskit.training.identity import claim
from cryskit.training.inputs import folder_of, read_all
from cryskit.training.log import LOG, read_log
from cryskit.training.run import card_of, identity_of, note_plan, start_from, text_hash
from cryskit.training.settle import settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryskit.batching import Batcher
    from cryskit.data.splits import Split
    from cryskit.graphs.shards import Shard
    from cryskit.predict.card import Card
    from cryskit.protocols import Objective
    from cryskit.training.plan import Plan
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal, GraphSpec


class _Data(NamedTuple):
    """The crystals of a run, each read once.

    Attributes:
        corpus: Every crystal of every data set by name.
        shards: Graphs on disk.
        texts: Description of each crystal, or None.
        assignments: (crystals,) whether a crystal trains, chooses the epoch, or neither (`data.corpus.Assignment`).
        splits: Data set to the hash of its split, where it has one.
    """

    corpus: Corpus
    shards: list[Shard]
    texts: list[str | None]
    assignments: np.ndarray
    splits: dict[str, str]

    def part(self, assignment: Assignment) -> Shards:
        """Return the graphs of the crystals with an assignment."""
        return Shards(self.shards, np.flatnonzero(self.assignments == assignment))

    def problems(self) -> dict[str, str]:
        """Return for each crystal that cannot be used, by id, the reason."""
        rows = np.flatnonzero(self.assignments == Assignment.UNUSABLE)
        return dict(zip(self.corpus.ids(rows), problems_of(self.shards, rows), strict=True))


def pretrain(
    plan: Plan | SettledPlan,
    sources: Mapping[str, Iterable[Crystal]] | Sequence[str] | str,
    out: Path | str = "model.safetensors",
    folder: Path | str | None = None,
    *,
    splits: Sequence[Split] = (),
    name: str | None = None,
    cache: Path | None = None,
    workers: int = 1,
    progress: bool = False,
) -> Card:
    """Train an encoder on crystals without looking at their labels, and write a model file that embeds.

    The crystals are read once, one after the other, and their graphs are kept on disk; memory holds neither. Of several
    crystals of one structure the first is kept. In the folder of the model `<stem>.manifest.parquet` lists every crystal
    that was seen. A run that was killed goes on from the last shard of graphs, or the last checkpoint in `folder`.

    Args:
        plan: Objective and network, and how the one is minimised.
        sources: Name or path of each data set to its crystals, or the names or paths alone, one or many; 90 % train and 10 % choose the epoch.
        out: The model file to write.
        folder: Folder of the run, for plan, log, checkpoints, loss curve; `<out>.run` by default.
        splits: Splits of those data sets that have one: training crystals train, validation crystals choose the epoch, and
            test crystals are held out, with all of the same structure in the other data sets.
        name: Name of the model; the stem of `out` by default.
        cache: Where built graphs are kept; `folder` by default.
        workers: Processes that build graphs. A script that asks for several is guarded by `if __name__ == "__main__"`.
        progress: Show a progress bar.

    Returns:
        The card of the model, with its validation losses.

    Raises:
        DataError: A data set cannot be divided.
        PlanError: The objective needs labels, a split is of none of the data sets, or `folder` holds another run.

    Warns:
        FewValidationCrystals: Fewer than 20 crystals choose the epoch.

    Example:
        A small network, pre-trained for one epoch on three hundred crystals that come with the package:

        >>> from itertools import islice
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> import cryskit
        >>> from cryskit.data.sources import open_source
        >>> crystals = islice(open_source("elastic_tensor"), 300)
        >>> network = {"name": "cgcnn", "width": 8, "layers": 1}
        >>> plan = cryskit.Plan.make(
        ...     {"encoder": network, "objective": {"name": "crysae"}, "optimisation": {"epochs": 1}}
        ... )
        >>> folder = Path(mkdtemp())
        >>> card = cryskit.pretrain(plan, {"elastic": crystals}, folder / "model.safetensors", folder / "run")
        >>> table = cryskit.load(folder / "model.safetensors").embed("examples/NaCl.cif")
        >>> len(table["vector"][0])
        8
    """
    settled, out = settle(plan, labels=False), Path(out)
    folder = folder_of(out, folder)
    cache, sources = cache or folder, sources if isinstance(sources, Mapping) else read_all(sources)
    chosen = settled.plan
    begun = card_of(chosen, [], name or out.stem)
    with seeded(chosen.optimisation.seed):
        predictor = Predictor.from_card(begun, cache)
        objective = OBJECTIVES.build({**chosen.objective, "encoder": predictor.encoder})
        data = _read(sources, splits, objective.needs, cache, workers, chosen.optimisation.seed)
        facts = _learn(settled, predictor, objective, data, folder, progress=progress)
    path = manifest_path(out)
    digest = data.corpus.write_manifest(path, data.assignments)
    origin = {"source": ", ".join(data.corpus.manifests), "manifest": digest, "file": path.name}
    predictor.card = begun.model_copy(update={**facts, "data": origin})
    predictor.save(out)
    plot_curves(read_log(folder / LOG), folder / "curve.png")
    return predictor.card


def _learn(
    settled: SettledPlan,
    predictor: Predictor,
    objective: Objective,
    data: _Data,
    folder: Path,
    *,
    progress: bool,
) -> dict[str, Any]:
    """Train the encoder of a predictor and return what its card says of the run.

    Args:
        settled: The plan.
        predictor: The predictor, in which the weights of the best epoch are left.
        objective: The objective around its encoder.
        data: The crystals.
        folder: Folder of the run.
        progress: Show a progress bar.
    """
    plan, start = settled.plan, start_from(settled.plan, predictor)
    sources, rows = data.corpus.manifests, _counts(data.assignments)
    text = text_hash(predictor, data.texts)
    facts = {"data": sources, "split": data.splits, "crystals": rows, "descriptions": text}
    identity = identity_of(settled, facts, sources, data.splits, rows, *text)
    claim(folder, identity)
    note_plan(plan, start, data.problems(), folder)
    parts = [data.part(each) for each in (Assignment.TRAIN, Assignment.VALIDATION)]
    training, validation = (_with_text(predictor, part, data.texts) for part in parts)
    running: dict[str, Any] = {"identity": identity, "rates": start.rates, "progress": progress}
    epoch = fit(objective, training, validation, plan.optimisation, folder, **running)
    return {
        "sources": sources,
        "split": data.splits,
        "rows": rows,
        "elements": parts[0].elements(),
        "start": start.facts,
        "text": predictor.text_input.facts if predictor.text_input else {},
        "epoch": epoch,
        "metrics": _losses(folder, epoch),
    }


def _losses(folder: Path, epoch: int) -> dict[str, dict[str, float]]:
    """Return the validation losses of an epoch of a run, for the card."""
    (found,) = (entry for entry in read_log(folder / LOG) if entry["epoch"] == epoch)
    return {loss: {"loss": value} for loss, value in found["validation"].items()}


def _read(
    sources: Mapping[str, Iterable[Crystal]],
    splits: Sequence[Split],
    spec: GraphSpec,
    cache: Path,
    workers: int,
    seed: int,
) -> _Data:
    """Read every data set once: list its crystals, build their graphs, keep descriptions, which graphs do not hold, and divide."""
    corpus = Corpus(sources)
    texts: list[str | None] = []
    with Pool(workers) if workers > 1 else nullcontext() as pool:
        built = [
            shard
            for source, crystals in sources.items()
            for shard in shards(corpus.listed(source, _collect_texts(crystals, texts)), spec, cache, pool)
        ]
    assignments = corpus.divide(structures_of(built), splits, seed)
    return _Data(corpus, built, texts, assignments, {name: s.hash for name, s in corpus.matched(splits).items()})


def _collect_texts(crystals: Iterable[Crystal], texts: list[str | None]) -> Iterator[Crystal]:
    """Pass crystals on and keep their descriptions."""
    for crystal in crystals:
        texts.append(crystal.text)
        yield crystal


def _with_text(predictor: Predictor, part: Shards, texts: Sequence[str | None]) -> Batcher:
    """Return a part of the corpus with vectors of descriptions if the model reads them."""
    if predictor.text_input is None:
        return part
    return TextBatcher(part, predictor.text_input.vectors([texts[row] for row in part.rows]))


def _counts(assignments: np.ndarray) -> dict[str, int]:
    """Return how many crystals met which assignment, for the card; nothing where none did."""
    names = {Assignment.UNUSABLE: "unusable", Assignment.DUPLICATE: "duplicates", Assignment.HELD_OUT: "held out"}
    counts = np.bincount(assignments, minlength=len(Assignment)).tolist()
    met = {name: counts[assignment] for assignment, name in names.items() if counts[assignment]}
    return {"training": counts[Assignment.TRAIN], "validation": counts[Assignment.VALIDATION], **met}
