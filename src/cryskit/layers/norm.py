"""Batch normalisation that accepts a batch of one row in training."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import batch_norm


class BatchNorm(nn.BatchNorm1d):
    """Batch normalisation that treats a single row, which has no variance, in training as in evaluation."""

    def forward(self, values: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """Return the normalised rows.

        Args:
            values: A vector for each row.
        """
        if self.training and len(values) < 2:
            return batch_norm(values, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        normed: Tensor = super().forward(values)
        return normed
