"""Feature selection: an input layer that learns which of the 92 binary element features a network needs.

    x_Z = sum_k f_Zk g_k W_k + b,    g_k = [a_k + e]_0^2 [c_B(k) + e']_0^2,    e, e' ~ N(0, 1)

Every feature k has a gate with position a_k and every block B of features (group, period, ...) one with position c_B. A gate
is its position plus noise, cut off at 0 (closed) and 2; noise is drawn for each element and step in training and left out in
evaluation (stochastic gates, Yamada et al. 2020, arXiv 1810.04247, after Louizos et al. 2018, arXiv 1712.01312). The penalty
is the expected share of blocks and of features that are open. A gate gets cheaper only as it is really shut more often in
training, which no weights behind it can make up for. At 1, where all gates begin, the layer without noise is that without
gates. The importance of a feature is the length of the vector that it adds, |g_k W_k|, over the largest: however gate and
weights share this length between them, it is the same.

CrysXPP's own form (Das et al. 2022, doi 10.1038/s41524-022-00716-8) multiplies with 92 free numbers and penalises their
absolute values. The map behind them can take over any factor, so their size says little; it vanishes only for features that
no crystal has.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from cryskit import elements
from cryskit.errors import UnknownNameError

_ROWS = elements.ELEMENTS + 1
_FORMS = ("gates", "paper")
_WIDEST = 2.0  # the largest factor of a gate
_PACE = 2.0  # how far a gate moves where a weight moves by 1


class FeatureSelector(nn.Module):
    """A linear map of the element features, each multiplied by a gate that training can close for good.

    Its tensors `bits` and `linear` have the names and shapes of those of `inputs.ElementFeatures`. With the same values it
    begins as the same function. The penalty is part of what `PropertyObjective` minimises, and not of what chooses the epoch.

    Args:
        width: Width of the vectors that the layer returns.
        form: "gates", or "paper" for CrysXPP's own form (its map has no bias).
        penalty: The penalty, in the unit of the loss, if all gates are certain to be open ("gates", 0.1 by default) or if
            all factors are 1 ("paper", 0.01 by default). A larger penalty selects fewer features.
        blocks: The share of the penalty that counts open blocks, 0 to 1; the rest counts open features. Without effect in the
            paper's form.

    Attributes:
        bits: (101, 92) uint8, the element features by atomic number. The name is that of the tensor in model files.

    Raises:
        UnknownNameError: There is no such form.
    """

    bits: Tensor

    def __init__(
        self,
        width: int,
        form: Literal["gates", "paper"] = "gates",
        penalty: float | None = None,
        blocks: float = 0.5,
    ) -> None:
        super().__init__()
        if form not in _FORMS:
            raise UnknownNameError("form of the selector", form, _FORMS)
        self.register_buffer("bits", torch.from_numpy(elements.features().astype("uint8")))
        self.linear = nn.Linear(elements.FEATURE_COUNT, width, bias=form == "gates")
        self.gate = Mask() if form == "paper" else Gates(blocks)
        self.price = self.gate.price if penalty is None else float(penalty)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms width"]:
        """Return the vector of each atom.

        Args:
            numbers: The atomic number of each atom.
        """
        table: Tensor = self.linear(self.bits.to(self.linear.weight.dtype) * self.gate())
        return table[numbers]

    def penalty(self) -> Float[Tensor, ""]:
        """Return the penalty on open gates, which is added to the loss."""
        return self.price * self.gate.cost()

    @torch.no_grad()
    def strengths(self) -> Float[Tensor, " features"]:
        """Return the importance of each element feature.

        Returns:
            For "gates" 0 (closed, exactly) to 1 (the most important feature); for "paper" the absolute factors, as the paper
            reads them.
        """
        return self.gate.strengths(self.linear.weight.norm(dim=0))


class Gates(nn.Module):
    """Stochastic gates: one for each element feature and one for each block of features.

    Args:
        blocks: The share of the cost that counts open blocks, 0 to 1; the rest counts open features.

    Attributes:
        bit: (92,) the position of the gate of each feature, scaled. The name is that of the tensor in model files.
        block: (9,) the position of the gate of each block, scaled.
    """

    price = 0.1
    block_of: Tensor
    draws: Tensor

    def __init__(self, blocks: float = 0.5) -> None:
        super().__init__()
        self.bit = nn.Parameter(torch.zeros(elements.FEATURE_COUNT))
        self.block = nn.Parameter(torch.zeros(len(elements.BLOCKS)))
        self._blocks = blocks
        sizes = torch.tensor([columns.stop - columns.start for columns in elements.BLOCKS.values()])
        self.register_buffer("block_of", torch.arange(len(sizes)).repeat_interleave(sizes), persistent=False)
        # Noise is drawn from a counter that is saved with the weights, so that a resumed run is the run that was not stopped.
        self.register_buffer("draws", torch.randint(2**40, ()))

    def forward(self) -> Float[Tensor, "rows features"]:
        """Return the factor of each feature: one row for all elements in evaluation, a row per element in training."""
        feature, block = self._positions()
        if self.training:
            self.draws += 1
            generator = torch.Generator().manual_seed(int(self.draws))
            noise = torch.randn(_ROWS, len(feature) + len(block), generator=generator).to(feature)
            feature, block = feature + noise[:, : len(feature)], block + noise[:, len(feature) :]
        factors = feature.clamp(0, _WIDEST) * block.clamp(0, _WIDEST)[..., self.block_of]
        return factors.view(-1, elements.FEATURE_COUNT)

    def cost(self) -> Float[Tensor, ""]:
        """Return the expected share of open gates, a weighted mean over blocks and features."""
        feature, block = (torch.special.ndtr(position) for position in self._positions())
        share: Tensor = self._blocks * block.mean() + (1 - self._blocks) * (feature * block[self.block_of]).mean()
        return share

    def strengths(self, norms: Float[Tensor, " features"]) -> Float[Tensor, " features"]:
        """Return the length of the vector that each feature adds, over the largest.

        Args:
            norms: The norms of the columns of the linear map behind the gates.
        """
        feature, block = self._positions()
        lengths = feature.clamp(0, _WIDEST) * block.clamp(0, _WIDEST)[self.block_of] * norms
        return lengths / lengths.max().clamp_min(torch.finfo(lengths.dtype).tiny)

    def _positions(self) -> tuple[Tensor, Tensor]:
        return 1 + _PACE * self.bit, 1 + _PACE * self.block


class Mask(nn.Module):
    """One free factor for each element feature, 1 at first: CrysXPP's own form."""

    price = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.ones(elements.FEATURE_COUNT))

    def forward(self) -> Float[Tensor, "rows features"]:
        """Return the factor of each feature, one row for all elements."""
        return self.mask[None]

    def cost(self) -> Float[Tensor, ""]:
        """Return the mean absolute value of the factors."""
        return self.mask.abs().mean()

    def strengths(self, norms: Float[Tensor, " features"]) -> Float[Tensor, " features"]:
        """Return the absolute values of the factors.

        Args:
            norms: The norms of the columns of the linear map behind the factors, which the paper does not count.
        """
        del norms
        return self.mask.abs()
