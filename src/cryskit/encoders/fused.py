"""An encoder made of two: a graph network and the words that describe the crystal (CrysMMNet; Das et al. 2023, PMLR 216:507).

    g = H_g(z_G),   t = H_t([w_whole, w_sites]),   H(x) = LayerNorm(p + Dropout(W GELU(p))),   p = P x
    concat:     z = C [g, t]
    gated:      z = z_G + s(A [g, t]) * C t
    attention:  z = z_G + s(A [g, t]) * (C t + D mean_i sum_k a_ik u_k),   a_i = softmax_k(Q v_i . u_k / sqrt(d))
    text:       z = C t,   to compare with

z_G is the vector of the crystal and v_i are those of its atoms by any graph network; w are the vectors of its description by a
text encoder, frozen or trained with the rest, of what it says of the whole crystal and of what it says of the sites; each is brought
to mean 0 and variance 1, for language models differ in scale. In `attention` every atom chooses among u: a linear map of each of the
two, and a learned nothing. Where there are no words a learned vector stands in, and in training some descriptions are withheld, so
that a crystal that nobody can describe is predicted, too. Of those that are shown some numbers are not: a description tells a crystal
from every other, and a network that sees all of it learns the training crystals by heart.

The paper has "concat" and one vector of the whole text, cut at 512 tokens; here each of the two parts has these to itself.
Its next layer, a ReLU and a linear map, belongs to the heads.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from jaxtyping import Float
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
"""Of a description: what it says of the whole crystal, what it says of the sites."""

_GRAPH: Mapping[str, Any] = MappingProxyType({"name": "cgcnn"})  # the graph network where none is named


@configured
class Fused(nn.Module):
    """A graph network with words.

    Args:
        graph: Registry name and arguments of the graph network.
        text: Name of the text encoder, whose vectors are in the graph.
        text_width: Of these vectors.
        projected: Width of g and t.
        fusion: "concat" (the paper's), "gated" or "attention"; "text" shuts the graph out.
        dropout: Of the projections.
        withheld: Share of the descriptions that are not shown in training.
        blurred: Share of the numbers of each vector of words that are not shown in training.
        tuned: Share of the learning rate with which the text encoder, a language model, is trained, too; 0 leaves it frozen, and
            its vectors are made once.

    Attributes:
        width: That of the graph network.
        inputs: Of the graph network.
        rates: What the learning rates of some parameters are multiplied with, by their names.
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
    ) -> None:
        super().__init__()
        self.graph = ENCODERS.build(graph or _GRAPH)
        self.reader = Pretrained(text).module().requires_grad_() if tuned else None
        self.rates = {name: tuned for name, _ in self.named_parameters() if name.startswith("reader.")}
        self.needs = self.needs_of(graph, text, tuned)
        self.width = self.graph.width
        self.withheld = withheld
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
        """The layer that turns atomic numbers into vectors."""
        layer: nn.Module = self.graph.inputs
        return layer

    def forward(self, graph: Graph) -> Encoding:
        """Encode a graph; one without text is one whose crystals nobody has described."""
        seen = self._seen(graph)
        return Encoding(seen.encoding.atoms, self.fusion(seen))

    def pair(self, graph: Graph) -> tuple[Float[Tensor, "crystals projected"], Float[Tensor, "crystals projected"]]:
        """Return g and t of each crystal, which a contrast draws together."""
        seen = self._seen(graph)
        return seen.g, seen.t

    def of_words(self, words: Float[Tensor, "texts parts text"]) -> Float[Tensor, "texts projected"]:
        """Return t of texts, by what the text encoder makes of their parts; NaN where one is absent."""
        return self._projected(self._vectors(words))

    def _seen(self, graph: Graph) -> Seen:
        """Look at a batch with both encoders."""
        encoding: Encoding = self.graph(graph)
        nothing = self.absent.new_full((graph.crystals, *self.absent.shape), torch.nan)
        words = nothing if graph.text is None else graph.text
        if self.training and self.withheld:
            words = torch.where(torch.rand(graph.crystals, 1, 1, device=words.device) < self.withheld, torch.nan, words)
        vectors = self.blurred(self._vectors(words))
        return Seen(graph, encoding, vectors, self.of_graph(encoding.crystals), self._projected(vectors))

    def _vectors(self, words: Tensor) -> Tensor:
        """Return words as vectors, each with mean 0 and variance 1; they are tokens if the text encoder is trained here."""
        vectors = words if self.reader is None else read(self.reader, words)
        return layer_norm(vectors, vectors.shape[-1:])

    def _projected(self, vectors: Tensor) -> Tensor:
        """Return t, with what stands for an absent part in its place."""
        known = ~vectors.isnan().any(2, keepdim=True)
        projected: Tensor = self.of_text(torch.where(known, vectors, self.absent).flatten(1))
        return projected


class Seen(NamedTuple):
    """What the two encoders see in a batch.

    Attributes:
        graph: The batch.
        encoding: Of the graph network.
        words: (B, 2, t) the vectors of the descriptions; NaN where there is none.
        g: (B, projected) of the graph.
        t: (B, projected) of the description.
    """

    graph: Graph
    encoding: Encoding
    words: Tensor
    g: Tensor
    t: Tensor


class Projection(nn.Module):
    """H(x) = LayerNorm(p + Dropout(W GELU(p))), p = P x.

    Args:
        given: Width of x.
        width: Of H(x).
        dropout: Share of the numbers that are dropped in training.
    """

    def __init__(self, given: int, width: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Linear(given, width)
        self.deepen = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "rows given"]) -> Float[Tensor, "rows width"]:
        """Return the projected vectors."""
        p = self.project(x)
        projected: Tensor = self.norm(p + self.dropout(self.deepen(gelu(p))))
        return projected


class _Concat(nn.Module):
    """z = C [g, t]."""

    def __init__(self, width: int, projected: int, _text_width: int) -> None:
        super().__init__()
        self.out = nn.Linear(2 * projected, width)

    def forward(self, seen: Seen) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal."""
        fused: Tensor = self.out(torch.cat([seen.g, seen.t], dim=1))
        return fused


class _Gate(nn.Module):
    """s(A [g, t])."""

    def __init__(self, width: int, projected: int) -> None:
        super().__init__()
        self.open = nn.Linear(2 * projected, width)

    def forward(self, seen: Seen) -> Float[Tensor, "crystals width"]:
        """Return how much of each number is let in."""
        return torch.sigmoid(self.open(torch.cat([seen.g, seen.t], dim=1)))


class _Gated(nn.Module):
    """z = z_G + s(A [g, t]) * C t."""

    def __init__(self, width: int, projected: int, _text_width: int) -> None:
        super().__init__()
        self.gate = _Gate(width, projected)
        self.out = nn.Linear(projected, width)

    def forward(self, seen: Seen) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal."""
        fused: Tensor = seen.encoding.crystals + self.gate(seen) * self.out(seen.t)
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

    def forward(self, seen: Seen) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal."""
        absent = seen.words.isnan().any(2)
        parts = self.read(seen.words.masked_fill(absent[..., None], 0.0))
        choices = torch.cat([parts, self.nothing.expand(len(parts), 1, -1)], dim=1)
        open_to = torch.cat([absent, absent.new_zeros(len(absent), 1)], dim=1)
        of_atom = seen.graph.crystal_of_atom
        scores = torch.einsum("nd,nkd->nk", self.query(seen.encoding.atoms), choices[of_atom]) / choices.shape[2] ** 0.5
        shares = scores.masked_fill(open_to[of_atom], -torch.inf).softmax(1)
        taken = mean_pool(torch.einsum("nk,nkd->nd", shares, choices[of_atom]), seen.graph)
        fused: Tensor = seen.encoding.crystals + self.gate(seen) * (self.out(seen.t) + self.chosen(taken))
        return fused


class _Text(nn.Module):
    """z = C t."""

    def __init__(self, width: int, projected: int, _text_width: int) -> None:
        super().__init__()
        self.out = nn.Linear(projected, width)

    def forward(self, seen: Seen) -> Float[Tensor, "crystals width"]:
        """Return the vector of each crystal."""
        read: Tensor = self.out(seen.t)
        return read


_FUSIONS: Mapping[str, type[nn.Module]] = MappingProxyType(
    {"concat": _Concat, "gated": _Gated, "attention": _Attention, "text": _Text}
)
