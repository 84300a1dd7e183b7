"""From the options of `cryskit train` and `cryskit pretrain` to a plan and a split."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer

from cryskit.cli import options
from cryskit.cli.output import note

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryskit.data.splits import Split
    from cryskit.training.plan import Plan
    from cryskit.types import Crystal

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_SUPERVISED = ("heads", "loss", "weights")  # arguments of every objective that learns from labels

AUTO = "auto"
"""In place of the selector's penalty: try some."""


def plan_of(
    config: Path | None,
    top: Mapping[str, Any],
    encoder: Mapping[str, Any],
    optimisation: Mapping[str, Any],
    *,
    objective: Mapping[str, Any] = _NOTHING,
    start: Mapping[str, Any] = _NOTHING,
    default: Mapping[str, Any] | None = None,
    labels: bool = True,
) -> Plan:
    """Return the plan of a file with what the options say in its place.

    Args:
        config: A YAML file, or None.
        top: Values of the plan itself; here and below None stands for an option that was not given.
        encoder: Name and constructor arguments. With another name than the file's, the arguments in the file are dropped.
        optimisation: Values of the loop.
        objective: Name and constructor arguments, likewise; what says how labels are learned is kept.
        start: From whose weights the encoder starts; the arguments of the encoder that are not given are then those of
            that model.
        default: The encoder where none is named; by default cgcnn.
        labels: Whether properties have to be named.

    Raises:
        PlanError: The file cannot be read, or the values are no plan.
        ModelError: The file to start from is no model.
    """
    from cryskit.training.plan import Plan, read_yaml

    values = read_yaml(config) if config else {}
    begin = _over(values.get("start"), start)
    if isinstance(begin, dict) and begin and "file" not in begin:
        raise typer.BadParameter("say how to start from a model; name it, too", param_hint=f"'{', '.join(begin)}'")
    values |= _given(top)
    values |= {
        "encoder": _part(values.get("encoder"), encoder, {} if begin else default or {"name": "cgcnn"}),
        "objective": _part(values.get("objective"), objective, {}, _SUPERVISED),
        "optimisation": _over(values.get("optimisation"), optimisation),
        "start": begin,
    }
    values = {name: value for name, value in values.items() if value != {}}
    if labels and "properties" not in values:
        raise typer.BadParameter("name at least one property to learn", param_hint="'--property'")
    plan = Plan.make(values, str(config) if config else "the plan")
    if plan.start is None:
        return plan
    from cryskit.training.start import with_start_resolved  # it loads torch

    return with_start_resolved(plan)


def divide(crystals: Sequence[Crystal], split: str, seed: int, train_fraction: float) -> Split:
    """Return the split of a file, or one of the data.

    Args:
        crystals: The whole data set.
        split: A kind of split, or a split file.
        seed: Of the random order of a new split.
        train_fraction: Share of the training crystals to keep.

    Raises:
        DataError: The file is no split, or the data cannot be split.
        PlanError: The fraction keeps no crystal.
    """
    from cryskit.data.splits import Split, make

    kinds = {kind.value: kind for kind in options.Kind}
    if split in kinds:
        return make(crystals, kinds[split].value, train_fraction=train_fraction, seed=seed)
    if not Path(split).is_file():
        raise typer.BadParameter(f"{split!r} is neither {', '.join(kinds)} nor a file", param_hint="'--split'")
    return Split.load(split).first(train_fraction)


def taught_by(teacher: str | None, delta: float | None, config: Path | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the teacher and the objective that the options of distillation ask for; None where they ask for none.

    Args:
        teacher: Its name or file.
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
        selector: Whether it is asked for.
        penalty: A number, or "auto" where it is chosen later; given, the selector is asked for, too.
    """
    if penalty in {None, AUTO}:
        return "selector" if selector or penalty else None
    try:
        return {"name": "selector", "penalty": float(str(penalty))}
    except ValueError as error:
        message = f"{penalty!r} is neither a number nor {AUTO}"
        raise typer.BadParameter(message, param_hint="'--selector-penalty'") from error


def reading(plan: Plan, encoder: str | None) -> Plan:
    """Return the plan with an encoder that reads words beside the graph, if it has none yet.

    Args:
        plan: A plan.
        encoder: Name of the text encoder; None if there is nothing to read.

    Raises:
        ModelError: The text encoder is not on this computer.
    """
    if encoder is None or plan.encoder.get("name") == "fused":
        return plan
    from cryskit.text.embed import embedder

    fused = {"name": "fused", "graph": plan.encoder, "text": encoder, "text_width": embedder(encoder).width}
    return plan.model_copy(update={"encoder": fused})


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


def check_labels(crystals: Sequence[Crystal], properties: Sequence[str]) -> None:
    """Say how many crystals have no label and are left out.

    Args:
        crystals: The whole data set.
        properties: Names or aliases of what is to be learned.

    Raises:
        DataError: A property has no label at all.
    """
    from cryskit.data.targets import property_name
    from cryskit.errors import DataError

    wanted = [property_name(name) for name in properties]
    known = {name for crystal in crystals for name in crystal.targets}
    for name in wanted:
        if name not in known:
            raise DataError(
                f"The data has no label of {name}", f"It has {', '.join(sorted(known)) or 'no labels at all'}"
            )
    bare = sum(not any(name in crystal.targets for name in wanted) for crystal in crystals)
    if bare:
        note(f"{bare} of {len(crystals)} crystals have no label of {', '.join(wanted)} and are left out")
