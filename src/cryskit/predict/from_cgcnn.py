"""Published weights of CGCNN as predictors of cryskit (doi 10.1103/PhysRevLett.120.145301).

The program of that paper saves its networks as pickles, which can run code when they are opened. None is opened here: the tensors
come from a safetensors file, or from a state dictionary that the caller has read.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from cryskit.errors import ModelError
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.types import GraphSpec, Property

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

MEAN, DEVIATION = "normalizer.mean", "normalizer.std"
"""Tensors of a safetensors file that hold the mean and the standard deviation of the published targets."""

_SAFELY = (
    "Save its tensors as safetensors: checkpoint = torch.load(FILE, weights_only=True); "
    "safetensors.torch.save_file(checkpoint['state_dict'], 'cgcnn.safetensors')"
)
_TABLE = "Give the atom_init.json of the published program: atomic number to a list of zeros and ones"
_CURE = "Give the state of the published CrystalGraphConvNet for regression, and its element table if it has another"
_HEADS = {"conv_to_fc.weight": "hidden.weight", "conv_to_fc.bias": "hidden.bias", "fc_out.bias": "bias"}
_INPUTS = {"embedding.weight": "inputs.linear.weight", "embedding.bias": "inputs.linear.bias"}
_BITS = "encoder.inputs.bits"
_NORMS = {"bn1": "edge_norm", "bn2": "atom_norm"}


class PublishedState(NamedTuple):
    """The tensors of a published network.

    Attributes:
        state: Its state dictionary.
        mean: Mean of the targets it was trained on, None if the file does not say.
        deviation: Standard deviation of these targets, None if the file does not say.
    """

    state: dict[str, Tensor]
    mean: float | None
    deviation: float | None


def read_published_state(path: Path) -> PublishedState:
    """Read the tensors of a published network; no part of the file is executed.

    Args:
        path: A safetensors file with the state dictionary, and with the tensors `normalizer.mean` and `normalizer.std` if the
            targets were normalised.

    Raises:
        ModelError: It is no safetensors file. A pickle (`.pth.tar`) is refused, since opening one can run code.
    """
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is no safetensors file ({error}); pickles are not opened", _SAFELY) from error
    mean, deviation = (float(state.pop(name)) if name in state else None for name in (MEAN, DEVIATION))
    return PublishedState(state, mean, deviation)


def read_element_table(path: Path) -> Tensor:
    """Read the features of the elements as the published program keeps them.

    Args:
        path: A JSON file, atomic number to a list of zeros and ones, as its `atom_init.json`.

    Returns:
        (Z, features) float32, row Z the features of the element of atomic number Z, row 0 unused.

    Raises:
        ModelError: It is no such file.
    """
    try:
        rows = {int(number): row for number, row in json.loads(path.read_text(encoding="utf-8")).items()}
        table = torch.zeros(max(rows) + 1, len(rows[1]))
        for number, row in rows.items():
            table[number] = torch.tensor(row, dtype=torch.float32)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        raise ModelError(f"{path} is no table of element features ({error})", _TABLE) from error
    return table


def from_published_cgcnn(
    state: Mapping[str, Tensor],
    wanted: Property,
    mean: float,
    deviation: float,
    *,
    table: Tensor | None = None,
    spec: GraphSpec | None = None,
) -> Predictor:
    """Make a predictor that computes the same function as the published CGCNN (doi 10.1103/PhysRevLett.120.145301).

    Args:
        state: State dictionary of the network: embedding, convs.N (fc_full, bn1, bn2), conv_to_fc, fcs.N, fc_out.
        wanted: Property it predicts; if this is learned as a logarithm, so were the published targets.
        mean: Mean of the targets it was trained on, 0 if they were not normalised.
        deviation: Standard deviation of these targets, 1 if they were not normalised.
        table: (Z, features) zeros and ones, row Z the features of the element of atomic number Z (the rows of its
            atom_init.json, row 0 unused); cryskit's own element features by default.
        spec: Graph it is evaluated on; by default the published one, a plain cut at 12 neighbours within 8 angstrom in the full
            cell. Whole shells make its predictions independent of the choice of cell, symmetry reduction makes them fast.

    Returns:
        It predicts, embeds and is saved like any other.

    Raises:
        ModelError: The state is not that of such a network.
    """
    chosen = spec or GraphSpec(neighbours="nearest", shells=False, reduce=False)
    try:
        predictor = Predictor.from_card(_card(state, wanted, chosen))
        fresh = predictor.state_dict()
        scale = {"heads.mean": torch.tensor([mean]), "heads.deviation": torch.tensor([deviation])}
        bits = {_BITS: fresh[_BITS] if table is None else table[: len(fresh[_BITS])].to(fresh[_BITS].dtype)}
        predictor.load_state_dict(_translated(state) | scale | bits)
    except (KeyError, RuntimeError, ValueError) as error:
        raise ModelError(f"This is no state of the published CGCNN ({error})", _CURE) from error
    return predictor


def _card(state: Mapping[str, Tensor], wanted: Property, spec: GraphSpec) -> Card:
    hidden, width = state["conv_to_fc.weight"].shape
    return Card(
        name="published-cgcnn",
        description=f"{wanted.name} by published weights of CGCNN.",
        encoder={
            "name": "cgcnn",
            "width": width,
            "layers": _count(state, "convs"),
            "radius": spec.radius,
            "count": spec.count,
            "neighbours": spec.neighbours,
        },
        heads={
            "hidden": hidden,
            "depth": 1 + _count(state, "fcs"),
            "activation": "softplus",
            "activate_input": True,
        },
        spec=spec,
        properties=[wanted],
        citation=["doi 10.1103/PhysRevLett.120.145301"],
    )


def _count(state: Mapping[str, Tensor], modules: str) -> int:
    """Return how many numbered modules of this name there are."""
    return len({name.split(".")[1] for name in state if name.startswith(f"{modules}.")})


def _translated(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    translated: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in _INPUTS:
            translated[f"encoder.{_INPUTS[name]}"] = value
        elif name in _HEADS:
            translated[f"heads.{_HEADS[name]}"] = value
        elif name == "fc_out.weight":
            translated["heads.last"] = value
        elif found := re.fullmatch(r"fcs\.(\d+)\.(weight|bias)", name):
            translated[f"heads.deeper.{found[1]}.{found[2]}"] = value[None]
        elif found := re.fullmatch(r"convs\.(\d+)\.(fc_full|bn1|bn2)\.(\w+)", name):
            translated |= _convolution(f"encoder.convolutions.{found[1]}", found[2], found[3], value)
        else:
            raise KeyError(name)
    return translated


def _convolution(prefix: str, module: str, parameter: str, value: Tensor) -> dict[str, Tensor]:
    """Return the parts of one tensor of a convolution; its matrix acts on [centre, neighbour, bond]."""
    if module in _NORMS:
        return {f"{prefix}.{_NORMS[module]}.{parameter}": value}
    if parameter == "bias":
        return {f"{prefix}.bias": value}
    width = len(value) // 2
    centre, neighbour, bond = value.split([width, width, value.shape[1] - 2 * width], dim=1)
    return {f"{prefix}.centre": centre, f"{prefix}.neighbour": neighbour, f"{prefix}.bond": bond}
