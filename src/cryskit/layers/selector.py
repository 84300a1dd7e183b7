"""Feature selectors: an input layer that learns which of the ninety-two named bits of an element a network is told.

    x_Z = sum_k bits_Zk g_k W_k + b,    g_k = [a_k + e]_0^2 [c_B(k) + e']_0^2,    e, e' ~ N(0, 1)

Every bit k has a gate with position a_k and every block B (group, period, ...) one with position c_B. A gate is its position
plus noise, cut off at 0 (closed) and 2; noise is drawn for each element and step in training and left out in evaluation
(stochastic gates, Yamada et al. 2020, arXiv 1810.04247, after Louizos et al. 2018, arXiv 1712.01312). The penalty is the
expected share of blocks and of bits that are open. A gate gets cheaper only as it is really shut more often in training,
which no weights behind it can make up for. At 1, where all gates begin, the layer without noise is that without gates.
The strength of a bit is the length of the vector that it adds, |g_k W_k|, over the largest: however gate and weights share
this length between them, it is the same.

CrysXPP's own form (doi 10.1038/s41524-022-00716-8) multiplies with 92 free numbers and penalises their absolute values.
The map behind them can take over any factor, so their size says little; only of bits that no crystal has does it vanish.
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
_WIDEST = 2.0  # gate
_PACE = 2.0  # how far a gate moves where a weight moves by 1


class FeatureSelector(nn.Module):
    """The bits of `inputs.ElementFeatures` under gates and a linear map.

    Its `bits` and `linear` have the names and shapes of those of `ElementFeatures`. With their values it begins as the
    same function. The penalty is part of what `PropertyObjective` minimises, and not of what chooses the epoch.

    Args:
        width: Of the vectors it gives.
        form: "gates", or "paper" for CrysXPP's own form (its map has no bias).
        penalty: What it costs, in the unit of the loss, if all gates are certain to be open ("gates", 0.1 by default) or if
            all factors are 1 ("paper", 0.01 by default). More selects fewer.
        blocks: Which share of the penalty counts blocks; the rest counts bits. Not of the paper's form.

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
        self.linear = nn.Linear(elements.BITS, width, bias=form == "gates")
        self.gate = Mask() if form == "paper" else Gates(blocks)
        self.price = self.gate.price if penalty is None else float(penalty)

    def forward(self, numbers: Int[Tensor, " atoms"]) -> Float[Tensor, "atoms width"]:
        """Return the vector of each atom."""
        table: Tensor = self.linear(self.bits.to(self.linear.weight.dtype) * self.gate())
        return table[numbers]

    def penalty(self) -> Float[Tensor, ""]:
        """Return what is to be minimised besides the error."""
        return self.price * self.gate.cost()

    @torch.no_grad()
    def strengths(self) -> Float[Tensor, " bits"]:
        """Return how strongly each bit is heard.

        "gates": 0 (not at all, exactly) to 1 (the loudest). "paper": the absolute factors, as the paper reads them.
        """
        return self.gate.strengths(self.linear.weight.norm(dim=0))


class Gates(nn.Module):
    """A gate per bit and per block.

    Args:
        blocks: Which share of the cost counts blocks.
    """

    price = 0.1
    block_of: Tensor
    draws: Tensor

    def __init__(self, blocks: float = 0.5) -> None:
        super().__init__()
        self.bit = nn.Parameter(torch.zeros(elements.BITS))
        self.block = nn.Parameter(torch.zeros(len(elements.BLOCKS)))
        self._blocks = blocks
        sizes = torch.tensor([columns.stop - columns.start for columns in elements.BLOCKS.values()])
        self.register_buffer("block_of", torch.arange(len(sizes)).repeat_interleave(sizes), persistent=False)
        # Noise is drawn from a counter that is saved with the weights, so that a resumed run is the run that was not stopped.
        self.register_buffer("draws", torch.randint(2**40, ()))

    def forward(self) -> Float[Tensor, "rows bits"]:
        """Return the factors of the bits, for all elements alike in evaluation and for each in training."""
        bit, block = self._positions()
        if self.training:
            self.draws += 1
            chance = torch.Generator().manual_seed(int(self.draws))
            noise = torch.randn(_ROWS, len(bit) + len(block), generator=chance).to(bit)
            bit, block = bit + noise[:, : len(bit)], block + noise[:, len(bit) :]
        factors = bit.clamp(0, _WIDEST) * block.clamp(0, _WIDEST)[..., self.block_of]
        return factors.view(-1, elements.BITS)

    def cost(self) -> Float[Tensor, ""]:
        """Return the expected share of open gates, blocks and bits weighed against each other."""
        bit, block = (torch.special.ndtr(position) for position in self._positions())
        share: Tensor = self._blocks * block.mean() + (1 - self._blocks) * (bit * block[self.block_of]).mean()
        return share

    def strengths(self, norms: Float[Tensor, " bits"]) -> Float[Tensor, " bits"]:
        """Return the lengths of what bits add, over the largest.

        Args:
            norms: Of the columns of the map behind.
        """
        bit, block = self._positions()
        lengths = bit.clamp(0, _WIDEST) * block.clamp(0, _WIDEST)[self.block_of] * norms
        return lengths / lengths.max().clamp_min(torch.finfo(lengths.dtype).tiny)

    def _positions(self) -> tuple[Tensor, Tensor]:
        return 1 + _PACE * self.bit, 1 + _PACE * self.block


class Mask(nn.Module):
    """Ninety-two free numbers, 1 at first: the paper's form."""

    price = 0.01

    def __init__(self) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.ones(elements.BITS))

    def forward(self) -> Float[Tensor, "rows bits"]:
        """Return the factors of the bits."""
        return self.mask[None]

    def cost(self) -> Float[Tensor, ""]:
        """Return the mean absolute value."""
        return self.mask.abs().mean()

    def strengths(self, norms: Float[Tensor, " bits"]) -> Float[Tensor, " bits"]:
        """Return the absolute values; the norms of the columns behind do not count."""
        del norms
        return self.mask.abs()
