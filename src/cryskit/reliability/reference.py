"""Training crystals as a model sees them, kept in its file: which are near a crystal, and how the model errs there.

The vectors of some training crystals are kept as points in the few directions in which they differ most, with their labels and the
errors that the model makes on them. The nearest of these points tell how far a prediction can be trusted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

if TYPE_CHECKING:
    from typing import Self

NEAREST, NEAR = 64, 10
"""Training crystals that are looked at, and the number of them with a label of a property that say something about it."""
EVIDENCE = ("nearest", "near", "spread", "disagreement", "nearest disagreement", "residual", "unlabelled")
"""What the nearest training crystals say about a prediction; see `Reference.evidence`."""

_SMALL = 3e-3  # of a standard deviation of labels, or of the median distance: logarithms begin here
_ROWS = 512  # crystals whose distances to all points are held at a time


class Neighbours(NamedTuple):
    """The training crystals nearest to each of B crystals.

    Attributes:
        distances: (B, k) ascending, in units of the median distance between neighbours among the training crystals.
        rows: (B, k) their rows in the reference.
    """

    distances: Float[Tensor, "crystals near"]
    rows: Int[Tensor, "crystals near"]


class Reference(nn.Module):
    """Points, labels and residuals of training crystals.

    Args:
        crystals: Number of training crystals that are kept.
        width: Width of the crystal vectors.
        components: Number of directions that are kept.
        properties: Number of properties.

    Attributes:
        centre: (width,) the mean of the vectors.
        axes: (width, components) the principal axes of the vectors, scaled so that neighbours are about 1 apart.
        points: (crystals, components) float16, the training crystals on these axes.
        labels: (crystals, properties) float16, their labels, standardised as the heads standardise them; NaN where unknown.
        residuals: (crystals, properties) float16, the sizes of the errors of the model there; NaN where unknown.
    """

    centre: Tensor
    axes: Tensor
    points: Tensor
    labels: Tensor
    residuals: Tensor

    def __init__(self, crystals: int, width: int, components: int, properties: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("axes", torch.zeros(width, components))
        self.register_buffer("points", torch.zeros(crystals, components, dtype=torch.float16))
        self.register_buffer("labels", torch.zeros(crystals, properties, dtype=torch.float16))
        self.register_buffer("residuals", torch.zeros(crystals, properties, dtype=torch.float16))

    @property
    def sizes(self) -> dict[str, int]:
        """The arguments with which it was made, for the card of a model."""
        (width, components), (crystals, properties) = self.axes.shape, self.labels.shape
        return {"crystals": crystals, "width": width, "components": components, "properties": properties}

    @classmethod
    def fit(
        cls,
        vectors: Float[Tensor, "crystals width"],
        predictions: Float[Tensor, "crystals properties"],
        labels: Float[Tensor, "crystals properties"],
        components: int,
    ) -> Self:
        """Make a reference of training crystals.

        Args:
            vectors: Their vectors.
            predictions: What the model predicts for them, standardised.
            labels: Their labels, standardised; NaN where unknown.
            components: Number of directions to keep; fewer are if the vectors have fewer.
        """
        kept = min(components, *vectors.shape)
        made = cls(len(vectors), vectors.shape[1], kept, labels.shape[1])
        made.centre.copy_(vectors.mean(0))
        axes = torch.linalg.svd((vectors - made.centre).double(), full_matrices=False)[2][:kept].T.float()
        points = (vectors - made.centre) @ axes
        distances = _nearest(points[:_ROWS], points, min(2, len(points)))[0][:, -1]
        scale = float(distances.median().clamp_min(1e-9))
        made.axes.copy_(axes / scale)
        made.points.copy_(points / scale)
        made.labels.copy_(labels)
        made.residuals.copy_((labels - predictions).abs())
        return made

    def nearest(self, vectors: Float[Tensor, "crystals width"], count: int = NEAREST) -> Neighbours:
        """Return the nearest training crystals of each crystal.

        Args:
            vectors: The vectors of the crystals.
            count: How many; all if the reference has fewer.
        """
        points = (vectors - self.centre) @ self.axes
        return Neighbours(*_nearest(points, self.points.float(), min(count, len(self.points))))

    def evidence(
        self, vectors: Float[Tensor, "crystals width"], predictions: Float[Tensor, "crystals properties"]
    ) -> Float[Tensor, "crystals properties evidence"]:
        """Return what the nearest training crystals say about predictions, each as a logarithm but the last.

        In the order of `EVIDENCE`: the distance of the nearest one; the mean distance of the ten nearest; and of the ten nearest among
        those near that have a label of the property: the spread of their labels, the difference of their mean label and of the
        nearest label from the prediction, their mean residual, and the share of the ten that is missing.

        Args:
            vectors: The vectors of the crystals.
            predictions: The predictions, standardised.
        """
        distances, rows = self.nearest(vectors)
        labels, residuals = self.labels[rows].float(), self.residuals[rows].float()
        known = ~labels.isnan()
        used = (known & (known.cumsum(1) <= NEAR)).float()
        count = used.sum(1)
        weights = used / count.clamp_min(1)[:, None]
        labels, residuals = labels.nan_to_num(), residuals.nan_to_num()
        mean = (weights * labels).sum(1)
        spread = (weights * (labels - mean[:, None]) ** 2).sum(1).sqrt()
        first = labels.take_along_dim(used.argmax(1, keepdim=True), 1)[:, 0]
        found = torch.stack(
            [
                distances[:, :1].expand_as(mean),
                distances[:, :NEAR].mean(1, keepdim=True).expand_as(mean),
                spread,
                (mean - predictions).abs(),
                (first - predictions).abs(),
                (weights * residuals).sum(1),
            ],
            dim=2,
        )
        logarithms = (found + _SMALL).log()
        logarithms[..., 2:] = torch.where(count[..., None] > 0, logarithms[..., 2:], 0.0)
        return torch.cat([logarithms, 1 - count[..., None] / NEAR], dim=2)


def _nearest(points: Tensor, others: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return distances and rows of the nearest of other points, ascending."""
    parts = [torch.cdist(part, others).topk(count, largest=False) for part in points.split(_ROWS)]
    if not parts:
        return points.new_zeros(0, count), torch.zeros(0, count, dtype=torch.int64, device=points.device)
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])
