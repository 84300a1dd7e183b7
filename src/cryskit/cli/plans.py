"""From the options of `cryskit train` and `cryskit pretrain` to a settled plan and a split."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

from cryskit.cli import options
from cryskit.cli.output import note
from cryskit.errors import counted, shortened, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.data.splits import Split
    from cryskit.training.plan import Plan
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_SUPERVISED = ("heads", "loss", "weights", "class_weights")  # arguments of every objective that learns from labels

AUTO = "auto"
"""The word in place of the selector's penalty that asks for several to be tried."""


def plan_of(
    config: Path | None,
    top: Mapping[str, Any],
    encoder: Mapping[str, Any],
    optimisation: Mapping[str, Any],
    *,
    objective: Mapping[str, Any] = _NOTHING,
    start: Mapping[str, Any] = _NOTHING,
    text_encoder: str | None = None,
    labels: bool = True,
) -> SettledPlan:
    """Return the plan of a file with what the options say in its place, settled.

    Args:
        config: A YAML file, or None.
        top: Values of the plan itself; here and below None stands for an option that was not given.
        encoder: Name and constructor arguments. With another name than the file's, the arguments in the file are dropped.
        optimisation: Values of the loop.
        objective: Name and constructor arguments, likewise; what says how labels are learned is kept.
        start: The model whose weights the encoder starts from; the arguments of the encoder that are not given are then those
            of that model.
        text_encoder: Name of the text encoder that reads the descriptions of the crystals; None if there are none.
        labels: Whether the run learns from labels, so that properties have to be named.

    Raises:
        PlanError: The file cannot be read, the values are no plan, or it contradicts itself.
        ModelError: The file to start from is no model, or the text encoder is not on this computer.
    """
    from cryskit.errors import PlanError
    from cryskit.registry import OBJECTIVES
    from cryskit.training.plan import Plan
    from cryskit.training.settle import settle
    from cryskit.yaml_files import read_mapping

    values = read_mapping(config, PlanError) if config else {}
    begin = _over(values.get("start"), start)
    if isinstance(begin, dict) and begin and "file" not in begin:
        raise typer.BadParameter("say how to start from a model; name it, too", param_hint=f"'{', '.join(begin)}'")
    values |= _given(top)
    learned = _part(values.get("objective"), objective, {}, _SUPERVISED)
    name = str(learned.get("name", "property")) if isinstance(learned, dict) else "property"
    values |= {
        "encoder": _part(values.get("encoder"), encoder, {} if begin else dict(OBJECTIVES[name].default_encoder)),
        "objective": learned,
        "optimisation": _over(values.get("optimisation"), optimisation),
        "start": begin,
    }
    values = {name: value for name, value in values.items() if value != {}}
    plan = Plan.make(values, str(config) if config else "the plan")
    if labels and not plan.properties:
        raise typer.BadParameter("name at least one property to learn", param_hint="'--property'")
    settled = settle(plan, labels=labels)
    return with_text_encoder(settled, text_encoder) if text_encoder else settled


def divide(crystals: Sequence[Crystal], split: str, seed: int, train_fraction: float) -> Split:
    """Return the split of a file, or one of the data.

    Args:
        crystals: The whole data set.
        split: Name of a kind of split, or path of a split file.
        seed: Seed of the random order of a new split.
        train_fraction: Share of the training crystals to keep.

    Raises:
        DataError: The file is no split, or the data cannot be split.
        PlanError: The fraction keeps no crystal.
    """
    from cryskit.data.splits import Split, make

    kinds = {kind.value: kind for kind in options.Kind}
    if split in kinds:
        return make(crystals, kinds[split].value, train_fraction=train_fraction, seed=seed)
    if not _is_file(split):
        meant = suggestion(split, kinds, "")
        raise typer.BadParameter(
            f"{shortened(split)!r} is neither {', '.join(kinds)} nor a file{f'. {meant}' if meant else ''}",
            param_hint="'--split'",
        )
    return Split.load(split).first(train_fraction)


def taught_by(teacher: str | None, delta: float | None, config: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the teacher and the objective that the options of distillation ask for; None where they ask for none.

    Args:
        teacher: Name or file of the teacher.
        delta: Share of the labels in the loss.
        config: A plan, which may name the teacher instead.
    """
    if delta is not None and not (teacher or config):
        raise typer.BadParameter("name a teacher, too", param_hint="'--delta'")
    named = {"teacher": {"file": teacher} if teacher else None}
    return named, {"name": "distill" if teacher else None, "delta": delta}


def inputs_of(selector: bool, penalty: str | None) -> str | dict[str, Any] | None:
    """Return the input layer that the options of the feature selector ask for; None if they ask for none.

    Args:
        selector: Whether the feature selector is asked for.
        penalty: The penalty, a number, or "auto" where it is chosen later; given, the selector is asked for, too.
    """
    if penalty in {None, AUTO}:
        return "selector" if selector or penalty else None
    try:
        return {"name": "selector", "penalty": float(str(penalty))}
    except ValueError as error:
        message = f"{shortened(penalty)!r} is neither a number nor {AUTO}"
        raise typer.BadParameter(message, param_hint="'--selector-penalty'") from error


def with_text_encoder(settled: SettledPlan, name: str) -> SettledPlan:
    """Return the plan with an encoder that reads descriptions by this text encoder, unless it names one itself.

    Args:
        settled: A settled plan.
        name: Name of the text encoder.

    Raises:
        ModelError: The text encoder is not on this computer.
        PlanError: The run starts from a model that reads no descriptions.
    """
    from cryskit.errors import PlanError
    from cryskit.registry import ENCODERS
    from cryskit.text.embed import embedder

    plan = settled.asked
    reads = bool(ENCODERS.needs(plan.encoder).text)
    if reads and (plan.start is not None or "text" in plan.encoder):
        return settled
    if plan.start is not None:
        raise PlanError(
            f"Descriptions are given, and the encoder of {plan.start.file} reads none",
            "Leave --text out, or start from a model that was trained with --text",
        )
    network = plan.encoder if reads else {"name": "fused", "graph": plan.encoder}
    return settled.with_encoder({**network, "text": name, "text_width": embedder(name).width})


def _is_file(name: str) -> bool:
    """Return whether a file is there; a text that is too long for a path names none."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _part(below: Any, above: Mapping[str, Any], default: Mapping[str, Any], kept: Sequence[str] = ()) -> Any:
    """Return the configuration of a part: what is given over what the file has; of another name only what is to be kept."""
    chosen = default if below is None else below
    name = above.get("name")
    if name is not None and isinstance(chosen, dict) and chosen.get("name", name) != name:
        chosen = {key: value for key, value in chosen.items() if key in kept}
    return _over(chosen, above)


def _over(below: Any, above: Mapping[str, Any]) -> Any:
    """Return a mapping with what is given over it; what is no mapping is left for the plan to refuse."""
    if below is None:
        return _given(above)
    return {**below, **_given(above)} if isinstance(below, dict) else below


def check_labels(crystals: Sequence[Crystal], plan: Plan) -> None:
    """Print how many crystals have no label and are left out, and which properties are found to be classes.

    Args:
        crystals: The whole data set.
        plan: What is to be learned.

    Raises:
        DataError: A property has no label at all, or labels that make no classes.
    """
    from cryskit.data.classes import find, said
    from cryskit.data.targets import property_name

    kinds = {property_name(name): kind for name, kind in plan.kinds.items()}
    wanted = [property_name(name) for name in plan.properties]
    for line in (said(find(name, crystals, kinds.get(name)), crystals) for name in wanted):
        if line:
            note(line)
    bare = sum(
        not any(name in {**crystal.targets, **crystal.labels, **crystal.tensors} for name in wanted)
        for crystal in crystals
    )
    if bare:
        without = "has" if bare == 1 else "have"
        note(
            f"Left out: {bare} of {counted(len(crystals), 'crystal')}, which {without} no label of {', '.join(wanted)}"
        )
