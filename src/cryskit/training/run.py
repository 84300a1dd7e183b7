"""Steps of every run: the card it begins with, the weights it starts from, and the notes it leaves in its folder.

A run completes its card in one statement, at its end (`train.train`, `pretrain.pretrain`).
"""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

from cryskit.atomic_write import replacing, write_json
from cryskit.errors import PlanError
from cryskit.predict.card import Card
from cryskit.predict.load import load
from cryskit.predict.published import path_of
from cryskit.registry import ENCODERS
from cryskit.training.identity import Identity, digest_of, flat
from cryskit.training.start import tensors_of
from cryskit.training.transfer import freeze, rates, transfer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryskit.predict.predictor import Predictor
    from cryskit.training.plan import Plan
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Property

TRANSFER, UNUSABLE = "transfer.json", "unusable.json"
"""Files of a run: what became of every tensor of the file it started from; which crystals cannot be built, and why."""

_STANDS_ON = ("cryskit", "torch", "numpy", "pymatgen-core", "moyopy", "lightning")


class Begun(NamedTuple):
    """The weights with which a run begins.

    Attributes:
        facts: What the card says of the file they come from; empty where they are random.
        rates: Name of a parameter to the factor on its learning rate.
        report: What became of every tensor of the file; empty where the weights are random.
    """

    facts: dict[str, Any]
    rates: dict[str, float]
    report: dict[str, Any]


def card_of(plan: Plan, wanted: list[Property], name: str) -> Card:
    """Return the card with which a run begins: what its plan settles before any crystal is seen."""
    tensors = {"name": "tensors"} if any(one.tensor for one in wanted) else {}
    return Card(
        name=name,
        description=plan.about.description,
        licence=plan.about.licence,
        citation=list(plan.about.citation),
        encoder=ENCODERS.complete(plan.encoder),
        heads={**tensors, **plan.objective.get("heads", {})},
        spec=replace(ENCODERS.needs(plan.encoder), point_group=bool(tensors)),
        properties=wanted,
        plan=plan.model_dump(mode="json", exclude={"about"}),
        versions={package: version(package) for package in _STANDS_ON},
    )


def start_from(plan: Plan, predictor: Predictor) -> Begun:
    """Give the encoder the weights that the plan starts from."""
    own = {f"encoder.{name}": share for name, share in getattr(predictor.encoder, "rates", {}).items()}
    if plan.start is None:
        return Begun({}, own, {})
    report = transfer(predictor.encoder, tensors_of(plan.start), plan.start.parts)
    freeze(predictor.encoder, plan.start.freeze, report)
    facts = plan.start.model_dump() | report.counts
    return Begun(facts, rates(predictor.encoder, plan.start.decay, report) | own, report.to_json())


def start_heads(plan: Plan, predictor: Predictor) -> dict[str, Any]:
    """Give the heads, whose scale is known, the perceptrons that the plan starts from, and return what the card says of it."""
    if plan.start is None or plan.start.parts != "model":
        return {}
    trained = load(path_of(plan.start.file)).heads
    moved = predictor.heads.take(trained) if trained else []
    if not moved:
        raise PlanError(
            f"{plan.start.file} has no heads that fit those of the plan",
            "Start from its encoder alone (parts: encoder), or learn a property that it predicts",
        )
    return {"heads": moved}


def note_plan(plan: Plan, start: Begun, unusable: Mapping[str, str], folder: Path) -> None:
    """Write the plan, what became of the tensors that it starts from, and why crystals cannot be used, into a claimed folder."""
    with replacing(folder / "plan.yaml") as temporary:
        temporary.write_text(plan.to_yaml(), encoding="utf-8")
    if start.report:
        write_json(start.report, folder / TRANSFER)
    if unusable:
        write_json(unusable, folder / UNUSABLE)


def text_hash(predictor: Predictor, texts: Sequence[str | None]) -> list[str]:
    """Return the hash of the descriptions that a model reads; nothing if it reads none."""
    return [digest_of(texts)] if predictor.text_input else []


def identity_of(settled: SettledPlan, data: Mapping[str, Any], *former: object) -> Identity:
    """Return what a run depends on.

    Args:
        settled: Its plan.
        data: Name of a hash, or of several, to its value.
        former: Everything besides the hash of the plan that earlier versions took the hash of, in their order.
    """
    return Identity(flat(settled.plan.decisive) | flat(data), digest_of(settled.asked.hash, *former))
