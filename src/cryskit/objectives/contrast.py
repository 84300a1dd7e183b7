"""Draw the graph and the description of a crystal together, those of others apart (as CLIP does; Radford et al. 2021, arXiv 2103.00020).

    L = 1/2 [ CE_i(g_i . t_j / tau) + CE_j(g_i . t_j / tau) ],   g, t of length 1, tau learned

g and t are the projections of an encoder of graphs and descriptions (`encoders.fused`). Crystals without a description, and with one
that an earlier crystal of the batch has, are left out. Afterwards crystals can be found by words, and a predictor starts from an
encoder whose two halves are aligned.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Bool
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from cryskit.errors import PlanError
from cryskit.protocols import Objective

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.protocols import TextEncoder
    from cryskit.types import Graph

_SHARPEST = 100.0  # the largest 1 / tau, as in CLIP


class Contrast(nn.Module, Objective):
    """Align graphs and descriptions.

    Args:
        encoder: An encoder that reads descriptions.
        temperature: The temperature tau in the beginning.

    Raises:
        PlanError: The encoder reads no descriptions.
    """

    encoder: TextEncoder
    aligns_words: ClassVar[bool] = True
    default_encoder: ClassVar[Mapping[str, Any]] = MappingProxyType({"name": "fused"})

    def __init__(self, encoder: TextEncoder, temperature: float = 0.07) -> None:
        super().__init__()
        if not encoder.needs.text:
            raise PlanError(f"The encoder {type(encoder).__name__} reads no descriptions", "Take the encoder fused")
        self.encoder = encoder
        self.needs = encoder.needs
        self.sharpness = nn.Parameter(torch.tensor(1 / temperature).log())

    def forward(self, graph: Graph) -> dict[str, Tensor]:
        """Return the loss "contrast"; 0 where there are not two crystals with descriptions."""
        g, t = self.encoder.pair(graph)
        described = _described(graph)
        unit = normalize(g[described], dim=1), normalize(t[described], dim=1)
        logits = unit[0] @ unit[1].T * self.sharpness.exp().clamp_max(_SHARPEST)
        own = torch.arange(len(logits), device=logits.device)
        if len(own) < 2:
            return {"contrast": logits.sum() * 0}
        return {"contrast": (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2}

    def sizes(self, graph: Graph) -> dict[str, int]:
        """Return the number of crystals that the loss is the mean over."""
        return {"contrast": int(_described(graph).sum())}


def _described(graph: Graph) -> Bool[Tensor, " crystals"]:
    """Return which crystals have a description that no earlier one has."""
    if graph.text is None:
        raise PlanError("The crystals have no descriptions", "Give them with --text, a table of `cryskit describe`")
    known = ~graph.text.isnan().any(2).all(1)
    _, kind = torch.unique(graph.text.nan_to_num().flatten(1), dim=0, return_inverse=True)
    place = torch.arange(graph.crystals, device=kind.device)
    first = place.new_full((graph.crystals,), graph.crystals).scatter_reduce(0, kind, place, "amin")
    return known & (first[kind] == place)
