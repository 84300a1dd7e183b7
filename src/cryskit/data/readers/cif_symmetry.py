"""The symmetry that a CIF block states: one list of operations, or the few that its words may mean.

What is written out wins over names, a name with its suffix over a Hall symbol of another group, a Hall symbol over the bare number.
Where the words leave open origin, axes or setting, all that keep the metric of the cell are returned, the likeliest first, and
the atoms decide (`cif`). A group that is named and not understood is refused: P1 in its place would be another crystal.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from cryskit.data.readers.cif_tags import OPERATIONS, UNKNOWN, bare, known
from cryskit.data.readers.operations import IDENTITY, Operations, parse_operations
from cryskit.data.readers.space_groups import (
    number_of,
    operations_of_hall,
    settings_coded,
    settings_named,
    settings_numbered,
)
from cryskit.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from cryskit.data.readers.cif_tags import Tags
    from cryskit.data.readers.space_groups import Setting

_NAMES = (
    "_space_group_name_h-m_alt",
    "_symmetry_space_group_name_h-m",
    "_symmetry_space_group_name_h_m",
    "_space_group_name_h-m",
    "_space_group_name_h-m_full",
    "_symmetry_space_group_name_h-m_full",
)
_REFERENCE = ("_space_group_name_h-m_ref",)  # of the standard setting, whatever setting the file is in
_HALL = ("_space_group_name_hall", "_symmetry_space_group_name_hall")
_NUMBERS = ("_space_group_it_number", "_symmetry_int_tables_number")
_CODES = ("_space_group_it_coordinate_system_code",)
_SUPERSPACE = ("_space_group_ssg", "_space_group_symop_ssg", "_cell_wave_vector")
_MODULATION = "_cell_modulation_dimension"
_LAST = 230  # number of the last space group
_MAGNETIC_LIST, _MAGNETIC_CENTRING = "_space_group_symop_magn_operation_xyz", "_space_group_symop_magn_centering_xyz"
_MAGNETIC = "_space_group_magn"
_SPOKEN = frozenset({*OPERATIONS, _MAGNETIC_LIST, _MAGNETIC_CENTRING, *_NAMES, *_REFERENCE, *_HALL, *_NUMBERS, *_CODES})
"""Every tag that says what the symmetry is."""


class Symmetry(NamedTuple):
    """One reading of what a block says of its symmetry.

    Attributes:
        operations: The symmetry operations.
        name: What they are, for messages: "F d -3 m:2", "the listed operations".
        warning: What is doubtful about it, "" if nothing is.
        undecided: Another reading is as likely: only the atoms can tell.
    """

    operations: Operations
    name: str
    warning: str = ""
    undecided: bool = False


class _Said(NamedTuple):
    """All that a block says of its symmetry, each the values of some tags."""

    lists: tuple[tuple[str, ...], ...]
    magnetic: tuple[str, ...]
    centring: tuple[str, ...]
    names: tuple[str, ...]
    hall: tuple[str, ...]
    numbers: tuple[str, ...]
    codes: tuple[str, ...]


def symmetries(tags: Tags, lattice: np.ndarray) -> list[Symmetry]:
    """Return every reading of what a block says of its symmetry that keeps the metric of its cell, the likeliest first.

    Args:
        tags: Tags of the block, as `cif_tags.tags_of` gives them.
        lattice: (3, 3) rows are the vectors of the cell, angstrom.

    Raises:
        UnreadableError: The group is not understood, operations are none, contradict one another or the cell.
    """
    _refuse_beyond_space_groups(tags)
    found = _found(tags.spoken(_SPOKEN))
    if len(found) == 1 and found[0].operations.trivial:
        return list(found)
    kept = [one for one in found if one.operations.keep_metric(lattice)]
    if not kept:
        raise UnreadableError(
            f"The symmetry ({found[0].name}) does not keep lengths and angles of the cell",
            "Mend the cell or the space group; for rhombohedral groups name the axes, as in 'R -3 m :H'",
        )
    return kept


def _each(texts: tuple[str, ...]) -> Sequence[str]:
    """Return operations one by one that stand in one text, between semicolons or on lines of it."""
    if not any(";" in text or "\n" in text for text in texts):
        return texts
    return [part for text in texts for part in re.split(r"[;\n]", text) if part.strip()]


@lru_cache(maxsize=512)
def _found(spoken: tuple[tuple[str, ...], ...]) -> tuple[Symmetry, ...]:
    """Return the readings that do not look at the cell, of tags that each stand before their values, quotes included."""
    said = _said(
        {tag: tuple(value for text in texts if (value := bare(text)) not in UNKNOWN) for tag, *texts in spoken}
    )
    listed, named = _listed(said), _named(said)
    found = named if listed is None else _checked_by_names(listed, named)
    if found:
        return tuple(_checked_by_words(one, said) for one in _distinct(found))
    if words := (*said.names, *said.hall, *said.numbers):
        raise UnreadableError(
            f"The space group {' / '.join(words)[:80]!r} is not understood",
            "Write its Hermann-Mauguin name as in International Tables, such as 'P 1 21/n 1' or 'F d -3 m :2', or list the operations",
        )
    return (Symmetry(IDENTITY, "P 1", "The file names no space group and lists no operations: taken as P 1"),)


def _said(values: Mapping[str, tuple[str, ...]]) -> _Said:
    def of(tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(value for tag in tags for value in values.get(tag, ()))

    lists = tuple(filter(None, (tuple(_each(of((tag,)))) for tag in OPERATIONS)))
    words = of(_NAMES) or of(_REFERENCE), of(_HALL), of(_NUMBERS), of(_CODES)
    return _Said(lists, of((_MAGNETIC_LIST,)), of((_MAGNETIC_CENTRING,)), *words)


def _listed(said: _Said) -> Symmetry | None:
    """Return the operations that are written out, or None if none are."""
    if said.magnetic:
        return Symmetry(_magnetic(said.magnetic, said.centring), "the listed magnetic operations")
    parsed = [parse_operations(triplets) for triplets in said.lists]
    if not parsed:
        return None
    if len({operations.key for operations in parsed}) > 1:
        raise UnreadableError(f"{' and '.join(OPERATIONS)} list different operations", "Keep the list that is right")
    return Symmetry(parsed[0], "the listed operations")


def _magnetic(triplets: tuple[str, ...], centring: tuple[str, ...]) -> Operations:
    """Return the operations of a magnetic space group on the atoms, whose places time reversal leaves as they are."""
    own, translations = (
        parse_operations(tuple(_without_time(text) for text in part)) for part in (triplets, centring or ("x,y,z,+1",))
    )
    return own.with_translations(translations.translations)


def _without_time(text: str) -> str:
    spatial, _, time = text.rpartition(",")
    if text.count(",") != 3 or time.strip() not in {"+1", "-1", "1"}:
        raise UnreadableError(f"{text[:80]!r} is no magnetic symmetry operation", "Write it such as 'x, -y, z+1/2, -1'")
    return spatial


def _named(said: _Said) -> list[Symmetry]:
    """Return what name, Hall symbol and number stand for together; empty if none of them is understood."""
    settings = _settings_of_names(said)
    hall = [(text, found) for text in said.hall if (found := operations_of_hall(text))]
    numbers = _numbers(said)
    if len({found.key for _, found in hall}) > 1:
        raise UnreadableError(f"The Hall symbols {' and '.join(text for text, _ in hall)} differ", "Keep one")
    if settings:
        return _with_hall(settings, *hall[0]) if hall else _with_numbers(settings, numbers)
    if hall:
        return [Symmetry(hall[0][1], f"Hall symbol {hall[0][0]}")]
    if len(numbers) > 1:
        raise UnreadableError(f"The space group has the numbers {sorted(numbers)}", "Keep the one that is right")
    codes = [code for code in said.codes if any(settings_coded(number, code) for number in numbers)]
    if said.codes and not codes:
        return []
    settings = [
        setting
        for number in numbers
        for setting in (settings_coded(number, codes[0]) if codes else settings_numbered(number))
    ]
    if said.names:  # not understood: the number must leave no choice
        settings = settings if len({setting.operations.key for setting in settings}) == 1 else []
    return _readings(settings, "number {0.number} ({0.name})")


def _readings(settings: Sequence[Setting], name: str = "{0.name}", warning: str = "") -> list[Symmetry]:
    undecided = {setting.choice for setting in settings} == {"1", "2"}
    return [Symmetry(setting.operations, name.format(setting), warning, undecided) for setting in settings]


def _with_hall(settings: Sequence[Setting], text: str, operations: Operations) -> list[Symmetry]:
    """Return what a Hall symbol stands for where it is one of the settings of the name, else both, to be decided by the atoms."""
    by_hall = Symmetry(operations, f"Hall symbol {text}")
    if any(setting.operations.key == operations.key for setting in settings):
        return [by_hall]
    doubt = f"The space group {settings[0].name} and the Hall symbol {text} differ"
    by_name = [one._replace(undecided=True) for one in _readings(settings, warning=doubt)]
    return [*by_name, by_hall._replace(warning=doubt)]


def _with_numbers(settings: Sequence[Setting], numbers: set[int]) -> list[Symmetry]:
    wrong = numbers - {settings[0].number}
    doubt = f"The space group {settings[0].name} is not number {min(wrong)}: the name is believed" if wrong else ""
    return _readings(settings, warning=doubt)


def _settings_of_names(said: _Said) -> list[Setting]:
    """Return the settings that all the names that are understood allow.

    Raises:
        UnreadableError: Two names stand for different groups.
    """
    spelled: dict[str, tuple[Setting, ...]] = {}
    for text in said.names:
        if found := settings_named(text):
            coded = {one.operations.key for code in said.codes for one in settings_coded(found[0].number, code)}
            chosen = tuple(setting for setting in found if setting.operations.key in coded)
            spelled.setdefault(text, chosen or found)
    if not spelled:
        return []
    first, *others = spelled.values()
    keys = [{setting.operations.key for setting in other} for other in others]
    common = [setting for setting in first if all(setting.operations.key in each for each in keys)]
    if not common:
        raise UnreadableError(
            f"The names {' and '.join(spelled)} stand for different groups", "Keep the one that is right"
        )
    return common


def _checked_by_names(listed: Symmetry, named: list[Symmetry]) -> list[Symmetry]:
    """Return the listed operations, and the named group where the list is but the identity and the group is not."""
    if not named or any(one.operations.key == listed.operations.key for one in named):
        return [listed]
    order = len(listed.operations.rotations)
    if listed.operations.trivial:
        doubt = f"The only listed operation is x,y,z, but the space group is {named[0].name}"
        return [listed._replace(warning=doubt, undecided=True), *(one._replace(warning=doubt) for one in named)]
    if listed.operations.point_group == named[0].operations.point_group:
        if order == len(named[0].operations.rotations):
            return [listed]  # another origin or other axes
    elif order == len(named[0].operations.rotations):
        doubt = f"The listed operations are of another point group than {named[0].name}: the list is believed"
        return [listed._replace(warning=doubt)]
    doubt = (
        f"{order} operations are listed, but the space group {named[0].name} has {len(named[0].operations.rotations)}"
    )
    return [listed._replace(warning=f"{doubt}: the list is believed")]


def _checked_by_words(one: Symmetry, said: _Said) -> Symmetry:
    """Return a reading, with a warning where a name, a Hall symbol or a number of the file is of another space group."""
    if one.warning:
        return one
    numbers = sorted(_numbers(said))
    halls = [(text, found) for text in said.hall if (found := operations_of_hall(text))]
    named = [(text, settings) for text in said.names if (settings := settings_named(text))]
    of_words = [
        *((settings[0].number, f"the name {text}") for text, settings in named),
        *((number, f"the number {number}") for number in numbers),
    ]
    possible = chain.from_iterable([*(settings for _, settings in named), *map(settings_numbered, numbers)])
    own = {setting.number for setting in possible if setting.operations.key == one.operations.key}
    unlike = [text for text, found in halls if found.key != one.operations.key]
    if not unlike and {number for number, _ in of_words} == own:
        return one  # the usual case, which needs no comparison of groups
    group = number_of(one.operations)
    of_words += [(number_of(found), f"the Hall symbol {text}") for text, found in halls]
    if others := [f"{number} by {words}" for number, words in of_words if number != group and group]:
        return one._replace(warning=f"The space group is {group} by {one.name}, which is believed, but {others[0]}")
    doubt = f"The Hall symbol {unlike[0]} is of other axes or another origin than {one.name}" if unlike else ""
    return one._replace(warning=doubt)


def _numbers(said: _Said) -> set[int]:
    return {int(text) for text in said.numbers if text.isascii() and text.isdigit() and 1 <= int(text) <= _LAST}


def _distinct(found: Iterable[Symmetry]) -> tuple[Symmetry, ...]:
    kept: dict[frozenset[bytes], Symmetry] = {}
    for one in found:
        kept.setdefault(one.operations.key, one)
    return tuple(kept.values())


def _refuse_beyond_space_groups(tags: Tags) -> None:
    if any(map(tags.has, _SUPERSPACE)) or any(value != "0" for value in known(tags, _MODULATION)):
        raise UnreadableError(
            "The structure is modulated: it has a superspace group",
            "Give a commensurate approximant as an ordinary cell",
        )
    if tags.has(_MAGNETIC) and not known(tags, *OPERATIONS, _MAGNETIC_LIST):
        raise UnreadableError(
            "Only magnetic symmetry is given", "List the operations of the ordinary space group of the cell"
        )
