"""A quantity that can be learned and predicted: a number, one of several classes, or a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from cryskit.tensors.kinds import TENSOR_KINDS, TensorKind


@dataclass(frozen=True)
class Property:
    """A quantity that can be learned and predicted.

    Attributes:
        name: Registry name and column name in every table.
        symbol: Symbol as written in the literature.
        unit: Unit of targets and predictions, "" if it has none.
        kind: "scalar" for a number, "class" for one of several classes, "tensor" for a tensor.
        classes: Names of the classes, two or more, in the order of the numbers 0, 1, ... by which targets say them; empty unless
            the kind is "class". Where they are two, the second is the one that is true or has the label 1.
        range: Smallest and largest physical value, in the unit of the property; the audit reports values outside.
        transform: Transform under which the property is learned: "none" or "log10", its decimal logarithm.
        functional: Level of theory of the labels (PBE, OptB88vdW, mBJ, ...); another functional makes another property.
        aliases: Column names that other tools use for the property.
        description: One sentence on the property.
        symmetry: Which tensor it is, one of `tensors.kinds.TENSOR_KINDS` ("elastic", "dielectric", "piezoelectric"); "" unless the kind is
            "tensor".

    Example:
        >>> from cryskit import Property
        >>> hardness = Property("vickers_hardness", symbol="H_V", unit="GPa", range=(0.1, 150.0), transform="log10")
        >>> f"{hardness.symbol} in {hardness.unit}"
        'H_V in GPa'
    """

    name: str
    symbol: str
    unit: str
    kind: Literal["scalar", "class", "tensor"] = "scalar"
    range: tuple[float, float] = (-np.inf, np.inf)
    transform: Literal["none", "log10"] = "none"
    functional: str = ""
    aliases: tuple[str, ...] = ()
    description: str = ""
    classes: tuple[str, ...] = ()
    symmetry: str = ""

    def __post_init__(self) -> None:
        count = len(set(self.classes))
        if count != len(self.classes) or (count < 2 if self.kind == "class" else count > 0):
            raise ValueError(
                f"{self.name} is a {self.kind} and has the classes ({', '.join(map(str, self.classes))}); "
                "a class has two or more of different names, a scalar has none"
            )
        if self.symmetry not in (TENSOR_KINDS if self.kind == "tensor" else ("",)):
            raise ValueError(
                f"{self.name} is a {self.kind} and has the symmetry {self.symmetry!r}; a tensor has one of {', '.join(TENSOR_KINDS)}, "
                "other properties have none"
            )

    @property
    def tensor(self) -> TensorKind | None:
        """The kind of tensor that it is, or None if it is none."""
        return TENSOR_KINDS.get(self.symmetry)

    @property
    def outputs(self) -> int:
        """Number of outputs of a network for it: one, one per class where there are more than two, or one per component."""
        if self.tensor:
            return len(self.tensor.components)
        return len(self.classes) if len(self.classes) > 2 else 1

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of its values in tables: its name, or for a tensor one per component, `<name>_c11` and so on."""
        return (
            tuple(f"{self.name}_{component}" for component in self.tensor.components) if self.tensor else (self.name,)
        )
