"""Checkpoints of a run as safetensors and JSON: nothing that can carry code, and never half a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from safetensors import SafetensorError, safe_open

from cryskit.errors import ModelError
from cryskit.weights import save_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping

LAST, BEST, SUFFIX = "last", "best", ".safetensors"
"""Stems of the checkpoints in the folder of a run, of the last and the best epoch, and the ending of their names."""

_TREE = "tree"


class SafetensorsIO(CheckpointIO):
    """Lets Lightning keep the state of a run (weights, optimiser, loops, callbacks) in one safetensors file."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a nested state atomically."""
        del storage_options
        tensors: dict[str, torch.Tensor] = {}
        tree = _pack(checkpoint, tensors)
        save_tensors(tensors, {_TREE: json.dumps(tree)}, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: Any = None) -> dict[str, Any]:
        """Read a nested state.

        Raises:
            ModelError: The file is no checkpoint.
        """
        del map_location, weights_only
        try:
            with safe_open(path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
                state = _unpack(json.loads(file.metadata()[_TREE]), tensors)
            state = dict(state)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise ModelError(
                f"{path} is no checkpoint of a run ({error})", "Delete it to start the run anew"
            ) from error
        return state

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a checkpoint."""
        Path(path).unlink(missing_ok=True)


def _pack(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Turn a nested state into JSON, moving its tensors into `tensors`."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_pack(k, tensors), _pack(v, tensors)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_pack(v, tensors) for v in value]}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ModelError(f"A checkpoint holds a {type(value).__name__}", "Keep only tensors and plain values in callbacks")


def _unpack(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_unpack(k, tensors): _unpack(v, tensors) for k, v in content}
    items = [_unpack(v, tensors) for v in content]
    return tuple(items) if kind == "tuple" else items
