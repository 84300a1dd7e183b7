"""Fine-tuning of a pre-trained encoder on a small table, with the number of epochs that the time allows."""

from __future__ import annotations

import inspect
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from cryskit.batching import Batcher, with_targets
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.predict.readout import BATCH_EDGES
from cryskit.registry import ENCODERS, OBJECTIVES
from cryskit.small_data.folds import folds_of, without
from cryskit.small_data.table import SPEC
from cryskit.training.fit import FewValidationCrystals, fit, seeded
from cryskit.training.identity import Identity
from cryskit.training.plan import Optimisation
from cryskit.training.transfer import transfer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from cryskit.small_data.sources import Source
    from cryskit.small_data.table import Table

POOLS = ("mean_max", "mean")
"""Poolings that are tried: what an extreme atom decides, a mean dilutes."""
EPOCHS = 40
"""Most passes over the training rows."""
FEWEST = 8
"""Fewer passes than these are not worth a fine-tuning."""

_EIGHTH = 8  # one of so many folds chooses the epoch
_SETTINGS: dict[str, Any] = {
    "edges": 3_000,
    "rate": 4e-3,
    "weight_decay": 0.05,
    "averaging": 0.99,
    "accelerator": "cpu",
}


@dataclass(frozen=True)
class Tuner:
    """What all fine-tunings of a table share.

    Attributes:
        table: The table.
        source: The encoder that they start from.
        folder: Folder of their runs.
        key: Hash of the table.
        seed: Seed of the weights of the heads, of the order of rows, and of the rows that choose the epoch.
        clock: Function that gives the seconds that are budgeted.
    """

    table: Table
    source: Source
    folder: Path
    key: str
    seed: int
    clock: Callable[[], float] = time.monotonic

    @property
    def pools(self) -> tuple[str, ...]:
        """The poolings that can be tried; "" if the encoder has its own only."""
        kind = ENCODERS[str(self.source.member["encoder"]["name"])]
        return POOLS if "pool" in inspect.signature(kind).parameters else ("",)

    def divided(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows that train, and those that choose the epoch, whole formulas each."""
        chooses = rows[folds_of(self.table.groups[rows], _EIGHTH, self.seed)[0]]
        return without(rows, chooses), chooses

    def seconds_per_epoch(self, rows: np.ndarray, transform: str) -> float:
        """Return how long a pass takes, by trying."""
        kept = self.folder / "seconds-per-epoch.txt"
        if not kept.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._run(rows, transform, self.pools[0], 1, self.folder / "warm-up")
            started = self.clock()
            self._run(rows, transform, self.pools[0], 2, self.folder / "pace")
            kept.write_text(f"{(self.clock() - started) / 2}", encoding="utf-8")
        return float(kept.read_text(encoding="utf-8"))

    def tuned(self, rows: np.ndarray, transform: str, pool: str, epochs: int, name: str) -> Predictor:
        """Return the fine-tuned network; a run that was stopped goes on.

        Args:
            rows: The rows that train and choose the epoch; no other label is looked at.
            transform: Transform under which the property is learned.
            pool: Pooling of the encoder.
            epochs: Passes over the training rows.
            name: Name of the run.
        """
        return self._run(rows, transform, pool, epochs, self.folder / f"tuned-{name}-{pool or 'own'}")

    def _run(self, rows: np.ndarray, transform: str, pool: str, epochs: int, folder: Path) -> Predictor:
        wanted = self.table.under(transform)
        encoder = dict(self.source.member["encoder"]) | ({"pool": pool} if pool else {})
        card = Card(name=folder.name, encoder=ENCODERS.complete(encoder), spec=SPEC, properties=[wanted])
        optimisation = Optimisation(epochs=epochs, seed=self.seed, **_SETTINGS)
        with seeded(self.seed):
            predictor = Predictor.from_card(card)
            transfer(
                predictor.encoder, {f"encoder.{key}": value for key, value in self.source.tensors.items()}, "encoder"
            )
            heads, network = predictor.heads, predictor.encoder
            objective = OBJECTIVES.build({"name": "property", "encoder": network, "heads": heads})
            graph = Batcher(with_targets(self.table.graph, self.table.values[:, None]))
            training, validation = (graph.take(part) for part in self.divided(rows))
            heads.fit_scale(training.targets)
            facts = {"table": self.key, "rows": rows.tolist(), "epochs": epochs, "transform": transform, **encoder}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FewValidationCrystals)  # the report says that labels are few
                fit(objective, training, validation, optimisation, folder, identity=Identity(facts))
        return predictor


@torch.inference_mode()
def predicted(predictor: Predictor, table: Table, rows: np.ndarray) -> np.ndarray:
    """Return what a network predicts for some rows, as it is learned, (n,).

    Args:
        predictor: A fine-tuned network.
        table: The table.
        rows: Positions in it.
    """
    batcher = Batcher(Batcher(table.graph).take(rows))
    heads = predictor.heads
    parts = [
        heads(predictor.encoder(batcher.take(some)).crystals) * heads.deviation + heads.mean
        for some in batcher.batches(BATCH_EDGES)
    ]
    found: np.ndarray = torch.cat(parts)[:, 0].double().numpy()
    return found


def affordable(seconds: float, per_epoch: float, runs: int, pools: int) -> tuple[int, int]:
    """Return how many poolings and how many epochs a time allows; (0, 0) if none.

    Args:
        seconds: Time that is left for all runs.
        per_epoch: Seconds of one pass.
        runs: Number of runs of each pooling.
        pools: Number of poolings that can be tried.
    """
    for tried in range(pools, 0, -1):
        epochs = int(seconds / max(per_epoch * runs * tried, 1e-9))
        if epochs >= (FEWEST if tried == 1 else 2 * FEWEST):
            return tried, min(epochs, EPOCHS)
    return 0, 0
