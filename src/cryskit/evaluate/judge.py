"""Judge a model, loaded or named, on whatever `cryskit.read` takes: `cryskit.evaluate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryskit.data.read import read
from cryskit.data.validate import LIMIT
from cryskit.evaluate.evaluate import evaluate
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.predict.published import path_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.evaluate.evaluate import Evaluation


def judge(
    model: str | Path | Predictor,
    structures: Any,
    properties: str | Sequence[str] | None = None,
    *,
    limit: int = LIMIT,
) -> Evaluation:
    """Compare the predictions of a model with known properties.

    Args:
        model: A predictor, a published name, or a model file.
        structures: Whatever `cryskit.read` takes, with labels: crystals, a file, a folder, a frame, the name of a bundled data set.
        properties: Names or aliases to evaluate, one or many, each of which needs labels; by default all that have them.
        limit: Number of atoms that a cell may have.

    Returns:
        Figures of merit by property in `metrics`, and the `table` of predictions and labels.

    Raises:
        DataError: There are no labels, or the source cannot be read.
        ModelError: The model file is damaged, or the model was pre-trained only.
        UnknownNameError: There is no such model, or it does not predict one of the properties.

    Example:
        >>> import cryskit
        >>> from itertools import islice
        >>> found = cryskit.evaluate("cryskit-mp", islice(cryskit.read("elastic_tensor"), 20), "bulk_modulus")
        >>> sorted(found.metrics["bulk_modulus"])[:3]
        ['mad', 'mad_log10', 'mae']
    """
    if isinstance(model, Predictor):
        return evaluate(model, read(structures, limit=limit), properties)
    return evaluate(load(model), read(structures, limit=limit), properties, digest=digest(path_of(model)))
