"""Numbers that follow from a tensor of the same crystal: the averages over the directions of a polycrystal.

They are differentiable, so crystals of which only such a number is known teach the isotropic part of the tensor.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Scalar(NamedTuple):
    """A number that follows from a tensor.

    Attributes:
        tensor: Name of the tensor property.
        of: Function from matrices in Mandel's notation, (B, rows, columns) in the unit of the tensor, to numbers, (B,).
    """

    tensor: str
    of: Callable[[Tensor], Tensor]


def voigt_moduli(
    tensors: Float[Tensor, "crystals 6 6"],
) -> tuple[Float[Tensor, " crystals"], Float[Tensor, " crystals"]]:
    """Return the bulk and the shear modulus of a polycrystal under uniform strain, in the unit of the tensors.

    Args:
        tensors: Stiffness matrices in Mandel's notation.
    """
    bulk = tensors[:, :3, :3].sum((1, 2)) / 9
    return bulk, (tensors.diagonal(dim1=1, dim2=2).sum(1) - 3 * bulk) / 10


def reuss_moduli(
    tensors: Float[Tensor, "crystals 6 6"],
) -> tuple[Float[Tensor, " crystals"], Float[Tensor, " crystals"]]:
    """Return the bulk and the shear modulus of a polycrystal under uniform stress, in the unit of the tensors.

    Args:
        tensors: Stiffness matrices in Mandel's notation, invertible.
    """
    compliance = torch.linalg.inv(tensors)
    soft = compliance[:, :3, :3].sum((1, 2))
    return 1 / soft, 2.5 / (compliance.diagonal(dim1=1, dim2=2).sum(1) - soft / 3)


def _hill(which: int) -> Callable[[Tensor], Tensor]:
    return lambda tensors: (voigt_moduli(tensors)[which] + reuss_moduli(tensors)[which]) / 2


def _mean_eigenvalue(tensors: Tensor) -> Tensor:
    return tensors.diagonal(dim1=1, dim2=2).mean(1)


_ELASTIC, _STATIC, _ELECTRONIC = "elastic_tensor", "dielectric_tensor", "dielectric_tensor_electronic"

SCALARS: Mapping[str, Scalar] = MappingProxyType(
    {
        "bulk_modulus": Scalar(_ELASTIC, _hill(0)),
        "shear_modulus": Scalar(_ELASTIC, _hill(1)),
        "bulk_modulus_voigt": Scalar(_ELASTIC, lambda tensors: voigt_moduli(tensors)[0]),
        "shear_modulus_voigt": Scalar(_ELASTIC, lambda tensors: voigt_moduli(tensors)[1]),
        "bulk_modulus_reuss": Scalar(_ELASTIC, lambda tensors: reuss_moduli(tensors)[0]),
        "shear_modulus_reuss": Scalar(_ELASTIC, lambda tensors: reuss_moduli(tensors)[1]),
        "dielectric_total": Scalar(_STATIC, _mean_eigenvalue),
        "dielectric_electronic": Scalar(_ELECTRONIC, _mean_eigenvalue),
        "refractive_index": Scalar(_ELECTRONIC, lambda tensors: _mean_eigenvalue(tensors).clamp_min(0).sqrt()),
    }
)
"""Name of a property to how it follows from a tensor."""
