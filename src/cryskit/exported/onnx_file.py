"""Exported networks as ONNX files, for onnxruntime and whatever else reads ONNX. A file holds numbers and operators, no code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from cryskit.errors import ModelError
from cryskit.exported.facts import KEY
from cryskit.exported.network import LAYOUT, OUTPUTS
from cryskit.exported.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor
    from torch.export import ExportedProgram

_EXTRA = "pip install 'cryskit[onnx]'"


def save(program: ExportedProgram, facts: str, path: Path) -> None:
    """Write an exported program.

    Args:
        program: The program.
        facts: The facts of the file, as JSON.
        path: The file to write.

    Raises:
        ModelError: onnx or onnxscript is not installed, or this torch cannot translate the network.
    """
    try:
        import onnxscript  # noqa: F401, PLC0415 - torch needs it
    except ImportError as error:
        raise ModelError("Exports to ONNX need onnx and onnxscript", _EXTRA) from error
    try:
        with quiet():
            found: Any = torch.onnx.export(program, dynamo=True, output_names=list(OUTPUTS), verbose=False)
    except (RuntimeError, TypeError) as error:
        raise ModelError(
            f"torch {torch.__version__} cannot translate the network to ONNX ({str(error)[:200]})",
            "Upgrade torch (2.13 was tried), or export with --format pt2",
        ) from error
    for node in found.model.graph.all_nodes():  # where in which file of this computer each operation comes from
        node.metadata_props.clear()
        node.doc_string = None
    found.model.metadata_props[KEY] = facts
    path.write_bytes(found.model_proto.SerializeToString())


def load(path: Path) -> tuple[str, Callable[[Mapping[str, Tensor]], Tensor]]:
    """Return the facts of an ONNX file and its network.

    Args:
        path: The file.

    Raises:
        ModelError: onnxruntime is not installed, or cannot read the file.
    """
    try:
        import onnxruntime  # noqa: PLC0415 - only who runs ONNX waits for it
    except ImportError as error:
        raise ModelError("ONNX files need onnxruntime", _EXTRA) from error
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror})", "Check the path") from error
    own = vars(onnxruntime.capi.onnxruntime_pybind11_state).values()
    failures: tuple[type[Exception], ...] = (
        *(each for each in own if isinstance(each, type) and issubclass(each, Exception)),
        RuntimeError,
        ValueError,
    )
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except failures as error:
        raise ModelError(f"onnxruntime cannot read {path} ({str(error)[:200]})", "Export the model again") from error
    names = [name for name in LAYOUT if name in {each.name for each in session.get_inputs()}]

    def run(arrays: Mapping[str, Tensor]) -> Tensor:
        given = {name: arrays[name].numpy() for name in names}
        return torch.from_numpy(session.run(list(OUTPUTS[:1]), given)[0])

    return session.get_modelmeta().custom_metadata_map.get(KEY, ""), run
