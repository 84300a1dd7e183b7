"""Draw the graph and the words of a crystal together, those of others apart (as CLIP does; Radford et al. 2021, arXiv 2103.00020).

    L = 1/2 [ CE_i(g_i . t_j / tau) + CE_j(g_i . t_j / tau) ],   g, t of length 1, tau learned

g and t are the projections of a fused encoder (`encoders.fused`). Crystals without words, and with words that an earlier crystal of
the batch has, are left out. Afterwards crystals can be found by words, and a predictor starts from an encoder whose two halves
know of one another.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from cryskit.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph, GraphSpec

_SHARPEST = 100.0  # of 1 / tau, as in CLIP


class Contrast(nn.Module):
    """Align graphs and texts.

    Args:
        encoder: A fused one.
        temperature: tau in the beginning.

    Raises:
        PlanError: The encoder has no words.

    Attributes:
        default: The encoder where a plan names none.
    """

    default: ClassVar[Mapping[str, Any]] = MappingProxyType({"name": "fused"})

    def __init__(self, encoder: nn.Module, temperature: float = 0.07) -> None:
        super().__init__()
        if not hasattr(encoder, "pair"):
            raise PlanError(f"The encoder {type(encoder).__name__} has no words", "Take the encoder fused")
        network: Any = encoder
        self.encoder = network
        self.needs: GraphSpec = network.needs
        self.sharpness = nn.Parameter(torch.tensor(1 / temperature).log())

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the loss "contrast"; 0 where there are not two crystals with words."""
        g, t = self.encoder.pair(graph)
        told = _told(graph)
        logits = normalize(g[told], dim=1) @ normalize(t[told], dim=1).T * self.sharpness.exp().clamp_max(_SHARPEST)
        own = torch.arange(len(logits), device=logits.device)
        if len(own) < 2:
            return {"contrast": logits.sum() * 0}
        return {"contrast": (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2}

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return of how many crystals the loss is the mean, so that batches can be averaged."""
        return {"contrast": int(_told(graph).sum())}


def _told(graph: Graph) -> Bool[Tensor, " crystals"]:
    """Return which crystals have words that no earlier one has."""
    if graph.text is None:
        raise PlanError("The graph has no words", "Give the crystals descriptions")
    known = ~graph.text.isnan().any(2).all(1)
    _, kind = torch.unique(graph.text.nan_to_num().flatten(1), dim=0, return_inverse=True)
    place = torch.arange(graph.crystals, device=kind.device)
    first = place.new_full((graph.crystals,), graph.crystals).scatter_reduce(0, kind, place, "amin")
    return known & (first[kind] == place)
