"""An objective as a module of Lightning: the optimiser, its schedule, and the losses of a step."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule

from cryskit import batching
from cryskit.layers.across_processes import summed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from cryskit.protocols import Objective
    from cryskit.training.plan import Optimisation
    from cryskit.types import Graph

_BITS = 32  # for the number of a process and of a step, behind the seed of the run
_STEP_BITS = 24


class ObjectiveModule(LightningModule):
    """An objective as Lightning trains it: AdamW under a one-cycle schedule, and the sum of the losses.

    Args:
        objective: What is minimised (`protocols.Objective`).
        optimisation: Learning rate, weight decay, warm-up, seed and compilation.
        rates: Name of a parameter of the objective to what its learning rate is multiplied with; 1 where absent.
    """

    def __init__(self, objective: Objective, optimisation: Optimisation, rates: Mapping[str, float]) -> None:
        super().__init__()
        self.objective = objective
        self._losses: Any = torch.compile(objective, dynamic=True) if optimisation.compile else objective
        self._optimisation = optimisation
        self._rates = rates

    @property
    def steps(self) -> int:
        """Number of steps of the whole run."""
        return int(self.trainer.estimated_stepping_batches)

    def configure_optimizers(self) -> dict[str, Any]:
        """AdamW under a one-cycle schedule, one group of parameters per rate, the highest rate first."""
        o = self._optimisation
        groups: dict[float, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in self.objective.named_parameters():
            if parameter.requires_grad:
                groups[o.rate * self._rates.get(name, 1.0)].append(parameter)
        highest = sorted(groups, reverse=True)
        optimizer = torch.optim.AdamW(
            [{"params": groups[rate], "lr": rate} for rate in highest], lr=o.rate, weight_decay=o.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, highest, total_steps=self.steps + 1, pct_start=o.warmup
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def transfer_batch_to_device(self, batch: Graph, device: torch.device, dataloader_idx: int) -> Graph:
        """Move a graph."""
        del dataloader_idx
        return batching.to(batch, device, non_blocking=True)

    def losses_of(self, batch: Graph) -> dict[str, Tensor]:
        """Return the losses of a training step by name, of several processes the share of this one.

        Args:
            batch: The batch.
        """
        seed = (self._optimisation.seed << _BITS) + self.global_step + (self.global_rank << _STEP_BITS)
        torch.manual_seed(seed)  # a resumed run drops what others drop
        self.objective.advance(self.global_step / self.steps)
        return self._shares(self._losses(batch), batch)

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """Return the sum of the losses, times the number of processes, over which Lightning takes the mean.

        Args:
            losses: The losses by name.
        """
        total: Tensor = torch.stack(list(losses.values())).sum() * self.trainer.world_size
        return total

    def _shares(self, losses: dict[str, Tensor], batch: Graph) -> dict[str, Tensor]:
        """Return what the losses of this process contribute to those of the whole batch, which are their sum over the processes."""
        if self.trainer.world_size == 1:
            return losses
        known = self.objective.sizes(batch)
        own = torch.tensor([known.get(name, batch.crystals) for name in losses], device=self.device)
        shares = own / summed(own).clamp_min(1)
        return {name: loss * share for (name, loss), share in zip(losses.items(), shares, strict=True)}
