"""Batch normalisation that accepts a batch of one row in training, and a batch that several processes share."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from cryskit.layers.across_processes import processes, summed


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that treats a single row, which has no variance, in training as in evaluation.

    Where several processes train, mean and variance are those of the rows of all of them.
    """

    def forward(self, values: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """Return the normalised rows.

        Args:
            values: A vector for each row.
        """
        if self.training and processes() > 1:
            return self._shared(values)
        if self.training and len(values) < 2:
            return batch_norm(values, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        normed: Tensor = super().forward(values)
        return normed

    def _shared(self, values: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """Return the rows normalised by the moments of the rows of all processes."""
        count = summed(values.new_tensor(float(len(values))))
        mean = summed(values.sum(0)) / count
        variance = summed((values - mean).square().sum(0)) / count
        if self.running_mean is not None and self.running_var is not None and self.num_batches_tracked is not None:
            with torch.no_grad():
                self.num_batches_tracked += 1
                self.running_mean.lerp_(mean, self.momentum or 0.1)
                self.running_var.lerp_(variance * count / (count - 1).clamp_min(1), self.momentum or 0.1)
        normed = (values - mean) * torch.rsqrt(variance + self.eps)
        return torch.addcmul(self.bias, normed, self.weight) if self.affine else normed
