"""Settings of objectives: each is named once, with its default, and a preset is a set of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from cryskit.errors import PlanError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Settings(BaseModel):
    """Keyword arguments of an objective that has presets."""

    model_config = ConfigDict(extra="forbid", frozen=True)


S = TypeVar("S", bound=Settings)


def chosen(kind: type[S], objective: str, presets: Mapping[str, S], preset: str, given: Mapping[str, Any]) -> S:
    """Return the settings of a preset with others in their place.

    Args:
        kind: The class of the settings.
        objective: Registry name of the objective, for error messages.
        presets: Settings by the name of the preset.
        preset: Name of the preset.
        given: Settings by name that win over those of the preset; None stands for one that is not given.

    Raises:
        UnknownNameError: There is no such preset, or no such setting.
        PlanError: A value is out of range.
    """
    if preset not in presets:
        raise UnknownNameError(f"preset of {objective}", preset, presets)
    for name in given:
        if name not in kind.model_fields:
            raise UnknownNameError(f"argument of objective {objective}", name, ["preset", *kind.model_fields])
    wanted = {name: value for name, value in given.items() if value is not None}
    try:
        return kind(**presets[preset].model_dump(exclude_unset=True) | wanted)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise PlanError(f"The settings of {objective} are not valid ({wrong})", "Correct these values") from error
