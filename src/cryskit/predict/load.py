"""From a model file to a predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from cryskit.errors import ModelError
from cryskit.predict.network import BROKEN, matching_card
from cryskit.predict.predictor import Predictor
from cryskit.predict.published import path_of
from cryskit.predict.readout import BATCH_EDGES

if TYPE_CHECKING:
    from pathlib import Path


def load(model: str | Path, cache: Path | None = None, *, batch_edges: int = BATCH_EDGES) -> Predictor:
    """Load a published model by name, or a model file.

    Args:
        model: A name that `models()` lists, or the path of a `.safetensors` file.
        cache: Folder where the vectors of descriptions are kept, for a model that reads them; None keeps none.
        batch_edges: Edges that are computed at a time; more need more memory.

    Returns:
        The predictor, on the CPU; `.to(device)` moves it.

    Raises:
        ModelError: The file is missing, damaged, or no model of cryskit.
        UnknownNameError: It is neither a published name nor a file.

    Example:
        >>> import cryskit
        >>> predictor = cryskit.load("cryskit-mp")
        >>> predictor.units["band_gap"]
        'eV'
    """
    path = path_of(model)
    card = matching_card(path)
    try:
        predictor = Predictor.from_card(card, cache, batch_edges=batch_edges)
        with safe_open(path, framework="pt") as file:
            predictor.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, *BROKEN) as error:
        raise ModelError(f"The tensors in {path} do not fit its card ({error})", "Get the file again") from error
    return predictor
