"""The vectors of all levels of one or several encoders, pooled in three ways, as one vector of each crystal.

    y = [c, <v_1>, s_1, max v_1, ..., <v_L>, s_L, max v_L],   s_l = sqrt(<(v_l - <v_l>)^2> + e^2) - e,   e = 1e-3

c is the crystal vector of an encoder and v_l are the atom vectors at its level l: behind its last layers and, where one level more
than it has layers is asked for, those that enter the first. Means are over atoms, an orbit weighted with its multiplicity. What a
regressor needs of a frozen encoder is found at different levels for different properties; a mean over atoms alone forgets how unequal
they are. The vectors of several encoders, which have to read the same graph, follow one another; statistics over the composition
(`layers.composition`) and vectors that another program has made (`layers.outside`) can stand among them.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cryskit.errors import ModelError, PlanError
from cryskit.layers.composition import STATISTICS, Composition
from cryskit.layers.hidden_states import encode_with_hidden_states
from cryskit.layers.outside import Outside
from cryskit.layers.pool import max_pool, mean_pool
from cryskit.registry import ENCODERS, configured
from cryskit.types import Encoding, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.types import Graph

POOLS = 3
"""Number of pooled vectors of a level: mean, deviation and maximum over atoms."""

_FLOOR = 1e-3  # below it a deviation counts as none, so that its derivative is finite
_MEMBER: Mapping[str, Any] = MappingProxyType({"encoder": {"name": "cgcnn"}, "levels": 1})


@configured
class Levels(nn.Module):
    """The pooled vectors of all levels of one or several encoders.

    Args:
        members: For each encoder its registry name and arguments ("encoder"), and the number of its levels that are pooled, counted
            from the last ("levels"; 0 for its crystal vector alone); or for statistics over the composition the number of properties of
            the elements ("composition"), or the length of the vectors of another program ("outside"). One CGCNN by default.

    Attributes:
        needs: The graphs that the encoders read.
        width: Sum of the lengths of all pooled vectors.

    Raises:
        PlanError: There is no member, or two read different graphs.
    """

    def __init__(self, members: Sequence[Mapping[str, Any]] | None = None) -> None:
        super().__init__()
        self.needs = self.needs_of(members)
        self.width = self.width_of(members)
        self.counts = [int(member.get("levels", 0)) for member in _given(members)]
        self.members = nn.ModuleList(map(_built, _given(members)))

    @staticmethod
    def needs_of(members: Sequence[Mapping[str, Any]] | None, **_arguments: Any) -> GraphSpec:
        """Return the graph that such an encoder needs."""
        found = [ENCODERS.needs(member["encoder"]) for member in _given(members) if "encoder" in member]
        if any(spec != found[0] for spec in found):
            raise PlanError("The encoders read different graphs", "Join encoders that read the same graph")
        return found[0] if found else GraphSpec()

    @staticmethod
    def width_of(members: Sequence[Mapping[str, Any]] | None, **_arguments: Any) -> int:
        """Return the length of the vectors of such an encoder."""
        return sum(map(width_of, _given(members)))

    @property
    def inputs(self) -> nn.Module:
        """The input layer of the only encoder, from atomic numbers to vectors.

        Raises:
            ModelError: There are several encoders, each with an input layer of its own, or there is none.
        """
        if len(self.members) > 1:
            raise ModelError(
                f"The model joins {len(self.members)} encoders, which have no input layer in common",
                "Explain a model with one encoder, or fit one: `cryskit fit --encoder crysae`",
            )
        first: Any = self.members[0]
        if isinstance(first, Composition | Outside):
            raise ModelError(
                "The model reads statistics over the composition or vectors of another program, which have no input layer",
                "Explain a model with one encoder, or fit one: `cryskit fit --encoder crysae`",
            )
        layer: nn.Module = first.inputs
        return layer

    def forward(self, graph: Graph) -> Encoding:
        """Return the vectors of the atoms and crystals of a batch.

        Args:
            graph: The batch, built as `needs` says.
        """
        found = [_pooled(member, count, graph) for member, count in zip(self.members, self.counts, strict=True)]
        return Encoding(*(torch.cat(parts, dim=1) for parts in zip(*found, strict=True)))


def width_of(member: Mapping[str, Any]) -> int:
    """Return the number of pooled values of a member.

    Args:
        member: The member, as `Levels` takes it.
    """
    if "encoder" in member:
        return ENCODERS.width(member["encoder"]) * (1 + POOLS * int(member["levels"]))
    return STATISTICS * int(member["composition"]) if "composition" in member else int(member["outside"])


def _built(member: Mapping[str, Any]) -> Any:
    """Return the module of a member, with fresh weights."""
    if "encoder" in member:
        return ENCODERS.build(member["encoder"])
    return Composition(int(member["composition"])) if "composition" in member else Outside(int(member["outside"]))


def _given(members: Sequence[Mapping[str, Any]] | None) -> Sequence[Mapping[str, Any]]:
    """Return the members, or the one that stands for none."""
    if members is None:
        return (_MEMBER,)
    if not members:
        raise PlanError("There is no encoder whose levels could be pooled", "Name at least one")
    return members


def _pooled(encoder: Any, count: int, graph: Graph) -> tuple[Tensor, Tensor]:
    """Return what is pooled of an encoder: (N, width) before and (B, width) after the pooling."""
    if isinstance(encoder, Composition | Outside):
        atoms, crystals = encoder(graph)
        return atoms, crystals
    layers = len([child for child in encoder.children() if isinstance(child, nn.ModuleList)][-1]) if count else 1
    encoding, hidden = encode_with_hidden_states(encoder, graph, max(1, min(count, layers)))
    levels = [encoder.inputs(graph.numbers), *hidden] if count > layers else hidden[: count or 0]
    pooled, crystal = [encoding.atoms], [encoding.crystals]
    for vectors in levels:
        mean = mean_pool(vectors, graph)
        apart = vectors - mean[graph.crystal_of_atom]
        deviation = (mean_pool(apart.square(), graph) + _FLOOR**2).sqrt() - _FLOOR
        pooled += [vectors, apart.abs(), vectors]
        crystal += [mean, deviation, max_pool(vectors, graph)]
    return torch.cat(pooled, dim=1), torch.cat(crystal, dim=1)
