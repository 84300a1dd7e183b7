"""The network that the card of a model describes, and whether the tensors in the file are those of it.

A file says twice how large its network is: in the arguments on its card and in its tensors. Before anything is built, the
arguments have to be those of the registry, of the right types, and no larger than the file; then the network is sketched: made of
tensors that nobody fills, and only as long as they are no larger than the file. Its tensors have to be those that the head of
the file lists. So a file that contradicts itself costs neither time nor memory.
"""

from __future__ import annotations

import inspect
from dataclasses import fields, replace
from math import prod
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.overrides import TorchFunctionMode

from cryskit import arguments
from cryskit.errors import ModelError, PlanError, UnknownNameError
from cryskit.predict.card import read_card
from cryskit.registry import ENCODERS, Registry
from cryskit.reliability.judged import judged_names
from cryskit.reliability.reliability import Reliability
from cryskit.types import GraphSpec

if TYPE_CHECKING:
    from pathlib import Path

    from cryskit.layers.heads import PropertyHeads
    from cryskit.predict.card import Card
    from cryskit.protocols import Encoder

RADIUS, COUNT = 50.0, 1000
"""Largest distance of a neighbour, in angstrom, and largest number of neighbours of an atom in the graph of a model file."""

BROKEN = (ArithmeticError, AttributeError, LookupError, RecursionError, RuntimeError, TypeError, ValueError)
"""What building a network raises where its arguments do not go together."""

_AGAIN = "Get the file again, from somebody whom you trust"
_LEAST = 4_000_000  # numbers that a network may hold besides its tensors, such as grids of distances
_CALLS = 300  # of torch's functions for each tensor of a network, amply
_DEFAULT = "perceptrons"  # the kind of heads where a card names none
_FILLED = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
_FREE = ("shells", "reduce")  # fields of a graph that nothing in an encoder of directed edges depends on
_ADDED = ("symmetry", "origins", "point_group")  # fields that a graph may have in addition


HEADS = Registry(
    "kind of heads",
    {
        _DEFAULT: "cryskit.layers.heads:PropertyHeads",
        "regressors": "cryskit.layers.regressors:RegressorHeads",
        "logistic": "cryskit.layers.logistic:LogisticHeads",
        "tensors": "cryskit.layers.tensor_heads:TensorHeads",
        "components": "cryskit.layers.tensor_controls:ComponentHeads",
        "isotropic": "cryskit.layers.tensor_controls:IsotropicHeads",
    },
)
"""Kinds of heads by the "name" that a card gives its heads."""


class Network(NamedTuple):
    """The parts of a model whose tensors are in its file.

    Attributes:
        encoder: The encoder.
        heads: The heads, one per property; None if the model was trained without labels.
        reliability: What the model knows of its own errors; None if it was not calibrated.
    """

    encoder: Encoder
    heads: PropertyHeads | None
    reliability: Reliability | None


def build_network(card: Card) -> Network:
    """Return the parts that a card describes, with fresh weights; no heads if it names no properties.

    Args:
        card: Card of a model.

    Raises:
        PlanError: An argument has the wrong type or cannot be.
        UnknownNameError: There is no such encoder or no such argument.
    """
    settings = dict(card.heads)
    kind = HEADS[str(settings.pop("name", _DEFAULT))]
    known = inspect.signature(kind).parameters.keys() - {"width", "properties"}
    for name in settings:
        if name not in known:
            raise UnknownNameError("argument of the heads", name, known)
    arguments.check("the heads", kind, settings)
    encoder = ENCODERS.build(card.encoder)
    if not card.properties:
        return Network(encoder, None, None)
    heads = kind(encoder.width, card.properties, **settings)
    quantities = len(judged_names(card.properties))
    return Network(encoder, heads, Reliability(quantities, **card.reliability) if card.reliability else None)


def matching_card(path: Path) -> Card:
    """Return the card of a model file, of whose network the tensors in the file are; nothing is built.

    Args:
        path: The model file.

    Raises:
        ModelError: It is no model file, or the graph is not the one that the encoder needs, an argument has the wrong type or is
            larger than the file, or a tensor is missing, left over, or of another shape.
        UnknownNameError: The card names an encoder or an argument that there is not.
    """
    card, shapes = read_card(path), _shapes(path)
    numbers = max(sum(map(prod, shapes.values())), _LEAST)
    try:
        _require_graph(path, card)
        said = {"encoder": card.encoder, "heads": card.heads, "reliability": card.reliability}
        _require_bounded(path, said, numbers)
        sketched = _sketch(card, 4 * numbers, _CALLS * (len(shapes) + 10))
    except (ModelError, UnknownNameError):
        raise
    except PlanError as error:
        raise _misfit(path, error.problem) from error
    except BROKEN as error:
        raise _misfit(path, repr(error)[:200]) from error
    for name in [*sketched, *shapes]:
        here, there = sketched.get(name), shapes.get(name)
        if here != there:
            wanted, found = ("none" if shape is None else list(shape) for shape in (here, there))
            raise _misfit(path, f"{name} should have the shape {wanted} and has {found}")
    return card


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors in a file, by name; only its head is read."""
    try:
        with safe_open(path, framework="numpy") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _misfit(path, str(error)) from error


def _require_graph(path: Path, card: Card) -> None:
    """Refuse a graph that is not the one that the encoder needs, or that nobody could build."""
    needed = ENCODERS.needs(card.encoder)
    free = {name: getattr(card.spec, name) for name in _FREE if not needed.undirected}
    added = {name: getattr(card.spec, name) or getattr(needed, name) for name in _ADDED}
    wanted = replace(needed, **free, **added)
    for field in fields(GraphSpec):
        found, expected = getattr(card.spec, field.name), getattr(wanted, field.name)
        if found != expected:
            raise _misfit(path, f"the graph has {field.name} {found!r}, and the encoder needs {expected!r}")
    if not (0 < card.spec.radius <= RADIUS and 1 <= card.spec.count <= COUNT):
        raise _misfit(path, f"the graph has neighbours up to {card.spec.radius} angstrom and {card.spec.count} of them")


def _require_bounded(path: Path, value: Any, largest: int, place: str = "") -> None:
    """Refuse a number that is no finite one, or larger than all numbers of a file together."""
    if isinstance(value, dict | list):
        for name, each in value.items() if isinstance(value, dict) else enumerate(value):
            _require_bounded(path, each, largest, f"{place}.{name}" if place else str(name))
    elif isinstance(value, int | float) and not -largest <= value <= largest:
        raise _misfit(path, f"{place} is {shortened(value)}, and the file holds {largest} numbers or fewer")


def _sketch(card: Card, numbers: int, calls: int) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors of the network of a card, by name as in a file, without memory for the network.

    Args:
        card: The card.
        numbers: Largest number of elements of all new tensors together.
        calls: Largest number of functions of torch that are called.
    """
    with _Sketching(numbers, calls):
        network = build_network(card)._asdict()
    return {
        f"{part}.{name}": tuple(tensor.shape)
        for part, module in network.items()
        if module is not None
        for name, tensor in module.state_dict().items()
    }


class _Sketching(TorchFunctionMode):
    """A context in which new tensors are not filled, so that they take no memory, and in which it is an error to make too many.

    Args:
        numbers: Largest number of elements of all new tensors together.
        calls: Largest number of functions of torch that are called.
    """

    def __init__(self, numbers: int, calls: int) -> None:
        super().__init__()
        self._numbers, self._calls = numbers, calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function of torch, unless it fills a tensor.

        Raises:
            ValueError: There are too many calls, or too many elements.
        """
        named = kwargs or {}
        self._calls -= 1
        if func in _FILLED:
            made = torch.empty(*args, **named)
            self._numbers -= made.numel()
        elif getattr(func, "__module__", "") == nn.init.__name__ and func.__name__.endswith("_"):
            made = args[0] if args else named["tensor"]
        else:
            made = func(*args, **named)
        if self._numbers < 0 or self._calls < 0:
            raise ValueError("the network is much larger than the file")
        return made


def _misfit(path: Path, problem: str) -> ModelError:
    return ModelError(f"The tensors in {path} do not fit its card ({problem})", _AGAIN)
