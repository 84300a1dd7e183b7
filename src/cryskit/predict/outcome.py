"""From the numbers that a model computes for crystals to predictions: bounds, intervals, domain, what is doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch

from cryskit.elements import symbol
from cryskit.predict.classes import parted
from cryskit.predict.tables import shortest
from cryskit.predict.tensors import tensors_of
from cryskit.reliability.judged import judged_names
from cryskit.types import Crystal, Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.card import Card
    from cryskit.reliability.domain import Domain, Verdict
    from cryskit.types import Failure, Property


class Remarks(NamedTuple):
    """What is to be said of a crystal besides its prediction, in sentences without the last full stop.

    Attributes:
        doubt: Why it cannot be (`graphs.plausible`); "" if it can.
        others: What its file contradicts, or what the model lacks of it; "" if nothing.
        lacking: Why it cannot be predicted; "" if it can.
    """

    doubt: str
    others: str
    lacking: str = ""

    def __str__(self) -> str:
        return ". ".join(filter(None, self))


def predictions_of(
    card: Card,
    crystals: Sequence[Crystal],
    numbers: np.ndarray,
    remarks: Sequence[Remarks],
    domain: Domain | None = None,
) -> list[Prediction]:
    """Return the predictions for crystals whose numbers are known.

    A quantity that cannot be negative is not predicted to be; neither is the end of its interval. Classes have no intervals.

    Args:
        card: Card of the model.
        crystals: B crystals.
        numbers: (B, P) the outputs of the heads, in the properties' own units or as logits of classes; or (B, P + 3 Q + D), behind
            them the standard deviations and the lower and upper ends of the intervals of the quantities of `judged_names`, not finite
            where there are none, and D numbers that the domain reads.
        remarks: What is to be said of each crystal.
        domain: Domain of the model, if it has one.
    """
    if not crystals:
        return []
    least, names = _least(card.properties), judged_names(card.properties)
    outputs, ends, readings = np.split(numbers, [len(least), len(least) + 3 * len(names)], axis=1)
    least = least.astype(numbers.dtype)
    bounded = np.maximum(outputs, least)
    judged = ends.reshape(len(crystals), -1, len(names))
    if not card.has_tensors:
        judged = np.maximum(judged, least)
    verdicts: Sequence[Verdict | None] = [None] * len(crystals)
    if domain is not None and readings.shape[1]:
        verdicts = domain.judge(crystals, torch.from_numpy(readings), [remark.doubt for remark in remarks])
    rows = zip(crystals, bounded, judged, remarks, verdicts, strict=True)
    return [_prediction(card, crystal, (row, ends), remark, verdict) for crystal, row, ends, remark, verdict in rows]


def _prediction(
    card: Card, crystal: Crystal, numbers: tuple[np.ndarray, np.ndarray], remarks: Remarks, verdict: Verdict | None
) -> Prediction:
    computed, judged = numbers
    if not np.isfinite(computed).all():
        return failed(crystal, remarks.lacking or "The model gives no finite number for this crystal")
    deviations, intervals = _expected(judged_names(card.properties), judged)
    values, classes = parted(card.properties, computed, card.class_calibration)
    digits = dict(zip(card.columns, shortest(computed), strict=True))
    named = {name: digits[name] for name in values}
    errors = {
        each.name: intervals.pop(each.name)[1] for each in card.properties if each.tensor and each.name in intervals
    }
    deviations = {name: value for name, value in deviations.items() if name not in errors}
    origin = (crystal.path, crystal.formula, classes, tensors_of(card.properties, computed, crystal, errors))
    if verdict is None:
        reason = ". ".join(filter(None, [_strange(card, crystal), str(remarks)]))
        return Prediction(crystal.id, named, deviations, intervals, "warned" if reason else "ok", reason, "", *origin)
    outside = verdict.domain != "in"
    reason = ". ".join(filter(None, [verdict.reason if outside else "", remarks.others]))
    status: Literal["ok", "warned"] = "warned" if verdict.domain == "out" or remarks.others else "ok"
    return Prediction(crystal.id, named, deviations, intervals, status, reason, verdict.domain, *origin)


def _expected(names: Sequence[str], judged: np.ndarray) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Return the standard deviations and the intervals of the quantities that have one, by name.

    Args:
        names: Names of Q quantities.
        judged: (3, Q) deviations, lower and upper ends, not finite where there are none; (0, Q) of a model without them.
    """
    if not len(judged):
        return {}, {}
    known = np.flatnonzero(np.isfinite(judged[1]) & np.isfinite(judged[2])).tolist()
    deviation, low, high = map(shortest, judged)
    return {names[i]: deviation[i] for i in known}, {names[i]: (low[i], high[i]) for i in known}


def failed(item: Crystal | Failure, reason: str) -> Prediction:
    """Return the prediction in place of one that cannot be made.

    Args:
        item: What should have been predicted.
        reason: Why that cannot be.
    """
    formula = item.formula if isinstance(item, Crystal) else ""
    return Prediction(item.id, {}, status="failed", reason=reason, path=item.path, formula=formula)


def _strange(card: Card, crystal: Crystal) -> str:
    """Return which elements no training crystal has, in a sentence; "" if there are none."""
    strange = sorted(set(crystal.numbers.tolist()) - set(card.elements)) if card.elements else []
    return f"The training data has no {', '.join(map(symbol, strange))}" if strange else ""


def _least(properties: Sequence[Property]) -> np.ndarray:
    """Return the smallest value of each output of the heads: 0 of a scalar that cannot be negative, else none."""
    return np.array(
        [-np.inf if p.kind != "scalar" or p.range[0] < 0 else 0.0 for p in properties for _ in range(p.outputs)]
    )


def outcome_of(found: np.ndarray | None, reason: str) -> dict[str, str]:
    """Return status and reason of a row that holds a vector, or None where there is none.

    Args:
        found: The vector.
        reason: Why there is none, or what the crystal lacks.
    """
    status = "failed" if found is None else "warned" if reason else "ok"
    return {"status": status, "reason": reason}
