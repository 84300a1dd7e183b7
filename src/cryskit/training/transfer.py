"""Move the weights of a trained encoder into a new one, report every tensor, and freeze or slow down what was moved.

Tensors are named as in a model file: "encoder.inputs.linear.weight". The levels of an encoder are counted from its input:
level 0 is what its class registers before its first list of layers, then each layer of the list, then what follows it. The
levels of an encoder within an encoder count as such a list.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from cryskit.errors import ModelError, PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from cryskit.protocols import Encoder, Module
    from cryskit.training.plan import Parts

_PREFIX = "encoder."


@dataclass(frozen=True)
class Transfer:
    """What became of every tensor.

    Attributes:
        moved: Names of the tensors that the encoder took from the file.
        reinitialised: Names of the other tensors of the encoder, each with the reason.
        left: Names of the other tensors of the file, each with the reason.
    """

    moved: tuple[str, ...]
    reinitialised: dict[str, str]
    left: dict[str, str]

    @property
    def counts(self) -> dict[str, int]:
        """How many tensors were moved, reinitialised and left."""
        return {name: len(names) for name, names in asdict(self).items()}

    def to_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self) | {"moved": list(self.moved)}


def transfer(encoder: Encoder, tensors: Mapping[str, Tensor], parts: Parts = "encoder") -> Transfer:
    """Copy the tensors that fit into an encoder, statistics of batch norms included.

    Args:
        encoder: The encoder, which is changed in place.
        tensors: Tensors of a model file by name; those of its encoder are named "encoder....".
        parts: "encoder" and "model" move all of it; "convolutions" leaves the embedding of the elements (`inputs`) as it is, like the
            published CrysXPP (doi 10.1038/s41524-022-00716-8).

    Returns:
        What became of each tensor.

    Raises:
        ModelError: Not one parameter fits.
    """
    state = {f"{_PREFIX}{name}": tensor for name, tensor in encoder.state_dict().items()}
    dropped = {name for name in state if parts == "convolutions" and name.startswith(_inputs(encoder))}
    misfits = {name: _misfit(name, state, tensors) for name in state.keys() | tensors.keys()}
    misfits |= dict.fromkeys(dropped, "only the convolutions were asked for")
    moved = tuple(name for name in state if not misfits[name])
    if not {f"{_PREFIX}{name}" for name, _ in encoder.named_parameters()} & set(moved):
        raise ModelError(
            f"Nothing in the file fits the encoder ({next(iter(misfits.values()), 'it is empty')})",
            "Give the encoder the name and arguments of the file's, or start from another file",
        )
    with torch.no_grad():
        for name in moved:
            state[name].copy_(tensors[name])
    new, left = ({name: misfits[name] for name in names if misfits[name]} for names in (state, tensors))
    return Transfer(moved, new, left)


def levels(encoder: Module) -> dict[str, int]:
    """Return the level of each tensor of an encoder, 0 for its input.

    Args:
        encoder: An encoder; its lists of layers (`ModuleList`) and what stands before, between and after them give the levels.
    """
    return {f"{_PREFIX}{name}": level for name, level in _levels(encoder).items()}


def _levels(encoder: Module) -> dict[str, int]:
    start_of: dict[str, int] = {}
    level, below_is_list = 0, False
    for name, child in encoder.named_children():
        inside = _encoders(name, child)
        if inside:
            within = {f"{at}{tensor}": below for at, one in inside.items() for tensor, below in _levels(one).items()}
            start_of |= {tensor: level + below for tensor, below in within.items()}
            level += max(within.values())
        elif isinstance(child, nn.ModuleList):
            start_of |= {f"{name}.{index}.": level + 1 + index for index in range(len(child))}
            level += len(child)
        else:
            level += below_is_list
            start_of[f"{name}."] = level
        below_is_list = isinstance(child, nn.ModuleList) or bool(inside)
    return {
        name: next((at for start, at in start_of.items() if name.startswith(start)), 0) for name in encoder.state_dict()
    }


def _encoders(name: str, child: nn.Module) -> dict[str, nn.Module]:
    """Return the encoders that a part of an encoder is made of, which stand at one level; by the beginning of their names."""
    listed: list[nn.Module] = list(child) if isinstance(child, nn.ModuleList) else []
    found = {f"{name}.": child} | {f"{name}.{index}.": each for index, each in enumerate(listed)}
    return {start: each for start, each in found.items() if hasattr(each, "needs")}


def _inputs(encoder: Encoder) -> str:
    """Return how the names of the tensors begin that embed the elements, wherever in the encoder they are."""
    names = (name for name, module in encoder.named_modules() if module is encoder.inputs)
    return f"{_PREFIX}{next(names, 'inputs')}."


def freeze(encoder: Module, count: int, report: Transfer) -> None:
    """Exclude what was moved into the lowest levels from training; `fit` then keeps its batch norms as they are, too.

    Args:
        encoder: The encoder, which is changed in place.
        count: Number of levels, from the input upwards.
        report: Report of the transfer; what was not moved is trained in any case.

    Raises:
        PlanError: The encoder has fewer levels.
    """
    level = levels(encoder)
    there_are = max(level.values()) + 1
    if count > there_are:
        raise PlanError(f"{count} levels are to be frozen and the encoder has {there_are}", "Freeze fewer")
    for name, parameter in encoder.named_parameters():
        if f"{_PREFIX}{name}" in report.moved and level[f"{_PREFIX}{name}"] < count:
            parameter.requires_grad = False


def rates(encoder: Module, decay: float, report: Transfer) -> dict[str, float]:
    """Return what the learning rate of each moved parameter is multiplied with: decay^(levels above it).

    Args:
        encoder: The heads count as one level above it; they, and what was not moved, have the full rate.
        decay: Factor on the rate for every level above, above 0 and at most 1.
        report: Report of the transfer.
    """
    level = levels(encoder)
    top = max(level.values()) + 1
    names = [f"{_PREFIX}{name}" for name, _ in encoder.named_parameters()]
    return {name: decay ** (top - level[name]) for name in names if name in report.moved}


def _misfit(name: str, state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> str:
    """Return why a tensor cannot be moved, or ""."""
    if not name.startswith(_PREFIX):
        return "it belongs to no encoder"
    if name not in tensors:
        return "the file has no such tensor"
    if name not in state:
        return "the new encoder has no such tensor"
    here, there = tuple(state[name].shape), tuple(tensors[name].shape)
    return "" if here == there else f"{name} is {there} in the file and {here} in the new encoder"
