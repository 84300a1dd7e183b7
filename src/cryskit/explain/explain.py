"""Explain the predictions of a model, loaded or named, for whatever `cryskit.read` takes: `cryskit.explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryskit.data.read import read
from cryskit.data.validate import LIMIT
from cryskit.explain.atoms import Explainer
from cryskit.explain.shown import Explanations
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor

if TYPE_CHECKING:
    from pathlib import Path


def explain(
    model: str | Path | Predictor,
    structures: Any,
    property: str | None = None,  # noqa: A002 - it is the word for what is explained
    *,
    limit: int = LIMIT,
) -> Explanations:
    """Explain predictions by what each atom and each element feature contributes.

    Args:
        model: A predictor, a published name, or a model file.
        structures: Whatever `cryskit.read` takes.
        property: Name or alias of the property to explain; the first of the model by default.
        limit: Number of atoms that a cell may have.

    Returns:
        A list of one explanation per structure, in order, which a notebook shows as bars and structures: `contributions` of atoms that add up to the prediction, `elements`, `blocks`. In place of one that
        failed stands its prediction, with the reason.

    Raises:
        DataError: The source cannot be read.
        ModelError: The model was pre-trained only, or has no input layer whose features can be named.
        UnknownNameError: There is no such model, or it has no such property.

    Example:
        >>> import cryskit
        >>> (found,) = cryskit.explain("cryskit-mp", "examples/NaCl.cif", "band_gap")
        >>> sorted(found.elements)
        ['Cl', 'Na']
    """
    predictor = model if isinstance(model, Predictor) else load(model)
    return Explanations(Explainer(predictor, property).stream(read(structures, limit=limit)))
