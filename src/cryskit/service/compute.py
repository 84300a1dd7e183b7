"""What models compute for the crystals of several requests at once: predictions, vectors, explanations, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.errors import CryskitError, one_line
from cryskit.explain.atoms import Explainer
from cryskit.explain.document import row as explanation_row
from cryskit.predict.outcome import failed
from cryskit.predict.tables import prediction_row
from cryskit.service.graphs import builder

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryskit.predict.predictor import Predictor
    from cryskit.service.graphs import Ready
    from cryskit.types import Crystal, Failure

_RAISED = (CryskitError, RuntimeError, MemoryError, ValueError, IndexError)  # what PyTorch raises for a batch
_SHOWN = 200  # characters of an error


class Wanted(NamedTuple):
    """What is to be computed; only crystals for which it is the same are computed together.

    Attributes:
        kind: "predict", "embed" or "explain".
        model: Name of the model, with its version.
        option: Level of the intervals, or property that is explained ("" for the model's first).
    """

    kind: str
    model: str
    option: float | str = ""


def computed(predictor: Predictor, wanted: Wanted, items: list[Ready]) -> list[dict[str, Any]]:
    """Return a row per crystal, in order; a crystal for which it fails is a failed row and costs no other its own.

    Args:
        predictor: The model.
        wanted: What is computed.
        items: Crystals with their graphs, and failures. An explanation needs no graph.
    """
    try:
        return _RUNS[wanted.kind](predictor, wanted, items)
    except _RAISED as error:
        if len(items) > 1:
            middle = len(items) // 2
            return [*computed(predictor, wanted, items[:middle]), *computed(predictor, wanted, items[middle:])]
        return [_failed(wanted, items[0].item, one_line(error)[:_SHOWN])]


def _failed(wanted: Wanted, item: Crystal | Failure, reason: str) -> dict[str, Any]:
    row = prediction_row(failed(item, reason))
    return row if wanted.kind != "embed" else row | {"vector": None}


def _predictions(predictor: Predictor, wanted: Wanted, items: list[Ready]) -> list[dict[str, Any]]:
    found = predictor.stream((each.item for each in items), float(wanted.option), builder(items))
    return [prediction_row(each) for each in found]


def _embeddings(predictor: Predictor, _wanted: Wanted, items: list[Ready]) -> list[dict[str, Any]]:
    return list(predictor.stream_embeddings((each.item for each in items), builder(items)))


def _explanations(predictor: Predictor, wanted: Wanted, items: list[Ready]) -> list[dict[str, Any]]:
    explainer = Explainer(predictor, str(wanted.option) or None)
    return [explanation_row(each) for each in explainer.stream(each.item for each in items)]


_RUNS: dict[str, Callable[[Predictor, Wanted, list[Ready]], list[dict[str, Any]]]] = {
    "predict": _predictions,
    "embed": _embeddings,
    "explain": _explanations,
}
