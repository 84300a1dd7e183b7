"""The stages from a file to a prediction, each timed against the reference on the same crystals."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pymatgen.core import Structure
from pymatgen.io.cif import CifWriter
from torch.nn.functional import mse_loss

from benchmarks.speed import reference
from benchmarks.speed.clock import REFERENCE, interleave, rows, seconds
from benchmarks.speed.count import Sizes, Work, inference, training
from cryskit.batching import Batcher, with_targets
from cryskit.data.read import read
from cryskit.encoders.cgcnn import CGCNN
from cryskit.graphs.build import build
from cryskit.graphs.orbits import orbits
from cryskit.layers.heads import PropertyHeads
from cryskit.objectives.property import PropertyObjective
from cryskit.types import Crystal, Failure, GraphSpec, Property

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor

    from benchmarks.speed.clock import Times
    from cryskit.types import Graph

BATCH = 256
HIDDEN = 128
OURS = "cryskit"
NEAREST = "cryskit, nearest neighbours"
FULL = "cryskit, nearest neighbours, full cells"
_WHOLE_SHELLS = GraphSpec(neighbours="nearest")
_AS_PUBLISHED = GraphSpec(neighbours="nearest", shells=False, reduce=False)
_LABEL = Property("volume_per_atom", "V", "angstrom3")
_RATE = 1e-3


@dataclass
class Workload:
    """What the stages work on.

    Attributes:
        crystals: Real crystals.
        folder: Empty folder for files.
        repeats: Number of timed rounds.
        clock: Clock of rates and ratios, "cpu" or "wall".
        peaks: Best rates of the machine, from `machine.peaks`.
        compiled: Also time the network under torch.compile.
        few: Number of crystals for stages in which the reference is slow.
        cache: Folder of built graphs, or None.
    """

    crystals: list[Crystal]
    folder: Path
    repeats: int
    clock: str
    peaks: Mapping[str, float]
    compiled: bool = False
    few: int = 256
    cache: Path | None = None
    seconds: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def structures(self) -> list[Structure]:
        """The crystals as pymatgen has them."""
        return [Structure(c.lattice, c.numbers, c.fractional) for c in self.crystals]

    @cached_property
    def labels(self) -> np.ndarray:
        """A number that every crystal has: its volume per atom, (B,)."""
        return np.array([abs(np.linalg.det(c.lattice)) / len(c) for c in self.crystals])

    @cached_property
    def tensors(self) -> list[reference.Tensors]:
        """What the reference's network is given."""
        return [reference.graph(structure) for structure in self.structures]

    def graph(self, spec: GraphSpec) -> Graph:
        """Return the crystals as one graph with the label."""
        return with_targets(build(self.crystals, spec, cache=self.cache), self.labels[:, None])

    def timed(
        self,
        stage: str,
        crystals: int,
        contenders: Mapping[str, Callable[[], object]],
        target: float | None = None,
        work: Mapping[str, Work] | None = None,
    ) -> list[dict[str, Any]]:
        """Time contenders and return their records, with the share of the machine's peak where the work is counted."""
        times = interleave(contenders, self.repeats)
        self.seconds += seconds(stage, times)
        counted = work or {}
        return [
            record | self._shares(counted.get(record["variant"]), times[record["variant"]])
            for record in rows(stage, crystals, times, self.clock, target)
        ]

    def _shares(self, work: Work | None, times: Times) -> dict[str, float]:
        if work is None:
            return {}
        taken = sorted(times.wall if self.clock == "wall" else times.cpu)[len(times.wall) // 2]
        shares = {"share_of_copy_peak": work.bytes / taken / 1e9 / self.peaks["gbytes"]}
        if work.flops:
            shares["share_of_matrix_peak"] = work.flops / taken / 1e9 / self.peaks["gflops"]
        return shares


def read_stage(load: Workload) -> list[dict[str, Any]]:
    """CIF to crystal, from P1 files as the large collections have them, and from files that state a symmetry."""
    some = load.structures[: load.few]
    return [
        *_read(load, "CIF to crystal", load.structures, None, target=10.0),
        *_read(load, "CIF with symmetry to crystal", some, 0.01, target=None),
    ]


def _read(
    load: Workload, stage: str, structures: list[Structure], symprec: float | None, target: float | None
) -> list[dict[str, Any]]:
    folder = load.folder / stage.replace(" ", "_")
    folder.mkdir()
    with warnings.catch_warnings(action="ignore"):  # spglib and pymatgen say much about what they round
        for i, structure in enumerate(structures):
            CifWriter(structure, symprec=symprec).write_file(folder / f"{i:06}.cif")
    paths = sorted(folder.iterdir())
    failed = [row for row in read(folder) if isinstance(row, Failure)]
    if failed:
        raise failed[0].error
    text = sum(path.stat().st_size for path in paths)
    contenders = {
        REFERENCE: lambda: [Structure.from_file(path) for path in paths],
        OURS: lambda: list(read(folder)),
    }
    with warnings.catch_warnings(action="ignore"):
        return load.timed(stage, len(paths), contenders, target, {OURS: Work(0, text)})


def graph_stage(load: Workload) -> list[dict[str, Any]]:
    """Crystal to graph, with the symmetry detected and with it known."""
    spec = GraphSpec()
    crystals, structures = load.crystals[: load.few], load.structures[: load.few]
    known = [orbits(crystal, spec) for crystal in crystals]
    written = Work(0, _bytes(build(crystals, spec, symmetry=known)))
    contenders = {
        REFERENCE: lambda: [reference.graph(structure) for structure in structures],
        "symmetry detected": lambda: build(crystals, spec),
        "symmetry known": lambda: build(crystals, spec, symmetry=known),
        NEAREST: lambda: build(crystals, _WHOLE_SHELLS),
        FULL: lambda: build(crystals, _AS_PUBLISHED),
    }
    return load.timed("crystal to graph", len(crystals), contenders, 25.0, dict.fromkeys(contenders, written))


def batch_stage(load: Workload) -> list[dict[str, Any]]:
    """Graphs in memory to batches of 256 crystals."""
    graph = load.graph(GraphSpec())
    batcher = Batcher(graph)
    contenders = {
        REFERENCE: lambda: [_reference_batch(load, rows_) for rows_ in batches(load)],
        OURS: lambda: [batcher.take(rows_) for rows_ in batches(load)],
    }
    return load.timed("batch", len(load.crystals), contenders, None, {OURS: Work(0, 2 * _bytes(graph))})


def training_stage(load: Workload) -> list[dict[str, Any]]:
    """An epoch in batches of 256: batch, forward, squared loss, backward, AdamW; equal width and depth."""
    contenders, work = {REFERENCE: _reference_training(load)}, {}
    for name, graph, compiled in _variants(load):
        contenders[name], work[name] = _training(load, graph, compiled=compiled), training(sizes(graph))
    return load.timed("training", len(load.crystals), contenders, 4.0, work)


def inference_stage(load: Workload) -> list[dict[str, Any]]:
    """All crystals in batches of 256: batch, forward; equal width and depth."""
    contenders, work = {REFERENCE: _reference_inference(load)}, {}
    for name, graph, compiled in _variants(load):
        contenders[name], work[name] = _inference(load, graph, compiled=compiled), inference(sizes(graph))
    return load.timed("inference", len(load.crystals), contenders, 5.0, work)


STAGES: Mapping[str, Callable[[Workload], list[dict[str, Any]]]] = MappingProxyType(
    {
        "read": read_stage,
        "graph": graph_stage,
        "batch": batch_stage,
        "training": training_stage,
        "inference": inference_stage,
    }
)


def _objective(graph: Graph) -> PropertyObjective:
    """Return cryskit's network with its loss; on the graph as published it is the same function as the reference's."""
    encoder = CGCNN(width=64, layers=3)
    heads = PropertyHeads(64, [_LABEL], HIDDEN, activation="softplus", activate_input=True)
    heads.fit_scale(graph.targets)
    return PropertyObjective(encoder, heads, "squared")


def training_epoch(load: Workload) -> Callable[[], None]:
    """Return a function that trains cryskit's network for one epoch."""
    return _training(load, load.graph(GraphSpec()), compiled=False)


def sizes(graph: Graph) -> Sizes:
    """Return what `count` has to know of all batches of a graph together."""
    encoder = CGCNN(width=64, layers=3)
    batches = -(-graph.crystals // BATCH)
    radial = encoder.radial
    return Sizes(
        nodes=graph.atoms,
        edges=graph.edges.shape[1],
        crystals=graph.crystals,
        grid=radial.points * batches,
        features=radial.feature_count,
        width=encoder.width,
        layers=len(encoder.convolutions),
        hidden=HIDDEN,
    )


def _training(load: Workload, graph: Graph, *, compiled: bool) -> Callable[[], None]:
    learned, batcher = _objective(graph), Batcher(graph)
    losses = torch.compile(learned, dynamic=True) if compiled else learned
    optimiser = torch.optim.AdamW(learned.parameters(), lr=_RATE)

    def run() -> None:
        learned.train()
        for rows_ in batches(load):
            optimiser.zero_grad()
            loss: Tensor = torch.stack(list(losses(batcher.take(rows_)).values())).sum()
            loss.backward()
            optimiser.step()

    return run


def _variants(load: Workload) -> list[tuple[str, Graph, bool]]:
    smooth, nearest, full = (load.graph(spec) for spec in (GraphSpec(), _WHOLE_SHELLS, _AS_PUBLISHED))
    compiled = [("cryskit, compiled", smooth, True)] if load.compiled else []
    return [(OURS, smooth, False), (NEAREST, nearest, False), (FULL, full, False), *compiled]


def _inference(load: Workload, graph: Graph, *, compiled: bool) -> Callable[[], None]:
    learned, batcher = _objective(graph).eval(), Batcher(graph)
    heads = learned.supervision.heads
    encoder = torch.compile(learned.encoder, dynamic=True) if compiled else learned.encoder

    @torch.inference_mode()
    def run() -> None:
        for rows_ in batches(load):
            heads.physical(heads(encoder(batcher.take(rows_)).crystals))

    return run


def _reference_training(load: Workload) -> Callable[[], None]:
    network = reference.Network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE)

    def run() -> None:
        network.train()
        for rows_ in batches(load):
            batch = _reference_batch(load, rows_)
            optimiser.zero_grad()
            mse_loss(network(batch.tensors, batch.rows), batch.targets).backward()
            optimiser.step()

    return run


def _reference_inference(load: Workload) -> Callable[[], None]:
    network = reference.Network().eval()

    @torch.inference_mode()
    def run() -> None:
        for rows_ in batches(load):
            batch = _reference_batch(load, rows_)
            network(batch.tensors, batch.rows)

    return run


def _reference_batch(load: Workload, rows_: np.ndarray) -> reference.Batch:
    labels = (load.labels - load.labels.mean()) / load.labels.std()
    return reference.collate([load.tensors[row] for row in rows_], labels[rows_].tolist())


def batches(load: Workload) -> list[np.ndarray]:
    """Return the positions of the crystals of each batch of an epoch."""
    order = np.random.default_rng(0).permutation(len(load.crystals))
    return [order[start : start + BATCH] for start in range(0, len(order), BATCH)]


def _bytes(graph: Graph) -> int:
    return sum(value.numel() * value.element_size() for value in graph.tensors.values())
