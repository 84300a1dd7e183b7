"""The only training loop: a Lightning trainer around an objective.

It is given training and validation rows and nothing else. The weights it ends with are the averaged weights of the epoch
with the lowest validation loss. It checkpoints after every epoch, so a run killed at any moment goes on from there and
ends with the weights that an uninterrupted run ends with. The random state of the process, and the levels of foreign loggers,
are afterwards what they were before.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar, WeightAveraging
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from cryskit.batching import Batcher
from cryskit.errors import PlanError, counted
from cryskit.layers.across_processes import summed
from cryskit.training.batches import EdgeBatches
from cryskit.training.checkpoint import BEST, LAST, SUFFIX, SafetensorsIO
from cryskit.training.identity import Identity, claim
from cryskit.training.log import LOG
from cryskit.training.module import ObjectiveModule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

    from cryskit.protocols import Objective
    from cryskit.training.plan import Optimisation
    from cryskit.types import Graph

VALIDATION = "validation/loss"

ENOUGH = 20
"""Fewer validation crystals than these choose an epoch by chance."""

_BF16_MATMUL = "bf16-matmul"
_UNNAMED = Identity({})


class FewValidationCrystals(UserWarning):
    """So few crystals choose the epoch that the choice is mostly chance."""


def fit(
    objective: Objective,
    training: Graph | Batcher,
    validation: Graph | Batcher,
    optimisation: Optimisation,
    folder: Path,
    *,
    identity: Identity = _UNNAMED,
    rates: Mapping[str, float] | None = None,
    progress: bool = False,
    watch: Callable[[float, float], None] | None = None,
) -> int:
    """Minimise the sum of an objective's losses; its weights are changed in place.

    Args:
        objective: What is minimised (`protocols.Objective`). Parameters that require no gradient stay as they are, and a module
            all of whose parameters are such stays in evaluation mode, so that its batch norms do, too.
        training: The training crystals with their targets, in memory or (`graphs.shards.Shards`) on disk.
        validation: The crystals that choose the epoch.
        optimisation: The loop's settings.
        folder: Folder for `log.jsonl` and the checkpoints. If it holds an unfinished run of the same identity, that run
            goes on.
        identity: What the result depends on (settings of the plan, hashes of the data), by which the run is known again.
        rates: Name of a parameter of the objective to what its learning rate is multiplied with; 1 where absent.
        progress: Show a progress bar.
        watch: Function that is called after each epoch with the share of the run that is done and the validation loss; an error that
            it raises ends the run, which can go on later.

    Returns:
        The best epoch, counted from 0.

    Raises:
        PlanError: There are no crystals to train or validate on, or the folder holds another run.

    Warns:
        FewValidationCrystals: There are fewer than 20 validation crystals.

    Example:
        One epoch of supervised learning, the last crystals choosing the epoch:

        >>> from dataclasses import replace
        >>> from itertools import islice
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> import numpy as np
        >>> import cryskit
        >>> from cryskit import properties
        >>> from cryskit.batching import with_targets
        >>> from cryskit.data.sources import open_source
        >>> from cryskit.layers.heads import PropertyHeads
        >>> from cryskit.registry import ENCODERS, OBJECTIVES
        >>> from cryskit.training.plan import Optimisation
        >>> crystals = list(islice(open_source("elastic_tensor"), 60))
        >>> encoder = ENCODERS.build({"name": "cgcnn", "width": 8, "layers": 1})
        >>> heads = PropertyHeads(encoder.width, [properties.get("bulk_modulus")])
        >>> objective = OBJECTIVES.build({"name": "property", "encoder": encoder, "heads": heads})
        >>> targets = np.array([[crystal.targets["bulk_modulus"]] for crystal in crystals])
        >>> graphs = [
        ...     with_targets(cryskit.build_graphs(part, objective.needs), known)
        ...     for part, known in ((crystals[:40], targets[:40]), (crystals[40:], targets[40:]))
        ... ]
        >>> cryskit.fit(objective, *graphs, Optimisation(epochs=1), Path(mkdtemp()))
        0
    """
    training, validation = _batcher(training), _batcher(validation)
    _check(len(training), len(validation))
    claim(folder, identity)
    _end_line(folder / LOG)
    batches = EdgeBatches(training, optimisation.edges, optimisation.seed, optimisation.processes)
    set_modes(objective)
    loop = _Loop(objective, optimisation, rates or {}, len(batches), folder / LOG, watch)
    best = ModelCheckpoint(folder, BEST, monitor=VALIDATION, enable_version_counter=False)
    last = ModelCheckpoint(folder, LAST, every_n_epochs=1, enable_version_counter=False)
    best.FILE_EXTENSION = last.FILE_EXTENSION = SUFFIX
    resume = folder / f"{LAST}{SUFFIX}"
    with seeded(optimisation.seed), _quiet(), _matrix_products(optimisation.precision):
        trainer = _trainer(optimisation, loop.epochs, folder, [best, last], progress=progress)
        trainer.fit(
            loop,
            loader_of(batches),
            loader_of(EdgeBatches(validation, 4 * optimisation.edges, None, optimisation.processes)),
            ckpt_path=str(resume) if resume.exists() else None,
        )
    kept = SafetensorsIO().load_checkpoint(folder / f"{BEST}{SUFFIX}")
    loop.load_state_dict(kept["state_dict"])
    objective.eval()
    return int(kept["epoch"])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random numbers of torch from a seed within the context, and leave the random state as it was before.

    Args:
        seed: Seed of all devices.
    """
    used = torch.cuda.is_initialized()
    with torch.random.fork_rng(range(torch.cuda.device_count()) if used else ()):
        torch.manual_seed(seed)
        yield
    if not used and torch.cuda.is_initialized():  # as it would have been, had it been used before
        torch.cuda.manual_seed_all(torch.initial_seed())


@contextmanager
def _matrix_products(precision: str) -> Iterator[None]:
    """Let matrix products of 32-bit numbers be made of bfloat16 parts within the context, if the precision says so."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium" if precision == _BF16_MATMUL else before)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the user what Lightning advises on hardware and loaders: slices of a batcher need no workers."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            logger.setLevel(level)


def _check(training: int, validation: int) -> None:
    """Refuse a part without crystals; warn of few validation crystals."""
    if not (training and validation):
        raise PlanError(
            f"There are {training} training and {validation} validation crystals with labels",
            "Give both at least one; change the split or the properties",
        )
    if validation < ENOUGH:
        message = f"The best epoch is chosen by {counted(validation, 'validation crystal')}; with fewer than {ENOUGH} it is mostly chance"
        warnings.warn(message, FewValidationCrystals, stacklevel=3)


def _batcher(data: Graph | Batcher) -> Batcher:
    return data if isinstance(data, Batcher) else Batcher(data)


def set_modes(objective: Objective) -> None:
    """Put all but what is frozen into training mode; Lightning leaves every module in the mode it is in.

    Args:
        objective: What is trained.
    """
    objective.train()
    for module in objective.modules():
        parameters = list(module.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            module.eval()


def _end_line(log: Path) -> None:
    """End the last line of a log if a killed run was cut off in it, so that the next line is one of its own."""
    if log.exists() and (text := log.read_bytes()) and not text.endswith(b"\n"):
        log.write_bytes(text + b"\n")


def _trainer(
    optimisation: Optimisation, epochs: int, folder: Path, checkpoints: list[Any], *, progress: bool
) -> Trainer:
    callbacks: list[Any] = [*checkpoints]
    if progress:
        callbacks.append(_Bar(leave=True))
    if optimisation.averaging:
        callbacks.append(WeightAveraging(avg_fn=_Average(optimisation.averaging)))
    if optimisation.patience:
        callbacks.append(EarlyStopping(VALIDATION, patience=optimisation.patience))
    return Trainer(
        accelerator=optimisation.accelerator,
        devices=optimisation.devices,
        num_nodes=optimisation.nodes,
        strategy=DDPStrategy(find_unused_parameters=True) if optimisation.processes > 1 else "auto",
        precision="32-true" if optimisation.precision == _BF16_MATMUL else optimisation.precision,
        max_epochs=epochs,
        gradient_clip_val=optimisation.clip,
        callbacks=callbacks,
        plugins=[SafetensorsIO()],
        logger=TensorBoardLogger(folder, name="", version="tensorboard") if optimisation.tensorboard else False,
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )


def loader_of(batches: EdgeBatches) -> DataLoader[Any]:
    """Return the loader of the batches.

    Args:
        batches: The batches.
    """
    rows: Any = range(len(batches.batcher))
    return DataLoader(rows, batch_sampler=batches, collate_fn=batches.collate)


class _Bar(TQDMProgressBar):
    """Lightning's progress bar, with epochs counted from 1."""

    def on_train_epoch_start(self, trainer: Trainer, *arguments: Any) -> None:
        """Name the epoch that begins."""
        super().on_train_epoch_start(trainer, *arguments)
        self.train_progress_bar.set_description(f"Epoch {trainer.current_epoch + 1} of {trainer.max_epochs}")


class _Average:
    """Exponential moving average whose memory grows from nothing to `decay`."""

    def __init__(self, decay: float) -> None:
        self._decay = decay

    def __call__(self, averaged: Tensor, current: Tensor, updates: Tensor | int) -> Tensor:
        if not averaged.is_floating_point():
            return current
        updates = int(updates)
        decay = min(self._decay, (1 + updates) / (10 + updates))
        return torch.lerp(averaged, current, 1 - decay)


class _Loop(ObjectiveModule):
    """An objective as it is trained here: with a log of every epoch."""

    def __init__(
        self,
        objective: Objective,
        optimisation: Optimisation,
        rates: Mapping[str, float],
        batches: int,
        log: Path,
        watch: Callable[[float, float], None] | None,
    ) -> None:
        super().__init__(objective, optimisation, rates)
        self.epochs = optimisation.passes(batches)
        self._steps = batches * self.epochs
        self._log = log
        self._watch = watch
        self._started = time.monotonic()
        self._training_losses: dict[str, list[Tensor]] = defaultdict(list)
        self._validation_losses: dict[str, list[Tensor]] = defaultdict(list)

    @property
    def steps(self) -> int:
        """Number of steps of the whole run."""
        return self._steps

    def training_step(self, batch: Graph, batch_idx: int) -> Tensor:
        """Return the sum of the losses."""
        del batch_idx
        losses = self.losses_of(batch)
        for name, loss in losses.items():
            self._training_losses[name].append(loss.detach())
        return self.total(losses)

    def on_train_epoch_start(self) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def validation_step(self, batch: Graph, batch_idx: int) -> None:
        """Collect losses and the number of crystals, or labels, that they are means of."""
        del batch_idx
        sizes = self.objective.sizes(batch)
        for name, loss in self.objective(batch).items():
            size = loss.new_tensor(float(sizes.get(name, batch.crystals)))
            self._validation_losses[name].append(torch.stack([loss * size, size]))

    def on_validation_epoch_end(self) -> None:
        """Average over the whole validation set and write a line of the log."""
        sums = {name: torch.stack(parts).sum(0) for name, parts in self._validation_losses.items()}
        gathered = {name: self.all_gather(both).reshape(-1, 2).sum(0) for name, both in sums.items()}
        means = {name: float(both[0] / both[1].clamp_min(1)) for name, both in gathered.items()}
        total = sum(means.values())
        self.log(VALIDATION, total, prog_bar=True)
        line = {
            "epoch": self.current_epoch,
            "step": self.global_step,
            "rate": self.optimizers().param_groups[0]["lr"],
            "seconds": round(time.monotonic() - self._started, 2),
            "training": {
                name: float(summed(torch.stack(losses).mean())) for name, losses in self._training_losses.items()
            },
            "validation": means,
            "validation_loss": total,
        }
        self._training_losses.clear()
        self._validation_losses.clear()
        if self.global_rank == 0:
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        if self._watch is not None:
            self._watch((self.current_epoch + 1) / self.epochs, total)
