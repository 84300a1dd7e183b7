"""Intervals of predictions: how large an error has to be expected for this crystal, and how wide an interval covers it.

The logarithm of the expected size of an error is a linear function of scores of the crystal (what its nearest training crystals say, where
training crystals had large errors, its elements and density, the prediction). The ratio of real errors to expected ones, on crystals that the model has not learned from, tells by
which factor an interval has to be wider: conformal prediction with normalised residuals (Lei et al. 2018, doi
10.1080/01621459.2017.1307116), with a factor for each of several overlapping groups of crystals (Gibbs, Cherian and Candes 2025,
doi 10.1093/jrsssb/qkaf008). An interval holds for crystals and labels like those of the calibration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from cryskit.errors import PlanError
from cryskit.reliability.groups import GROUPS
from cryskit.reliability.reference import EVIDENCE

if TYPE_CHECKING:
    from cryskit.types import Graph

LEVELS = (0.5, 0.6827, 0.8, 0.9, 0.95, 0.99)
"""Shares of crystals whose labels an interval should cover, for which a calibration keeps factors; between them it interpolates."""
ONE_DEVIATION = 0.6827
"""Half the width of the interval of this level is called the standard deviation: for Gaussian errors it is."""
SCORES = (*EVIDENCE, "learned", "domain", "elements", "log volume per atom", "prediction", "prediction squared")
"""What the expected error of a prediction depends on; see `scores_of`."""

_SURE = 8.0  # log-odds beyond which a crystal is no more like others, or unlike them


def scores_of(
    predictions: Float[Tensor, "crystals properties"],
    evidence: Float[Tensor, "crystals properties evidence"],
    learned: Float[Tensor, "crystals properties"],
    likeness: Float[Tensor, " crystals"],
    counts: Float[Tensor, "crystals elements"],
    graph: Graph,
) -> Float[Tensor, "crystals properties scores"]:
    """Return the scores of predictions, in the order of `SCORES`.

    Args:
        predictions: Standardised predictions.
        evidence: What the nearest training crystals say (`Reference.evidence`).
        learned: Logarithms of the errors that the errors of training crystals let expect (`ErrorHead`).
        likeness: Log-odds that the crystals are of the kind that trained the model (`Domain`); they count up to a size of 8.
        counts: Number of atoms of each element (`groups.element_counts`).
        graph: The graph of the crystals.
    """
    volume = torch.linalg.det(graph.lattice.double()).abs().float() / counts.sum(1)
    bounded = likeness.clamp(-_SURE, _SURE)
    crystal = torch.stack([bounded, (counts > 0).sum(1).float(), volume.clamp_min(1e-3).log()], dim=1)
    parts = [
        evidence,
        learned[..., None],
        crystal[:, None].expand(-1, predictions.shape[1], -1),
        predictions[..., None],
        predictions[..., None] ** 2,
    ]
    return torch.cat(parts, dim=2)


class Intervals(nn.Module):
    """Half the widths of intervals, on the standardised scale of the heads.

    Args:
        properties: Number of properties.

    Attributes:
        weights: (properties, scores + 1) the logarithm of the expected error as a linear function of scores, the constant last.
        factors: (properties, levels, groups) parts of the logarithm of the factor on the expected error, which the groups of a
            crystal add up; NaN for a property that is not calibrated, infinite for a level that needs more crystals.
    """

    weights: Tensor
    factors: Tensor

    def __init__(self, properties: int) -> None:
        super().__init__()
        self.register_buffer("weights", torch.zeros(properties, len(SCORES) + 1))
        self.register_buffer("factors", torch.full((properties, len(LEVELS), len(GROUPS)), torch.nan))

    def expected(self, scores: Float[Tensor, "crystals properties scores"]) -> Float[Tensor, "crystals properties"]:
        """Return the logarithms of the expected errors.

        Args:
            scores: The scores of the predictions (`scores_of`).
        """
        return (scores * self.weights[:, :-1]).sum(2) + self.weights[:, -1]

    def forward(
        self,
        scores: Float[Tensor, "crystals properties scores"],
        groups: Bool[Tensor, "crystals groups"],
        level: float,
    ) -> Float[Tensor, "crystals properties"]:
        """Return half the widths of the intervals of a level; NaN or infinite where there is none.

        Args:
            scores: The scores of the predictions (`scores_of`).
            groups: The groups of the crystals (`groups.groups_of`).
            level: Share of crystals whose labels the intervals should cover.

        Raises:
            PlanError: The level is outside those that are calibrated.
        """
        below, share = _place(level)
        factors = torch.einsum("cg,plg->cpl", groups.to(self.factors.dtype), self.factors)
        factors = factors.cummax(dim=2).values
        lower, upper = factors[..., below], factors[..., min(below + 1, len(LEVELS) - 1)]
        factor = torch.where(upper.isfinite(), lower + share * (upper - lower), upper) if share else lower
        return (self.expected(scores) + factor).exp()


def require_level(level: float) -> None:
    """Refuse a level that no interval can have.

    Raises:
        PlanError: It is outside the levels that are calibrated.
    """
    if not LEVELS[0] <= level <= LEVELS[-1]:
        meant = f"Did you mean {level / 100:g}?" if 1 < level <= 100 else "For example 0.9"
        raise PlanError(f"{level:g} is no level of an interval, a number from {LEVELS[0]:g} to {LEVELS[-1]:g}", meant)


def _place(level: float) -> tuple[int, float]:
    """Return the calibrated level at or below a level, and how far it is on the way to the next, from 0 to 1."""
    require_level(level)
    below = max(i for i, known in enumerate(LEVELS) if known <= level)
    if LEVELS[below] == level:
        return below, 0.0
    return below, (level - LEVELS[below]) / (LEVELS[below + 1] - LEVELS[below])
