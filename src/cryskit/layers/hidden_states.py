"""The hidden states of an encoder: the atom vectors behind its layers, read by forward hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cryskit.errors import PlanError

if TYPE_CHECKING:
    from cryskit.protocols import Encoder
    from cryskit.types import Encoding, Graph


def encode_with_hidden_states(encoder: Encoder, graph: Graph, layers: int) -> tuple[Encoding, list[Tensor]]:
    """Encode a graph and return, too, the atom vectors behind each of the last layers.

    Args:
        encoder: The encoder; its layers are the entries of its last `ModuleList`.
        graph: The batch.
        layers: Number of layers, counted from the end; the last gives the atom vectors of the encoding.

    Returns:
        The encoding, and `layers` tensors of atom vectors, (N, width) each, the last layer's last.

    Raises:
        PlanError: The encoder has fewer layers, or one of them gives no atom vectors.
    """
    outputs: list[Any] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output: outputs.append(output))
        for layer in _below_last(encoder, layers)
    ]
    try:
        encoding = encoder(graph)
    finally:
        for hook in hooks:
            hook.remove()
    return encoding, [*(_atom_vectors(output, graph) for output in outputs), encoding.atoms]


def _below_last(encoder: Encoder, layers: int) -> list[nn.Module]:
    """Return the last `layers` layers without the very last."""
    if layers == 1:
        return []
    lists = [child for child in encoder.children() if isinstance(child, nn.ModuleList)]
    found = list(lists[-1]) if lists else []
    if len(found) < layers:
        raise PlanError(f"{layers} layers are to be matched and the encoder has {len(found)}", "Match fewer")
    return found[-layers:-1]


def _atom_vectors(output: Any, graph: Graph) -> Tensor:
    for part in output if isinstance(output, tuple) else (output,):
        if isinstance(part, Tensor) and part.ndim == 2 and part.shape[0] == graph.atoms:
            return part
    raise PlanError("A layer of the encoder gives no atom vectors", "Match one layer only")
