"""Two encoders in one: a graph network and a text encoder of the description (CrysMMNet; Das et al. 2023, PMLR 216:507).

    g = H_g(z_G),   t = H_t([w_whole, w_sites]),   H(x) = LayerNorm(p + Dropout(W GELU(p))),   p = P x
    concat:     z = C [g, t]
    gated:      z = z_G + s(A [g, t]) * C t
    attention:  z = z_G + s(A [g, t]) * (C t + D mean_i sum_k a_ik u_k),   a_i = softmax_k(Q v_i . u_k / sqrt(d))
    text:       z = C t,   for comparison

z_G is the vector of the crystal and v_i are those of its atoms by any graph network. w are the vectors of the two parts of its
description, on the whole crystal and on its sites, by a text encoder that is frozen or trained with the rest; each is brought
to mean 0 and variance 1, for language models differ in scale. In `attention` every atom attends to u: a linear map of each
part, and a learned vector for neither. A learned vector stands in for a missing part, and in training some descriptions, or one
of their parts, are left out, so that crystals without descriptions can be predicted, too, and found by a single sentence.
Dropout is applied to the text vectors, for a description identifies its crystal, and a network that is given all of it learns
the training crystals by heart.

The paper has "concat" and one vector of the whole text, cut at 512 tokens; here each of the two parts has these to itself.
Its next layer, a ReLU and a linear map, belongs to the heads.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm

from cryskit.layers.pool import mean_pool
from cryskit.registry import ENCODERS, configured
from cryskit.text import TOKENS_OF
from cryskit.text.tokens import read
from cryskit.text.transformer import Pretrained
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryskit.types import Graph

PARTS = 2
"""Number of parts of a description: the sentences on the whole crystal, and those on its sites."""

_GRAPH: Mapping[str, Any] = MappingProxyType({"name": "cgcnn"})  # the graph network where none is named


@configured
class Fused(nn.Module):
    """CrysMMNet: a graph network and a text encoder, fused into one vector of each crystal.

    Args:
        graph: Registry name and arguments of the graph network; CGCNN by default.
        text: Name of the text encoder, whose vectors come with the graph (see `text.embed`).
        text_width: Width of the vectors of the text encoder.
        projected: Width of the projections g and t.
        fusion: Formula of the fusion: "concat" (the paper's), "gated", "attention", or "text", which leaves the graph out.
        dropout: Dropout rate of the projections.
        withheld: Share of the descriptions that are left out in training, 0 to 1.
        halved: Share of the descriptions of two parts of which one, either one, is left out in training, 0 to 1.
        blurred: Dropout rate of the text vectors.
        tuned: Factor of the learning rate with which the text encoder, a language model, is trained with the rest; 0 leaves it
            frozen, and its vectors are made once.

    Attributes:
        needs: The graphs that the encoder reads, those of the graph network with text.
        width: Width of the vectors that it returns, that of the graph network.
        rates: Name of a parameter to the factor of its learning rate, for those with another factor than 1.
    """

    def __init__(
        self,
        graph: Mapping[str, Any] | None = None,
        text: str = "minilm",
        text_width: int = 384,
        projected: int = 64,
        fusion: Literal["concat", "gated", "attention", "text"] = "concat",
        dropout: float = 0.1,
        withheld: float = 0.1,
        blurred: float = 0.5,
        tuned: float = 0.0,
        halved: float = 0.0,
    ) -> None:
        super().__init__()
        self.graph = ENCODERS.build(graph or _GRAPH)
        self.reader = Pretrained(text).module().requires_grad_() if tuned else None
        self.rates = {name: tuned for name, _ in self.named_parameters() if name.startswith("reader.")}
        self.needs = self.needs_of(graph, text, tuned)
        self.width = self.graph.width
        self.withheld, self.halved = withheld, halved
        self.blurred = nn.Dropout(blurred)
        self.absent = nn.Parameter(torch.randn(PARTS, text_width))
        self.of_graph = Projection(self.width, projected, dropout)
        self.of_text = Projection(PARTS * text_width, projected, dropout)
        self.fusion = _FUSIONS[fusion](self.width, projected, text_width)

    @staticmethod
    def needs_of(graph: Mapping[str, Any] | None, text: str, tuned: float, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        return replace(ENCODERS.needs(graph or _GRAPH), text=f"{TOKENS_OF}{text}" if tuned else text)

    @staticmethod
    def width_of(graph: Mapping[str, Any] | None, **_arguments: Any) -> int:
        """Return the length of the vectors of such an encoder."""
        return ENCODERS.width(graph or _GRAPH)

    @property
    def inputs(self) -> nn.Module:
        """The input layer of the graph network, from atomic numbers to vectors."""
        layer: nn.Module = self.graph.inputs
        return layer

    def forward(self, graph: Graph) -> Encoding:
        """Return the vectors of the atoms and crystals of a batch.

        Args:
            graph: The batch, built as `needs` says; without text its crystals count as not described.
        """
        both = self._both(graph)
        return Encoding(both.encoding.atoms, self.fusion(both))

    def pair(self, graph: Graph) -> tuple[Float[Tensor, "crystals projected"], Float[Tensor, "crystals projected"]]:
        """Return g and t of each crystal, the two vectors that a contrastive loss compares.

        Args:
            graph: The batch.
        """
        both = self._both(graph)
        return both.g, both.t

    def project_text(self, text: Float[Tensor, "texts parts text"]) -> Float[Tensor, "texts projected"]:
        """Return t of descriptions alone.

        Args:
            text: The vectors of both parts of each description by the text encoder, as in `Graph.text`; NaN where a part is
                missing.
        """
        return self._project_text(self._text_vectors(text))

    def _both(self, graph: Graph) -> BothEncodings:
        """Encode the graphs and the descriptions of a batch."""
        encoding: Encoding = self.graph(graph)
        missing = self.absent.new_full((graph.crystals, *self.absent.shape), torch.nan)
        text = missing if graph.text is None else graph.text
        if self.training and (self.withheld or self.halved):
            text = torch.where(self._left_out(text), torch.nan, text)
        vectors = self.blurred(self._text_vectors(text))
        return BothEncodings(graph, encoding, vectors, self.of_graph(encoding.crystals), self._project_text(vectors))

    def _left_out(self, text: Tensor) -> Bool[Tensor, "crystals parts 1"]:
        """Draw which parts of the descriptions of a batch are left out in training; of two parts one is, the only one never."""
        crystals, device = len(text), text.device
        whole = torch.rand(crystals, 1, 1, device=device) < self.withheld
        half = torch.rand(crystals, 1, 1, device=device) < self.halved
        one = torch.rand(crystals, PARTS, 1, device=device).argsort(1) == 0
        two = ~text.isnan().flatten(1).any(1)[:, None, None]
        return whole | (half & one & two)

    def _text_vectors(self, text: Tensor) -> Tensor:
        """Return the text vectors with mean 0 and variance 1; `text` holds tokens if the text encoder is trained here."""
        vectors = text if self.reader is None else read(self.reader, text)
        return layer_norm(vectors, vectors.shape[-1:])

    def _project_text(self, vectors: Tensor) -> Tensor:
        """Return t, with a learned vector in place of a missing part."""
        known = ~vectors.isnan().any(2, keepdim=True)
        projected: Tensor = self.of_text(torch.where(known, vectors, self.absent).flatten(1))
        return projected


class BothEncodings(NamedTuple):
    """A batch as encoded by the graph network and by the text encoder.

    Attributes:
        graph: The batch.
        encoding: The encoding of the graph network.
        text: (B, 2, t) the vectors of the two parts of each description; NaN where a part is missing.
        g: (B, projected) the projection of the vector of each crystal.
        t: (B, projected) the projection of its description.
    """

    graph: Graph
    encoding: Encoding
    text: Tensor
    g: Tensor
    t: Tensor


class Projection(nn.Module):
    """The projection H(x) = LayerNorm(p + Dropout(W GELU(p))), p = P x.

    Args:
        inputs: Width of x.
        width: Width of H(x).
        dropout: Dropout rate.
    """

    def __init__(self, inputs: int, width: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, width)
        self.deepen = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows width"]:
        """Return the projected vectors.

        Args:
            x: The vectors to project.
        """
        p = self.project(x)
        projected: Tensor = self.norm(p + self.dropout(self.deepen(gelu(p))))
        return projected


class _Concat(nn.Module):
    """z = C [g, t]."""

    def __init__(self, width: int, projected: int, _text_width: int) -> None:
        super().__init__()
        self.out = nn.Linear(2 * projected, width)

    def forward(self, both: BothEncodings) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal."""
        fused: Tensor = self.out(torch.cat([both.g, both.t], dim=1))
        return fused


class _Gate(nn.Module):
    """s(A [g, t])."""

    def __init__(self, width: int, projected: int) -> None:
        super().__init__()
        self.open = nn.Linear(2 * projected, width)

    def forward(self, both: BothEncodings) -> Float[Tensor, "crystals width"]:
        """Return the gate of each component, 0 (closed) to 1 (open)."""
        return torch.sigmoid(self.open(torch.cat([both.g, both.t], dim=1)))


class _Gated(nn.Module):
    """z = z_G + s(A [g, t]) * C t."""

    def __init__(self, width: int, projected: int, _text_width: int) -> None:
        super().__init__()
        self.gate = _Gate(width, projected)
        self.out = nn.Linear(projected, width)

    def forward(self, both: BothEncodings) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal."""
        fused: Tensor = both.encoding.crystals + self.gate(both) * self.out(both.t)
        return fused


class _Attention(nn.Module):
    """z = z_G + s(A [g, t]) * (C t + D mean_i sum_k a_ik u_k),   a_i = softmax_k(Q v_i . u_k / sqrt(d))."""

    def __init__(self, width: int, projected: int, text_width: int) -> None:
        super().__init__()
        self.gate = _Gate(width, projected)
        self.out = nn.Linear(projected, width)
        self.query = nn.Linear(width, projected)
        self.read = nn.Linear(text_width, projected)
        self.nothing = nn.Parameter(torch.randn(projected))
        self.chosen = nn.Linear(projected, width)

    def forward(self, both: BothEncodings) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal."""
        missing = both.text.isnan().any(2)
        parts = self.read(both.text.masked_fill(missing[..., None], 0.0))
        keys = torch.cat([parts, self.nothing.expand(len(parts), 1, -1)], dim=1)
        masked = torch.cat([missing, missing.new_zeros(len(missing), 1)], dim=1)
        crystal = both.graph.crystal_of_atom
        scores = torch.einsum("nd,nkd->nk", self.query(both.encoding.atoms), keys[crystal]) / keys.shape[2] ** 0.5
        shares = scores.masked_fill(masked[crystal], -torch.inf).softmax(1)
        attended = mean_pool(torch.einsum("nk,nkd->nd", shares, keys[crystal]), both.graph)
        fused: Tensor = both.encoding.crystals + self.gate(both) * (self.out(both.t) + self.chosen(attended))
        return fused


class _Text(nn.Module):
    """z = C t."""

    def __init__(self, width: int, projected: int, _text_width: int) -> None:
        super().__init__()
        self.out = nn.Linear(projected, width)

    def forward(self, both: BothEncodings) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal."""
        fused: Tensor = self.out(both.t)
        return fused


_FUSIONS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"concat": _Concat, "gated": _Gated, "attention": _Attention, "text": _Text}
)
