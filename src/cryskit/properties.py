"""The quantities that can be learned and predicted, from `properties.yaml`: name, unit, transform, aliases."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cryskit.errors import DataError, UnknownNameError
from cryskit.types import Property
from cryskit.yaml_files import parse_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST = 100  # characters of a column that may be a property
_WITH_UNIT = re.compile(r"([^()\[\]]+?)\s*(?:[(\[]\s*([^()\[\]]*?)\s*[)\]])?")
_CURE = "Mend properties.yaml as its head describes"
_LIST = "The list of properties"
_ORIGINS = "follows_from"


@cache
def load() -> Mapping[str, Property]:
    """Return all properties, by registry name.

    Raises:
        DataError: The file `properties.yaml` that comes with the package is damaged.
    """
    return parse(_text())


@cache
def origins(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the groups of properties from whose values, and the composition, the value of a property of the same crystal follows.

    Args:
        name: The registry name of a property, or any other name, which follows from none.

    Example:
        >>> origins("poisson_ratio")
        (('bulk_modulus', 'shear_modulus'),)
    """
    return _origins_of(parse_mapping(_text(), _LIST, DataError)).get(name, ())


def _text() -> str:
    return files("cryskit").joinpath("properties.yaml").read_text(encoding="utf-8")


def _origins_of(entries: Mapping[str, Any]) -> dict[str, tuple[tuple[str, ...], ...]]:
    return {name: tuple(map(tuple, entry.get(_ORIGINS, ()))) for name, entry in entries.items()}


def get(name: str) -> Property:
    """Return a property by its registry name or one of its aliases.

    Args:
        name: The registry name or an alias, for example "bulk_modulus", or "K_VRH" as matminer has it.

    Raises:
        UnknownNameError: No property has this name; the nearest names are given.
    """
    return load()[canonical(name)]


def registered_or_new(name: str) -> Property:
    """Return a property by its registry name or one of its aliases; of a name that nobody has registered a scalar without unit.

    Args:
        name: The name, which may be that of any column.
    """
    try:
        return get(name)
    except UnknownNameError:
        return Property(name, name, "")


def canonical(column: str) -> str:
    """Return the registry name of the property in a column of this or another tool.

    Args:
        column: The name of the column: a registry name or an alias, however it is spaced and capitalised ("Band Gap"), and with the unit of the
            property in brackets behind it or not ("Band Gap (eV)").

    Raises:
        UnknownNameError: No property has this name; the nearest names are given.
    """
    name = _names().get(column) or _spoken(column)
    if name is None:
        raise UnknownNameError("property", column, load())
    return name


def _spoken(column: str) -> str | None:
    """Return the registry name of a column that is written as people do; None if it is none, or in another unit."""
    if len(column) > _LONGEST:
        return None
    found = _WITH_UNIT.fullmatch(column.strip())
    name = _names().get(found[1]) or _loose_names().get(_loose(found[1])) if found else None
    if found and name and found[2] is not None and _unit(found[2]) != _unit(load()[name].unit):
        return None
    return name


def _loose(name: str) -> str:
    """Return a name in lower case, with one underscore for whatever is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _unit(text: str) -> str:
    return re.sub(r"[\s_^]", "", text).lower()


@cache
def _loose_names() -> Mapping[str, str]:
    """Return registry names by the loose form of names and aliases, where that is long enough and means one property."""
    found: dict[str, set[str]] = {}
    for alias, name in _names().items():
        found.setdefault(_loose(alias), set()).add(name)
    return {loose: min(names) for loose, names in found.items() if len(names) == 1 and len(loose) > 2}


def parse(text: str) -> Mapping[str, Property]:
    """Return the properties that a YAML text describes, in its order.

    Args:
        text: The YAML text, a mapping from registry name to the fields of a Property.

    Raises:
        DataError: The text is no such mapping, two properties share a name or alias, a range is reversed, a property
            learned as its logarithm may be zero or negative, a class has fewer than two classes, or a property follows from
            one that is not in the list.
    """
    try:
        entries = parse_mapping(text, _LIST, DataError)
        properties = {name: _property(name, entry) for name, entry in entries.items()}
        named = {name: {each for group in groups for each in group} for name, groups in _origins_of(entries).items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(f"The list of properties cannot be read: {error}", _CURE) from error
    _names_of(properties)
    for name, others in named.items():
        if unknown := sorted(others - properties.keys()):
            raise DataError(f"{name} follows from {unknown[0]}, which is no property of the list", _CURE)
    return MappingProxyType(properties)


def _property(name: str, entry: Mapping[str, Any]) -> Property:
    fields = {key: value for key, value in entry.items() if key != _ORIGINS}
    if "range" in fields:
        low, high = (float(limit) for limit in fields["range"])
        fields["range"] = (low, high)
    for several in ("aliases", "classes"):
        fields[several] = tuple(fields.get(several, ()))
    found = Property(name=name, **fields)
    low, high = found.range
    if not low < high:
        raise DataError(f"The range of {name} runs from {low:g} to {high:g}", _CURE)
    if found.transform not in {"none", "log10"} or (found.transform == "log10" and low <= 0):
        raise DataError(f"{name} with the range {low:g} to {high:g} cannot be learned as {found.transform!r}", _CURE)
    return found


def _names_of(properties: Mapping[str, Property]) -> dict[str, str]:
    names: dict[str, str] = {}
    for name, found in properties.items():
        for alias in (name, *found.aliases):
            if alias in names:
                raise DataError(f"{alias!r} names both {names[alias]} and {name}", _CURE)
            names[alias] = name
    return names


@cache
def _names() -> Mapping[str, str]:
    return MappingProxyType(_names_of(load()))
