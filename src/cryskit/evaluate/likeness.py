"""How like the crystals that judge a model are to those that trained it, by the record that the model carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Failure

TRAINED, SAME_FORMULA, NEW_FORMULA = "trained the model", "another cell of a formula that did", "new formula"
"""Kinds of crystals: of which id and formula or formula and volume per atom are those of a training crystal, of which only the
formula is, and of which nothing is."""


def likeness(predictor: Predictor, items: Sequence[Crystal | Failure]) -> dict[str, Bool[np.ndarray, " rows"]]:
    """Return which rows are crystals of each kind.

    Args:
        predictor: The model.
        items: Crystals and failures; a failure is of no kind.

    Returns:
        Kind to one boolean for each row, for the kinds of which there is any; empty if the model carries no record of its training.
    """
    record = predictor.reliability.record if predictor.reliability is not None else None
    rows = [row for row, item in enumerate(items) if isinstance(item, Crystal)]
    if record is None or not rows:
        return {}
    known = record.known([item for item in items if isinstance(item, Crystal)])
    trained, formula = known.ids | known.cells, known.formulas
    kinds = {TRAINED: trained, SAME_FORMULA: formula & ~trained, NEW_FORMULA: ~formula & ~trained}
    found = {}
    for kind, chosen in kinds.items():
        if chosen.any():
            found[kind] = np.zeros(len(items), dtype=bool)
            found[kind][rows] = chosen
    return found
