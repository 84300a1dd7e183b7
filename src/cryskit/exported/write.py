"""From a model to a pt2 or ONNX file."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cryskit.atomic_write import replacing
from cryskit.errors import ModelError, UnknownNameError
from cryskit.exported import onnx_file, pt2_file
from cryskit.exported.facts import TOLERANCE, Facts, deviation
from cryskit.exported.network import LAYOUT, Network, inputs_of
from cryskit.exported.quiet import quiet
from cryskit.graphs.build import build
from cryskit.predict.card import refuse_tensors
from cryskit.predict.load import load
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor
    from torch.export import ExportedProgram

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Graph

FORMATS = {"pt2": pt2_file, "onnx": onnx_file}
"""Names of formats, which are the ends of file names, to the modules that read and write them."""

_STANDS_ON = ("cryskit", "torch", "numpy", "moyopy")
_DESCRIPTION = (
    "Si is diamond structured and crystallizes in the cubic Fd-3m space group.\n"
    "Si is bonded to four equivalent Si atoms to form corner-sharing SiSi4 tetrahedra."
)
_ENCODERS = ("steinhardt", "cgcnn", "fused")
_JOINING = "levels"  # an encoder made of several, as `cryskit fit` writes it
_NOT_EXPORTED = ("reliability", "calibration")


def export(model: str | Path | Predictor, out: str | Path, format: str = "") -> Path:  # noqa: A002 - it is the name of the option
    """Write the network of a model as one file, which `exported.load` or another program runs.

    Args:
        model: A published model, a model file, or a predictor.
        out: The file to write.
        format: "pt2" or "onnx"; the end of the file's name by default.

    Returns:
        The path of the file.

    Raises:
        ModelError: The model predicts nothing, its network cannot be exported, or torch is too old or what it needs is missing.
        UnknownNameError: There is no such format.
    """
    path = Path(out)
    kind = format or path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise UnknownNameError("format of exported models", kind, FORMATS)
    predictor = load(model) if isinstance(model, str | Path) else model
    predictor.require_heads()
    refuse_tensors(predictor.card, "be exported")
    _require_exportable(predictor.card.encoder)
    golden = golden_graph(predictor)
    inputs, network = inputs_of(golden), Network(predictor).eval()
    expected = predictor.values(golden)
    with torch.no_grad():
        plain, _ = network(**inputs)
    off = deviation(plain.numpy(), expected)
    if off > TOLERANCE:
        raise ModelError(f"The exported part gives other numbers than the model, by {off:.1g}", "Report it, please")
    program = exported_program(network, inputs)
    facts = _facts(predictor, inputs, expected)
    with replacing(path) as temporary:
        FORMATS[kind].save(program, facts.model_dump_json(), temporary)
    return path


def _require_exportable(encoder: Mapping[str, Any]) -> None:
    """Refuse an encoder that cannot be traced, or whose input is no crystal.

    Args:
        encoder: Registry name and arguments of the encoder.
    """
    joined = encoder["name"] == _JOINING
    members = encoder["members"] if joined else [{"encoder": encoder}]
    if any("outside" in member for member in members):
        raise ModelError(
            "The model reads vectors that another program made of its crystals, so a file cannot predict crystals",
            "Fit a model without --vectors",
        )
    for name in (member["encoder"]["name"] for member in members if "encoder" in member):
        if name not in _ENCODERS:
            raise ModelError(
                f"Networks of the kind {name} cannot be exported yet",
                f"Export a model whose encoder is {', '.join(_ENCODERS)}",
            )


def exported_program(network: Network, inputs: Mapping[str, Tensor]) -> ExportedProgram:
    """Return a network as `torch.export` traces it, for any number of nodes, edges and crystals.

    Args:
        network: The network.
        inputs: Arrays of a batch; no two sizes that may differ are equal.

    Raises:
        ModelError: This torch cannot trace it.
    """
    sizes = {axis: torch.export.Dim(axis) for axis in sorted({LAYOUT[name].axis for name in inputs})}
    shapes = {name: {0: sizes[LAYOUT[name].axis]} for name in inputs}
    try:
        with torch.no_grad(), quiet():
            return torch.export.export(network, (), dict(inputs), dynamic_shapes=shapes, strict=False)
    except (RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"torch {torch.__version__} cannot export the network ({str(error)[:300]})",
            "Upgrade torch (2.13 was tried)",
        ) from error


def golden_graph(predictor: Predictor) -> Graph:
    """Return the batch whose inputs and predictions are kept in the file: silicon, rock salt and a perovskite.

    Args:
        predictor: The model.
    """
    half = 0.5
    fcc = np.array([[0, half, half], [half, 0, half], [half, half, 0]])
    perovskite = [[0, 0, 0], [half, half, half], [half, half, 0], [half, 0, half], [0, half, half]]
    cells: list[tuple[Any, ...]] = [
        ("Si", fcc * 5.43, [[0, 0, 0], [0.25, 0.25, 0.25]], [14, 14], _DESCRIPTION),
        ("NaCl", fcc * 5.64, [[0, 0, 0], [half, half, half]], [11, 17], None),
        ("SrTiO3", np.diag([3.9, 3.9, 4.0]), perovskite, [38, 22, 8, 8, 8], _DESCRIPTION.splitlines()[1]),
    ]
    crystals = [Crystal(*cell) for cell in cells]
    graph = build(crystals, predictor.card.spec)
    return predictor.text_input.attach(graph, crystals) if predictor.text_input else graph


def _facts(predictor: Predictor, inputs: Mapping[str, Tensor], expected: np.ndarray) -> Facts:
    """Return what the file says besides its network."""
    card: dict[str, Any] = json.loads(predictor.card.to_json())
    return Facts(
        card={name: value for name, value in card.items() if name not in _NOT_EXPORTED},
        inputs={name: array.tolist() for name, array in inputs.items()},
        predictions=expected.tolist(),
        versions={package: version(package) for package in _STANDS_ON},
    )
