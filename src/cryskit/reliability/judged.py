"""What intervals are given of: the outputs of heads, or of tensors the numbers that follow from them and the size of the whole error.

A component of a tensor has no interval: it would depend on the frame, and would not be zero where symmetry forbids the component. What does not depend on
the frame has: the moduli of a polycrystal, the mean of the principal permittivities, the refractive index, each on a logarithmic scale; and of the
tensor T the relative error in the Frobenius norm, |T - T_predicted| / |T_predicted|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from cryskit.data.tensors import target_row
from cryskit.layers.tensor_outputs import TensorOutputs, scalar
from cryskit.layers.tensor_scalars import SCALARS
from cryskit.tensors.kinds import tensor_kind
from cryskit.tensors.notation import components_to_matrix, voigt_to_mandel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

    from cryskit.layers.heads import PropertyHeads
    from cryskit.types import Crystal, Property

JUDGED = ("bulk_modulus", "shear_modulus", "dielectric_total", "dielectric_electronic", "refractive_index")
"""Numbers that follow from tensors and have intervals whether they are predicted as properties of their own or not."""
_LEAST = 1e-6  # of a norm, so that a tensor that symmetry makes zero has a logarithm


class Judge(Protocol):
    """Q quantities of which a model gives intervals, made of what its heads learn."""

    def quantities(self, learned: Float[Tensor, "crystals learned"]) -> Float[Tensor, "crystals quantities"]:
        """Return the quantities on a scale on which errors are of the size of 1.

        Args:
            learned: What the heads make of an encoding.
        """

    def errors(
        self, learned: Float[Tensor, "crystals learned"], crystals: Sequence[Crystal]
    ) -> tuple[Float[Tensor, "crystals quantities"], Float[Tensor, "crystals quantities"]]:
        """Return the labels of the quantities on that scale, and the sizes of the errors; NaN where there is no label.

        Args:
            learned: What the heads make of an encoding.
            crystals: The crystals, with labels.
        """

    def ends(
        self, learned: Float[Tensor, "crystals learned"], half: Float[Tensor, "crystals quantities"]
    ) -> tuple[Float[Tensor, "crystals quantities"], Float[Tensor, "crystals quantities"]]:
        """Return the lower and upper ends of intervals in the unit of each quantity.

        Args:
            learned: What the heads make of an encoding.
            half: Half the widths of the intervals, on the scale of the quantities.
        """


def judged_names(properties: Sequence[Property]) -> list[str]:
    """Return the names of the quantities that have intervals, in order: the property of each output, or of a model of tensors these and scalars.

    Args:
        properties: Properties of a model, in order.
    """
    tensors = [each.name for each in properties if each.tensor]
    if not tensors:
        return [each.name for each in properties for _ in range(each.outputs)]
    own = {each.name for each in properties}
    return tensors + [
        name for name, found in SCALARS.items() if found.tensor in tensors and (name in JUDGED or name in own)
    ]


def judge_of(heads: PropertyHeads | TensorOutputs) -> Judge:
    """Return what gives the quantities that have intervals.

    Args:
        heads: Heads of a model.
    """
    return _OfTensors(heads) if isinstance(heads, TensorOutputs) else _OfOutputs(heads)


class _OfOutputs:
    """Every output is a quantity, on the standardised scale of the heads; classes have no labels here.

    Args:
        heads: Heads of scalars and classes.
    """

    def __init__(self, heads: PropertyHeads) -> None:
        self._heads = heads

    def quantities(self, learned: Tensor) -> Tensor:
        return learned

    def errors(self, learned: Tensor, crystals: Sequence[Crystal]) -> tuple[Tensor, Tensor]:
        scalars = {each.name: not each.classes for each in self._heads.properties}
        known = [[c.targets.get(n, np.nan) if numeric else np.nan for n, numeric in scalars.items()] for c in crystals]
        targets = torch.tensor(known, dtype=torch.float32, device=self._heads.mean.device)
        repeats = torch.tensor([each.outputs for each in self._heads.properties])
        with torch.no_grad():
            labels = self._heads.standardised(targets).cpu().repeat_interleave(repeats, dim=1)
        return labels, (labels - learned.cpu()).abs()

    def ends(self, learned: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
        return self._heads.physical(learned - half), self._heads.physical(learned + half)


class _OfTensors:
    """The logarithm of the norm of each tensor, whose error is that of the tensor, and the logarithms of scalars.

    Args:
        heads: Heads of tensors.
    """

    def __init__(self, heads: TensorOutputs) -> None:
        self._heads = heads
        self._scalars = judged_names(heads.properties)[len(heads.scales) :]

    def quantities(self, learned: Tensor) -> Tensor:
        return self._logarithms(self._heads.tensors(learned))

    def errors(self, learned: Tensor, crystals: Sequence[Crystal]) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            predicted = {name: found.cpu().double() for name, found in self._heads.tensors(learned).items()}
        truth = {name: self._matrices(name, crystals) for name in predicted}
        unknown = {name: found.isnan().flatten(1).any(1) for name, found in truth.items()}
        filled = {n: torch.where(unknown[n][:, None, None], predicted[n], found) for n, found in truth.items()}
        labels, quantities = self._logarithms(filled), self._logarithms(predicted)
        missing = [*unknown.values(), *(unknown[SCALARS[name].tensor] for name in self._scalars)]
        labels = torch.where(torch.stack(missing, dim=1), torch.nan, labels)
        for column, name in enumerate(self._scalars, len(predicted)):
            own = torch.tensor([crystal.targets.get(name, np.nan) for crystal in crystals]).double()
            own = torch.where(own > 0, own, torch.nan).log()
            labels[:, column] = torch.where(own.isnan(), labels[:, column], own)
        errors = (labels - quantities).abs()
        for column, (name, found) in enumerate(predicted.items()):
            norm = found.flatten(1).norm(dim=1).clamp_min(_LEAST)
            errors[:, column] = (truth[name] - found).flatten(1).norm(dim=1) / norm
        return labels.float(), errors.float()

    def ends(self, learned: Tensor, half: Tensor) -> tuple[Tensor, Tensor]:
        middle, tensors = self.quantities(learned), len(self._heads.scales)
        low, high = (middle - half).exp(), (middle + half).exp()
        low[:, :tensors], high[:, :tensors] = 0.0, half[:, :tensors]
        return low, high

    def _logarithms(self, tensors: dict[str, Tensor]) -> Tensor:
        norms = [found.flatten(1).norm(dim=1).clamp_min(_LEAST) for found in tensors.values()]
        return torch.stack([*norms, *(scalar(name, tensors) for name in self._scalars)], dim=1).log()

    def _matrices(self, name: str, crystals: Sequence[Crystal]) -> Tensor:
        """Return known tensors in Mandel's notation, (B, rows, columns) float64; NaN where there is none."""
        (wanted,) = (each for each in self._heads.properties if each.name == name)
        kind = tensor_kind(wanted.symmetry)
        components = np.array([target_row(crystal, [wanted]) for crystal in crystals])
        return torch.from_numpy(voigt_to_mandel(components_to_matrix(components, kind), kind))
