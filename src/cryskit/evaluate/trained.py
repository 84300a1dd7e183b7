"""Which of the crystals that judge a model trained it, or chose its epoch: such crystals flatter it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, cast

from cryskit.data.interchange import manifest
from cryskit.data.splits import Split, make
from cryskit.errors import DataError, PlanError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.data.splits import Kind
    from cryskit.predict.card import Card
    from cryskit.types import Crystal

_MADE = re.compile(r"(random|formula|system)-seed(\d+)(?:-first([\d.]+))?")  # names that `splits.make` gives


class Trained(NamedTuple):
    """What a model has seen of the crystals that judge it.

    Attributes:
        judged: Number of crystals that judge it.
        training: Number of these that trained it; None where its split is not known.
        validation: Number of these that chose its epoch; None where its split is not known.
        by_id: Whether they are known by their ids only, because the data set is another than that of the training.
    """

    judged: int
    training: int | None
    validation: int | None
    by_id: bool = False


def seen_in_training(
    card: Card, data: Sequence[Crystal], judged: Sequence[Crystal], used: Split | None, file: Path
) -> Trained | None:
    """Count the crystals that a model is judged on and has seen in training.

    Args:
        card: Card of the model.
        data: The whole data set.
        judged: The crystals of it that judge the model.
        used: Split by which they were chosen; None if they are all crystals.
        file: Where the split of the model's run may be.

    Returns:
        The counts; None if there is nothing to warn of: none was seen, or the model was trained on other data.
    """
    same = card.data.get("manifest") == manifest(data)
    split = _split_of(card, data if same else (), used, file)
    if split is None:
        return Trained(len(judged), None, None) if same else None
    training, validation = set(split.train), set(split.validation)
    trained, chose = (sum(crystal.id in part for crystal in judged) for part in (training, validation))
    return Trained(len(judged), trained, chose, by_id=not same) if trained or chose else None


def _split_of(card: Card, data: Sequence[Crystal], used: Split | None, file: Path) -> Split | None:
    """Return the split that the card names by its hash, if it is at hand or can be made again from the data."""
    wanted = card.split.get("hash")
    found = used if used is not None and used.hash == wanted else _read(file) or _made(card.split.get("name", ""), data)
    return found if found is not None and found.hash == wanted else None


def _read(file: Path) -> Split | None:
    try:
        return Split.load(file)
    except DataError:
        return None


def _made(name: str, data: Sequence[Crystal]) -> Split | None:
    """Return the split that `cryskit train` or `cryskit data split` makes under a name."""
    named = _MADE.fullmatch(name)
    if not named or not data:
        return None
    kind, seed, fraction = named.groups()
    try:
        return make(data, cast("Kind", kind), train_fraction=float(fraction or 1), seed=int(seed))
    except (DataError, PlanError, ValueError):
        return None
