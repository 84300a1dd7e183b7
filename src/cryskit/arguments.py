"""Arguments of a class that come from a file: each has to have the type that the class declares, and a size that can be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from reprlib import repr as shortened
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from cryskit.errors import PlanError, UnknownNameError

_STRICT = ConfigDict(strict=True)
_NAMES = {"Mapping": Mapping, "Sequence": Sequence}  # imported for the type checker only where they are annotations


def check(owner: str, construct: Callable[..., Any], given: Mapping[str, Any]) -> None:
    """Refuse arguments whose type is not the declared one, and numbers that cannot be.

    Integers have to be at least one, other numbers finite and at least zero. What is declared as something else than plain values
    is not checked.

    Args:
        owner: Name of the class or function, for error messages ("encoder cgcnn").
        construct: A class or function with annotations.
        given: Arguments by name.

    Raises:
        PlanError: An argument has another type, or is a number that cannot be.
        UnknownNameError: An argument is none of the names it may have.
    """
    for name, hint in _hints(construct).items():
        if name not in given:
            continue
        value = given[name]
        if get_origin(hint) is Literal:
            if value not in get_args(hint):
                raise UnknownNameError(f"{name} of {owner}", str(value), map(str, get_args(hint)))
        elif problem := _problem(value, hint):
            raise PlanError(f"The argument {name} of {owner} is {shortened(value)}: {problem}", f"Correct {name}")


def _problem(value: Any, hint: Any) -> str:
    """Return what is wrong with a value, "" if nothing."""
    try:
        _adapter(hint).validate_python(value)
    except ValidationError as error:
        return "; ".join(dict.fromkeys(each["msg"].lower() for each in error.errors()))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    if isinstance(value, int):
        return "" if value >= 1 else "input should be at least 1"
    return "" if math.isfinite(value) and value >= 0 else "input should be finite and at least 0"


@lru_cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=_STRICT)


@lru_cache
def _hints(construct: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of the arguments by name, without those of which a name exists for the type checker only."""
    declared: Any = vars(construct).get("__init__", construct)
    found = {}
    for name, annotation in declared.__annotations__.items():
        alone = type("alone", (), {"__annotations__": {name: annotation}, "__module__": construct.__module__})
        try:
            found[name] = get_type_hints(alone, localns=_NAMES)[name]
        except NameError:
            continue
    return {name: hint for name, hint in found.items() if name != "return" and _is_plain(hint)}


def _is_plain(hint: Any) -> bool:
    """Return whether a type is made of plain values only, such as a JSON file can hold."""
    parts = get_args(hint)
    if get_origin(hint) is Literal:
        return True
    if parts:
        return all(map(_is_plain, parts))
    return hint in {bool, int, float, str, Any, type(None)}
