"""The file that a plan starts from: its digest, its encoder, its tensors, and the crystals that it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from cryskit.data.corpus import manifest_path
from cryskit.errors import DataError, ModelError, PlanError
from cryskit.predict.card import digest, read_card
from cryskit.predict.network import matching_card
from cryskit.predict.published import path_of
from cryskit.registry import ENCODERS

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from cryskit.training.plan import Plan, Start, Teacher

_MODEL = ".safetensors"
_OPTIONS = {"name": "--encoder", "width": "--width"}  # arguments of an encoder that its tensors fix


def with_start_resolved(plan: Plan) -> Plan:
    """Return the plan with the digest of the file it starts from and with all arguments of its encoder.

    Args:
        plan: What it says of the encoder wins over the file; without a start it is returned as it is.

    Raises:
        ModelError: The file is missing or no model.
        PlanError: The file was changed since the plan was made, or the plan's encoder cannot take its weights.
    """
    if plan.start is None:
        return plan
    path = path_of(plan.start.file)
    found = digested(path, plan.start)
    inside = matching_card(path).encoder
    asked = plan.encoder if "encoder" in plan.model_fields_set else {}
    _refuse_conflicts(asked, inside, plan.start)
    start = plan.start.model_copy(update={"digest": found})
    return plan.model_copy(update={"start": start, "encoder": {**inside, **asked}})


def digested(path: Path, named: Start | Teacher) -> str:
    """Return the SHA-256 of a file that a plan names.

    Raises:
        PlanError: The file was changed since the plan was made.
    """
    found = digest(path)
    if named.digest not in {"", found}:
        raise PlanError(
            f"{named.file} is not the file that the plan was made with: its SHA-256 is {found}",
            "Give that file, or leave the digest out",
        )
    return found


def tensors_of(start: Start) -> dict[str, Tensor]:
    """Return the tensors of the file by name.

    Raises:
        ModelError: The file cannot be read.
    """
    path = path_of(start.file)
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is no model file of cryskit ({error})", "Get the file again") from error


def manifest_of(model: Path) -> Path:
    """Return the manifest in the folder of a model file, or of the one that the model started from.

    Raises:
        DataError: There is none.
        ModelError: A model on the way is missing or damaged.
    """
    passed: set[Path] = set()
    while not manifest_path(model).is_file():
        passed.add(model.resolve())
        start = read_card(model).start if model.suffix == _MODEL else {}
        following = path_of(start["file"]) if start else model
        if following.resolve() in passed:
            raise DataError(
                f"There is no manifest {manifest_path(model)}, so nobody knows which crystals the model has seen",
                "Take a model that `cryskit pretrain` wrote, with the manifest in its folder, or one that started from such a model",
            )
        model = following
    return manifest_path(model)


def _refuse_conflicts(asked: dict[str, object], inside: dict[str, object], start: Start) -> None:
    for name, option in _OPTIONS.items():
        if name in asked and asked[name] != inside.get(name, asked[name]):
            raise PlanError(
                f"The encoder should have the {name} {asked[name]}, but that of {start.file} has the {name} {inside[name]}",
                f"Leave {option} out (and its key in the plan), as the encoder is taken over with its size, or start "
                "from another file",
            )
    here, there = (ENCODERS.needs(config) for config in ({**inside, **asked}, inside))
    if here != there:
        raise PlanError(
            f"The encoder should see another graph ({here}) than that of {start.file} ({there})",
            "Leave out what changes the graph, or start from another file",
        )
