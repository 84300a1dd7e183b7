"""What is learned of a tensor: the standardised coordinates of its logarithm in an orthonormal basis of irreducible parts.

    T = least + exp(H)  or, where eigenvalues may be negative,  T = H;      H = sum_k (mean_k + deviation_k c_k) E_k

The logarithm is that of the matrix in Mandel's notation. Only isotropic parts have a mean: that of any other part of tensors in all
orientations is zero. All coordinates of a part have one deviation, so that a rotation mixes them as those of the tensor.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from cryskit.errors import DataError
from cryskit.layers.tensor_basis import IRREPS, tensor_basis
from cryskit.tensors.kinds import LEAST
from cryskit.tensors.notation import mandel_weights

if TYPE_CHECKING:
    from cryskit.tensors.kinds import TensorKind
    from cryskit.types import Property


class TensorScale(nn.Module):
    """The change between the components of a tensor and what is learned of it.

    Args:
        wanted: The tensor property.

    Attributes:
        size: Number of coordinates, and of components.
        mean: (size,) means of the coordinates of the training rows, zero unless they are of isotropic parts.
        deviation: (size,) root mean squares of the coordinates about the mean, the same for all of a part.
        basis: (size, rows, columns) the orthonormal basis.
    """

    mean: Tensor
    deviation: Tensor
    basis: Tensor
    factors: Tensor
    unit: Tensor

    def __init__(self, wanted: Property) -> None:
        super().__init__()
        self.name, self.kind = wanted.name, _kind(wanted)
        self.positive, self.least = self.kind.name in LEAST, LEAST.get(self.kind.name, 0.0)
        basis = tensor_basis(self.kind.name)
        self.size = len(basis)
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("deviation", torch.ones(self.size))
        self.register_buffer("basis", torch.from_numpy(basis).float(), persistent=False)
        self.register_buffer("factors", torch.from_numpy(mandel_weights(self.kind)).float(), persistent=False)
        self.register_buffer("unit", torch.from_numpy(np.eye(*self.kind.matrix_shape)).float(), persistent=False)

    def tensor(self, learned: Float[Tensor, "crystals size"]) -> Float[Tensor, "crystals rows columns"]:
        """Return tensors in Mandel's notation, in the unit of the property.

        Args:
            learned: Standardised coordinates.
        """
        found = torch.einsum("bk,kij->bij", learned * self.deviation + self.mean, self.basis)
        if not self.positive:
            return found
        return torch.matrix_exp(found) + self.least * self.unit

    def components(self, tensors: Float[Tensor, "crystals rows columns"]) -> Float[Tensor, "crystals size"]:
        """Return the independent components of tensors in Voigt's notation.

        Args:
            tensors: Matrices in Mandel's notation.
        """
        rows, columns = self.kind.positions
        return (tensors / self.factors)[:, rows, columns]

    def matrices(self, components: Float[Tensor, "crystals size"]) -> Float[Tensor, "crystals rows columns"]:
        """Return tensors in Mandel's notation.

        Args:
            components: Independent components in Voigt's notation.
        """
        rows, columns = self.kind.positions
        found = components.new_zeros(len(components), *self.kind.matrix_shape)
        found[:, rows, columns] = components
        if self.kind.symmetric:
            found[:, columns, rows] = components
        return found * self.factors

    def coordinates(self, components: Float[Tensor, "crystals size"]) -> Float[Tensor, "crystals size"]:
        """Return what is learned of tensors before it is standardised; NaN where they are unknown or not positive definite.

        Args:
            components: Independent components in Voigt's notation, NaN where unknown.
        """
        known = components.isfinite().all(1)
        found = self.matrices(components.nan_to_num(0.0)).double()
        if self.positive:
            values, vectors = torch.linalg.eigh(found)
            above = values - self.least
            known = known & (above > 0).all(1)
            found = (vectors * above.clamp_min(1e-12).log()[:, None]) @ vectors.mT
        learned = torch.einsum("bij,kij->bk", found, self.basis.double()).to(components.dtype)
        return torch.where(known[:, None], learned, torch.nan)

    def distance(
        self, learned: Float[Tensor, "crystals size"], components: Float[Tensor, "crystals size"]
    ) -> Float[Tensor, " crystals"]:
        """Return the norm of the difference of coordinates over its root mean square in the training rows; NaN where there is no label.

        Args:
            learned: Standardised coordinates of predictions.
            components: Independent components of the labels, NaN where unknown.
        """
        target = self.coordinates(components)
        known = target.isfinite().all(1)
        difference = learned * self.deviation + self.mean - torch.where(known[:, None], target, 0.0)
        norm = torch.where(known[:, None], difference, 0.0).norm(dim=1)
        return torch.where(known, norm / self.deviation.norm(), torch.nan)

    def fit(self, components: Float[Tensor, "crystals size"]) -> None:
        """Take mean and deviation from tensors.

        Args:
            components: Independent components of the training rows, NaN where unknown.

        Raises:
            DataError: Fewer than two of them are usable.
        """
        found = self.coordinates(components).double()
        found = found[found.isfinite().all(1)]
        if len(found) < 2:
            raise DataError(
                f"The training rows have {len(found)} usable values of {self.name}",
                "Choose other properties, or data that has labels for it",
            )
        sizes = [2 * degree + 1 for degree, _ in IRREPS[self.kind.name]]
        for (degree, _), (start, stop) in zip(
            IRREPS[self.kind.name], pairwise(accumulate(sizes, initial=0)), strict=True
        ):
            part = found[:, start:stop]
            mean = part.mean(0) if degree == 0 else torch.zeros_like(part[0])
            self.mean[start:stop] = mean
            self.deviation[start:stop] = (part - mean).square().mean().sqrt().clamp_min(1e-8)


def _kind(wanted: Property) -> TensorKind:
    if wanted.tensor is None:
        raise ValueError(f"{wanted.name} is no tensor")
    return wanted.tensor
