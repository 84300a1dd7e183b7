"""Networks of the zoo, each timed against a plain one written from the same equations, and the memory that each takes.

One reference per network, in `zoo_<name>.py`; a network takes part by one line in `CONTENDERS`. Run as a program it is the
process whose memory is measured: it prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from benchmarks.speed import children, zoo_alignn, zoo_gatgnn, zoo_megnet
from benchmarks.speed.clock import REFERENCE
from cryskit.batching import Batcher
from cryskit.cli.memory import keep_pages
from cryskit.data.interchange import write
from cryskit.data.read import read
from cryskit.encoders.alignn import ALIGNN
from cryskit.encoders.gatgnn import GATGNN
from cryskit.encoders.megnet import MEGNet
from cryskit.graphs.build import build
from cryskit.types import Crystal, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.speed.stages import Workload
    from cryskit.types import Graph

OURS = "cryskit"
FULL = "cryskit, full cells"
_RATE = 1e-3


class Contender(NamedTuple):
    """A network of cryskit at its published size, and a plain one of the same size.

    Attributes:
        encoder: Constructor of cryskit's network.
        reference: Constructor of the plain network, from tensors to one number per crystal.
        tensors: Function from a batch of full cells to the tensors of the plain network.
        spec: Graph of the plain network, full cells.
        batch: Number of crystals in a batch.
        target: Least ratio that is asked for.
    """

    encoder: Callable[[], nn.Module]
    reference: Callable[[], nn.Module]
    tensors: Callable[[Graph], Any]
    spec: GraphSpec
    batch: int
    target: float


# The plain ALIGNN takes 0.3 GB for each crystal of a batch, so its batches are smaller than the published 64.
CONTENDERS: Mapping[str, Contender] = MappingProxyType(
    {
        "ALIGNN": Contender(
            ALIGNN,
            zoo_alignn.Network,
            zoo_alignn.tensors,
            GraphSpec(neighbours="nearest", undirected=True, reduce=False),
            batch=16,
            target=3.0,
        ),
        "GATGNN": Contender(
            GATGNN,
            zoo_gatgnn.Network,
            zoo_gatgnn.tensors,
            GraphSpec(neighbours="nearest", shells=False, reduce=False),
            batch=256,
            target=4.0,
        ),
        "MEGNet": Contender(
            MEGNet,
            zoo_megnet.Network,
            zoo_megnet.tensors,
            GraphSpec(neighbours="radius", radius=4.0, reduce=False),
            batch=128,
            target=4.0,
        ),
    }
)


class Runner:
    """A network with its graphs, batches and optimiser.

    Args:
        network: Network from what `prepare` returns to one number per crystal.
        prepare: Function from a batch to the input of the network.
        graph: Graph of all crystals.
        batch: Number of crystals in a batch.
    """

    def __init__(self, network: nn.Module, prepare: Callable[[Graph], Any], graph: Graph, batch: int) -> None:
        self.network, self._prepare = network, prepare
        self._batcher = Batcher(graph)
        self._batches = [np.arange(start, graph.crystals)[:batch] for start in range(0, graph.crystals, batch)]
        self._optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE)

    def train(self) -> None:
        """Run an epoch: batch, forward, squared loss, backward, AdamW."""
        self.network.train()
        for rows in self._batches:
            self._optimiser.zero_grad()
            out: Tensor = self.network(self._prepare(self._batcher.take(rows)))
            mse_loss(out, torch.zeros_like(out)).backward()
            self._optimiser.step()

    @torch.inference_mode()
    def infer(self) -> None:
        """Predict all crystals: batch, forward."""
        self.network.eval()
        for rows in self._batches:
            self.network(self._prepare(self._batcher.take(rows)))


class _Headed(nn.Module):
    """An encoder with a linear map to one number."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        width: Any = encoder.width
        self.out = nn.Linear(width, 1)

    def forward(self, graph: Graph) -> Tensor:
        """Return one number per crystal, (B, 1)."""
        out: Tensor = self.out(self.encoder(graph).crystals)
        return out


def runner(network: str, variant: str, crystals: list[Crystal]) -> Runner:
    """Return a contender ready to run.

    Args:
        network: Name in `CONTENDERS`.
        variant: `REFERENCE`, `OURS` or `FULL`.
        crystals: Crystals to learn from.
    """
    of = CONTENDERS[network]
    if variant == REFERENCE:
        return Runner(of.reference(), of.tensors, build(crystals, of.spec), of.batch)
    encoder: Any = of.encoder()
    graph = build(crystals, replace(encoder.needs, reduce=variant != FULL))
    return Runner(_Headed(encoder), lambda batch: batch, graph, of.batch)


def zoo_stage(load: Workload) -> list[dict[str, Any]]:
    """An epoch and a prediction of every network, and the peak memory of an epoch in a process of its own."""
    crystals = load.crystals[: load.few]
    file = load.folder / "zoo.parquet"
    write(file, crystals)
    return [record for network in CONTENDERS for record in _timed(load, network, crystals, file)]


def _timed(load: Workload, network: str, crystals: list[Crystal], file: Path) -> list[dict[str, Any]]:
    target = CONTENDERS[network].target
    peaks = {variant: _peak(network, variant, file) for variant in (REFERENCE, OURS, FULL)}
    runners = {variant: runner(network, variant, crystals) for variant in peaks}
    training = {variant: each.train for variant, each in runners.items()}
    records = load.timed(f"{network} training", len(crystals), training, target)
    for record in records:
        record |= {"peak_mib": peaks[record["variant"]], "reference_peak_mib": peaks[REFERENCE]}
    inference = {variant: each.infer for variant, each in runners.items()}
    return records + load.timed(f"{network} inference", len(crystals), inference, target)


def _peak(network: str, variant: str, file: Path) -> int:
    printed = children.start("benchmarks.speed.zoo", network, variant, str(file), threads=torch.get_num_threads())
    peak: int = json.loads(printed.splitlines()[-1])["peak_mib"]
    return peak


def _main(network: str, variant: str, file: str) -> None:
    keep_pages()
    crystals = [row for row in read(Path(file)) if isinstance(row, Crystal)]
    runner(network, variant, crystals).train()
    print(json.dumps({"peak_mib": _high_water()}))


def _high_water() -> int:
    """Return the peak memory of this program, MiB; `getrusage` would also count the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return round(int(status.split("VmHWM:")[1].split()[0]) / 1024)


if __name__ == "__main__":
    _main(*sys.argv[1:])
