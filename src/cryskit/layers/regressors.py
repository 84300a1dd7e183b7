"""Regressors on crystal vectors that scikit-learn has fitted, as tensors: the numbers are those of scikit-learn.

    linear:       f(x) = w . x + b
    kernel:       f(x) = sum_i a_i exp(-g |z - s_i|^2) + b,   z = P ((x - m) / d)
    trees:        f(x) = b + sum over trees of the value of the leaf in which z falls
    perceptrons:  f(x) = the heads of a trained network (`layers.heads`)

A head is a weighted mean of such parts, each of which reads its own section of the crystal vector. All arithmetic but that of
perceptrons is in double precision; z is rounded to single precision, as it was when the regressor was fitted, because support vectors and
thresholds are kept so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.errors import PlanError
from cryskit.layers.heads import Heads, PropertyHeads
from cryskit.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.types import Property


class Linear(nn.Module):
    """A linear function of the vector.

    Args:
        width: Length of the section of the crystal vector that is read.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, width: int, _properties: Sequence[Property]) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(width, dtype=torch.double))
        self.register_buffer("bias", torch.zeros((), dtype=torch.double))

    def forward(self, vectors: Float[Tensor, "crystals width"]) -> Float[Tensor, " crystals"]:
        """Return the value of each crystal.

        Args:
            vectors: The section of the crystal vectors.
        """
        return vectors.double() @ self.weight + self.bias


class Projected(nn.Module):
    """What comes before a kernel or a tree: values are standardised and projected onto principal components.

    Args:
        width: Length of the section of the crystal vector that is read.
        components: Number of principal components.
    """

    mean: Tensor
    scale: Tensor
    projection: Tensor

    def __init__(self, width: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("projection", torch.zeros(width, components))

    def forward(self, vectors: Float[Tensor, "crystals width"]) -> Float[Tensor, "crystals components"]:
        """Return the principal components, rounded to single precision, as double.

        Args:
            vectors: The section of the crystal vectors.
        """
        standardised = (vectors.double() - self.mean.double()) / self.scale.double()
        found: Tensor = (standardised @ self.projection.double()).float().double()
        return found


class Kernel(nn.Module):
    """A sum of Gaussians around support vectors: support vector regression, kernel ridge regression.

    Args:
        width: Length of the section of the crystal vector that is read.
        components: Number of principal components.
        vectors: Number of support vectors.
    """

    vectors: Tensor
    coefficients: Tensor
    bias: Tensor
    gamma: Tensor

    def __init__(self, width: int, _properties: Sequence[Property], components: int, vectors: int) -> None:
        super().__init__()
        self.projected = Projected(width, components)
        self.register_buffer("vectors", torch.zeros(vectors, components))
        self.register_buffer("coefficients", torch.zeros(vectors, dtype=torch.double))
        self.register_buffer("bias", torch.zeros((), dtype=torch.double))
        self.register_buffer("gamma", torch.zeros((), dtype=torch.double))

    def forward(self, vectors: Float[Tensor, "crystals width"]) -> Float[Tensor, " crystals"]:
        """Return the value of each crystal.

        Args:
            vectors: The section of the crystal vectors.
        """
        projected, support = self.projected(vectors), self.vectors.double()
        lengths = projected.square().sum(1)[:, None] + support.square().sum(1)
        distances = (lengths - 2 * projected @ support.mT).clamp_min(0)  # squared
        return torch.exp(-self.gamma * distances) @ self.coefficients + self.bias


class Trees(nn.Module):
    """A sum of regression trees: gradient boosting. It has no useful derivative.

    Args:
        width: Length of the section of the crystal vector that is read.
        components: Number of principal components.
        trees: Number of trees.
        nodes: Number of nodes of all trees.
        depth: Largest number of steps from a root to a leaf.
    """

    roots: Tensor
    component: Tensor
    threshold: Tensor
    children_of: Tensor
    value: Tensor
    bias: Tensor

    def __init__(
        self, width: int, _properties: Sequence[Property], components: int, trees: int, nodes: int, depth: int
    ) -> None:
        super().__init__()
        self.depth = depth
        self.projected = Projected(width, components)
        self.register_buffer("roots", torch.zeros(trees, dtype=torch.int32))
        self.register_buffer("component", torch.zeros(nodes, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(nodes, dtype=torch.double))
        self.register_buffer("children_of", torch.zeros(nodes, 2, dtype=torch.int32))
        self.register_buffer("value", torch.zeros(nodes, dtype=torch.double))
        self.register_buffer("bias", torch.zeros((), dtype=torch.double))

    def forward(self, vectors: Float[Tensor, "crystals width"]) -> Float[Tensor, " crystals"]:
        """Return the value of each crystal.

        Args:
            vectors: The section of the crystal vectors.
        """
        found = self.projected(vectors)
        node = self.roots.long().expand(found.shape[0], -1)
        for _ in range(self.depth):  # a leaf is its own child
            right = found.gather(1, self.component.long()[node]) > self.threshold[node]
            node = self.children_of.long()[node, right.long()]
        known = vectors.isfinite().all(1)  # a comparison with what is no number would lead to a leaf
        return (self.value[node].sum(1) + self.bias).masked_fill(~known, torch.nan)


class Perceptrons(nn.Module):
    """The heads of a trained network.

    Args:
        width: Length of the section of the crystal vector that is read.
        properties: The property that is predicted.
        heads: Arguments of `PropertyHeads` besides width and properties.
    """

    def __init__(self, width: int, properties: Sequence[Property], heads: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.heads = PropertyHeads(width, properties, **(heads or {}))

    def forward(self, vectors: Float[Tensor, "crystals width"]) -> Float[Tensor, " crystals"]:
        """Return the value of each crystal.

        Args:
            vectors: The section of the crystal vectors.
        """
        learned: Tensor = self.heads(vectors) * self.heads.deviation + self.heads.mean
        return learned[:, 0].double()


PARTS = Registry(
    "regressor",
    {
        "linear": "cryskit.layers.regressors:Linear",
        "kernel": "cryskit.layers.regressors:Kernel",
        "trees": "cryskit.layers.regressors:Trees",
        "perceptrons": "cryskit.layers.regressors:Perceptrons",
    },
)


class RegressorHeads(Heads):
    """The weighted mean of regressors, for one property; it takes the place of `PropertyHeads` in a model that `cryskit fit` wrote.

    Args:
        width: Width of the crystal vectors.
        properties: The property that is predicted, alone.
        parts: For each regressor its registry name, `start` and `stop` of the section of the crystal vector that it reads, its `share` in
            the mean, and the arguments of its class.

    Attributes:
        differentiable: Whether the prediction has a derivative that tells something; trees have none.
        mean: (1,) the mean of the transformed targets of the training rows.
        deviation: (1,) their standard deviation.
        first: (0,), the position of the only output.
        shares: (parts,) the shares in the mean.

    Raises:
        PlanError: There is not one property, or a section is outside the crystal vector.
    """

    mean: Tensor
    deviation: Tensor
    shares: Tensor

    def __init__(self, width: int, properties: Sequence[Property], parts: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        if len(properties) != 1 or not parts:
            raise PlanError(
                f"{len(properties)} properties and {len(parts)} regressors",
                "Give one property, and one regressor or more",
            )
        self.properties = tuple(properties)
        self.first = (0,)
        self.sections = [slice(int(part["start"]), int(part["stop"])) for part in parts]
        if not all(0 <= section.start < section.stop <= width for section in self.sections):
            raise PlanError("A regressor reads values that the crystal vector does not have", "Correct start and stop")
        self.parts = nn.ModuleList(
            _made(part, section, self.properties) for part, section in zip(parts, self.sections, strict=True)
        )
        self.differentiable = not any(isinstance(part, Trees) for part in self.parts)
        self.register_buffer("shares", torch.tensor([float(part.get("share", 1 / len(parts))) for part in parts]))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("deviation", torch.ones(1))

    def forward(self, crystals: Float[Tensor, "crystals width"]) -> Float[Tensor, "crystals 1"]:
        """Return standardised predictions.

        Args:
            crystals: The vectors of the crystals.
        """
        found = [part(crystals[:, section]) for part, section in zip(self.parts, self.sections, strict=True)]
        learned = torch.stack(found, dim=1) @ self.shares.double()
        return ((learned - self.mean.double()) / self.deviation.double())[:, None]

    def physical(self, predictions: Float[Tensor, "crystals 1"]) -> Float[Tensor, "crystals 1"]:
        """Return predictions in the unit of the property.

        Args:
            predictions: The standardised predictions that `forward` returns.
        """
        learned = predictions * self.deviation.double() + self.mean.double()
        return 10**learned if self.properties[0].transform == "log10" else learned


def _made(part: Mapping[str, Any], section: slice, properties: Sequence[Property]) -> nn.Module:
    """Return a regressor with empty tensors."""
    arguments = {key: value for key, value in part.items() if key not in {"name", "start", "stop", "share"}}
    made: nn.Module = PARTS[str(part["name"])](section.stop - section.start, properties, **arguments)
    return made
