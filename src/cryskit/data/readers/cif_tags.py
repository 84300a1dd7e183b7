"""Data blocks of a CIF as tags and their values, whatever the case and dialect of the tags.

gemmi tokenises. A block that it refuses, because a tag stands twice or a quote is missing, is tokenised by pymatgen,
which is more lenient; what is read of it has to pass the same checks.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import gemmi

from cryskit.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

UNKNOWN = frozenset({"", "?", "."})
"""Values that stand for no value."""

OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
"""Tags of the lists of symmetry operations, in the core dictionaries of 1991 and 2003."""
_HEADER = re.compile(r"[ \t]*data_", re.IGNORECASE)
_WANTED = re.compile(r"_(?:atom_site|symmetry|space_group)", re.IGNORECASE)
_FIELD = re.compile(r"^;.*?^;", re.MULTILINE | re.DOTALL)
_TAG = re.compile(r"^[ \t]*(_[^\s]{1,100})", re.MULTILINE)
_ESSENTIAL = re.compile(
    r"_(?:cell_(?:length|angle)|atom_site_(?:fract|label|type_symbol|occupancy)|symmetry_equiv_pos_as_xyz"
    r"|space_group_symop_operation_xyz|\w*space_group_name|\w*tables_number|\w*it_number)"
)
_END, _TAIL = "\x1a", 8  # Ctrl-Z, with which old programs end a file, and characters of the end that is looked at
_SECOND = "#\\#CIF_2.0"  # how files of version 2 begin
_TRIPLE = re.compile(r"(?<=\s)(\"\"\"|\'\'\')(.*?)\1(?=\s)", re.DOTALL)
_LONGEST_LINE = 4096  # of a block that gemmi refuses: pymatgen's patterns take a time that grows with its square


class Loop(NamedTuple):
    """The values of a loop.

    Attributes:
        values: Rows of the loop as they stand, one behind the other, quotes included.
        width: Number of values in a row.
        quoted: Whether any value is in quotes, or in a text field.
    """

    values: list[str]
    width: int
    quoted: bool


class Tags:
    """The tags of a data block and their values.

    Args:
        single: Tag to its value as it stands, quotes included.
        columns: Tag to its loop, and to the position of its value in a row.
    """

    def __init__(self, single: Mapping[str, str], columns: Mapping[str, tuple[Loop, int]]) -> None:
        self._single = single
        self._columns = columns

    @cached_property
    def _names(self) -> str:
        return f" {' '.join(self._single)} {' '.join(self._columns)}"

    def __contains__(self, tag: str) -> bool:
        return tag in self._single or tag in self._columns

    def raw(self, tag: str) -> list[str]:
        """Return the values of a tag as they stand, quotes included; empty if there is no such tag.

        Args:
            tag: The tag in lower case, "_" in place of ".".
        """
        if (found := self._columns.get(tag)) is None:
            return [self._single[tag]] if tag in self._single else []
        (values, width, _), place = found
        return values[place::width]

    def column(self, tag: str) -> list[str]:
        """Return the values of a tag without quotes: one, or one per row of its loop; empty if there is no such tag.

        Args:
            tag: The tag in lower case, "_" in place of ".".
        """
        if (found := self._columns.get(tag)) is None:
            return [bare(self._single[tag])] if tag in self._single else []
        (values, width, quoted), place = found
        return [*map(bare, values[place::width])] if quoted else values[place::width]

    def alone(self, names: Sequence[str]) -> list[str]:
        """Return the values as they stand of those of some tags that stand in no loop.

        Args:
            names: Tags, in lower case.
        """
        single = self._single
        return [single[name] for name in names if name in single]

    def spoken(self, names: frozenset[str]) -> tuple[tuple[str, ...], ...]:
        """Return some tags, those that are there, each before its values as they stand.

        Args:
            names: Tags, in lower case.
        """
        return tuple(
            (name, *self.raw(name))
            for name in sorted([*names.intersection(self._single), *names.intersection(self._columns)])
        )

    def has(self, prefix: str) -> bool:
        """Return whether a tag begins so."""
        return f" {prefix}" in self._names

    def together(self, names: list[str]) -> bool:
        """Return whether some tags that are there stand in one loop, or all of them in none."""
        loops = {id(self._columns[name][0]) if name in self._columns else 0 for name in names}
        return len(loops) == 1


def known(tags: Tags, *names: str) -> list[str]:
    """Return the values of some tags that stand for a value.

    Args:
        tags: A block.
        names: Tags, in lower case.
    """
    return [value for name in names if name in tags for value in tags.column(name) if value not in UNKNOWN]


def blocks(text: str) -> list[str]:
    """Return the texts of the data blocks, the header at the head of each; headers within text fields are none."""
    if _END in text[-_TAIL:]:
        text = text.rstrip(f"{_END} \t\r\n") + "\n"
    if text.startswith(_SECOND):
        text = _TRIPLE.sub(lambda found: "\n;" + re.sub(r"^;", " ;", found[2], flags=re.MULTILINE) + "\n;\n", text)
    if text.lower().count("data_") == 1:
        return [text]
    lines = text.splitlines(keepends=True)
    starts, in_field = [], False
    for place, line in enumerate(lines):
        if line.startswith(";"):
            in_field = not in_field
        elif not in_field and _HEADER.match(line):
            starts.append(place)
    ends = [*starts[1:], len(lines)] if starts else []
    return ["".join(lines[start:end]) for start, end in zip(starts, ends, strict=True)]


def tags_of(text: str) -> Tags:
    """Return the tags of one data block.

    Args:
        text: Text of the block, as `blocks` gives it.

    Raises:
        UnreadableError: It is damaged, or a tag is given twice and with different values.
    """
    try:
        block: Any = gemmi.cif.read_string(text).sole_block()
    except (ValueError, RuntimeError, IndexError) as error:
        return _lenient(text, error)
    single: dict[str, str] = {}
    columns: dict[str, tuple[Loop, int]] = {}
    for item in block:
        if (pair := item.pair) is not None:
            _add(single, *pair)
        elif (loop := item.loop) is not None:
            tags = tuple(loop.tags)
            _add_loop(columns, tags, loop.values if _is_wanted(tags) else [])
    if both := single.keys() & columns.keys():
        raise UnreadableError(f"{min(both)} is given twice, alone and in a loop", "Keep the one that is right")
    return Tags(single, columns)


def _add(found: dict[str, T], tag: str, value: T) -> None:
    """Add a tag under its plain name.

    Raises:
        UnreadableError: It is there with another value: the same tag in two dialects.
    """
    name = _plain(tag)
    if name not in found:
        found[name] = value
    elif found[name] != value:
        raise UnreadableError(f"{tag} is given twice, with different values", "Keep the one that is right")


@lru_cache(maxsize=4096)
def _plain(tag: str) -> str:
    """Return a tag in lower case, "_" in place of "."."""
    name = tag.lower()
    return name.replace(".", "_").rstrip("_") if "." in name or name[-1] == "_" else name


@lru_cache(maxsize=4096)
def _is_wanted(tags: tuple[str, ...]) -> bool:
    """Return whether the values of a loop with these tags are looked at."""
    return any(map(_WANTED.match, tags))


def _add_loop(found: dict[str, tuple[Loop, int]], tags: Sequence[str], values: list[str]) -> None:
    joined = "".join(values)
    loop = Loop(values, len(tags), "'" in joined or '"' in joined or ";" in joined)
    names = [*map(_plain, tags)]
    if found.keys().isdisjoint(names) and len(set(names)) == len(names):
        found.update(zip(names, [(loop, place) for place in range(len(names))], strict=True))
        return
    for place, tag in enumerate(tags):
        _add(found, tag, (loop, place))


def bare(value: str) -> str:
    """Return a value without its quotes or semicolons."""
    quote = value[:1]
    if quote in {"'", '"'} and value[-1] == quote and len(value) > 1:
        return value[1:-1].strip()
    return str(gemmi.cif.as_string(value)).strip() if quote in {"'", '"', ";"} else value


def _lenient(text: str, refusal: Exception) -> Tags:
    """Return the tags that pymatgen's tokeniser finds in a block that gemmi refuses."""
    from pymatgen.io.cif import CifBlock  # noqa: PLC0415 - takes a second to import, and few files need it

    from cryskit.data.readers.from_pymatgen import PARSER_ERRORS  # noqa: PLC0415

    if max(map(len, text.split("\n"))) > _LONGEST_LINE:
        raise UnreadableError(f"It is damaged or no CIF ({refusal})", "Give a whole CIF file")
    # pymatgen leaves out what is not ASCII; as "?" it is seen by whoever reads the value.
    plain = re.sub(r"\n\s*\n", "\n", text.encode("ascii", "replace").decode())
    plain = _HEADER.sub("data_", plain, count=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parsed = CifBlock.from_str(plain)
        except (*PARSER_ERRORS, StopIteration) as error:
            raise UnreadableError(f"It is damaged or no CIF ({refusal})", "Give a whole CIF file") from error
    names = Counter(tag.lower().replace(".", "_") for tag in _TAG.findall(_FIELD.sub("", plain)))
    for name, times in names.items():
        if times > 1 and _ESSENTIAL.match(name):
            raise UnreadableError(f"{name} is given {times} times", "Keep the one that is right")
    single: dict[str, str] = {}
    columns: dict[str, tuple[Loop, int]] = {}
    for tag, value in parsed.data.items():
        if isinstance(value, str):
            _add(single, tag, value)
    for tags in parsed.loops:
        rows = [list(parsed.data[tag]) for tag in tags if isinstance(parsed.data.get(tag), list)]
        values = [value for row in zip(*rows, strict=False) for value in row]
        loop = Loop(values, len(rows), quoted=True)
        for place, tag in enumerate(tags):
            _add(columns, tag, (loop, place))
    return Tags(single, columns)
