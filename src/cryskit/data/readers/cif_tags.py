"""Data blocks of a CIF as tags and their values, whatever the case and dialect of the tags.

gemmi tokenises. A block that it refuses, because a tag stands twice or a quote is missing, is tokenised by pymatgen,
which is more lenient; what is read of it has to pass the same checks.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

import gemmi

from cryskit.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN = frozenset({"", "?", "."})
"""Values that stand for no value."""

OPERATIONS = ("_symmetry_equiv_pos_as_xyz", "_space_group_symop_operation_xyz")
"""Tags of the lists of symmetry operations, in the core dictionaries of 1991 and 2003."""
_HEADER = re.compile(r"[ \t]*data_", re.IGNORECASE)
_USUAL = ("_cell_length_a", "_cell_angle_alpha", "_atom_site_fract_x")
_TAG = re.compile(r"^[ \t]*(_[^\s]{1,100})", re.MULTILINE)
_ESSENTIAL = re.compile(
    r"_(?:cell_(?:length|angle)|atom_site_(?:fract|label|type_symbol|occupancy)|symmetry_equiv_pos_as_xyz"
    r"|space_group_symop_operation_xyz|\w*space_group_name|\w*tables_number|\w*it_number)"
)
_SECOND = "#\\#CIF_2.0"  # how files of version 2 begin
_TRIPLE = re.compile(r"(?<=\s)(\"\"\"|\'\'\')(.*?)\1(?=\s)", re.DOTALL)
_LONGEST_LINE = 4096  # of a block that gemmi refuses: pymatgen's patterns take a time that grows with its square


class Tags(Protocol):
    """The tags of a data block and their values."""

    def column(self, tag: str) -> list[str]:
        """Return the values of a tag as they stand, without quotes: one, or one per row of its loop; empty if there is none."""

    def has(self, prefix: str) -> bool:
        """Return whether a tag begins so."""

    def together(self, names: list[str]) -> bool:
        """Return whether some tags that are there stand in one loop, or all of them in none."""


class _GemmiTags:
    """Tags that are looked up in a block of gemmi, where case does not count.

    Args:
        block: The block.
        text: What it was made from, in lower case.
    """

    def __init__(self, block: Any, text: str) -> None:
        self._block = block
        self._text = text
        self._columns: dict[str, list[str]] = {}

    def column(self, tag: str) -> list[str]:
        single = self._block.find_value(tag)
        if single is not None:
            return [_bare(single)]
        if tag not in self._columns and (loop := self._block.find_loop(tag).get_loop()) is not None:
            width, values = loop.width(), loop.values
            joined = "".join(values)
            if "'" in joined or '"' in joined or ";" in joined:
                values = [_bare(value) for value in values]
            self._columns |= {name.lower(): values[place::width] for place, name in enumerate(loop.tags)}
        return self._columns.get(tag, [])

    def has(self, prefix: str) -> bool:
        return prefix in self._text

    def together(self, names: list[str]) -> bool:
        loop = self._block.find_loop(names[0]).get_loop()
        own = {tag.lower() for tag in loop.tags} if loop is not None else set()
        return own.issuperset(names) if own else all(len(self.column(name)) == 1 for name in names)


class _Table:
    """Tags in a table, "." replaced by "_".

    Args:
        columns: Tag to its values.
        loops: The tags of each loop.
    """

    def __init__(self, columns: dict[str, list[str]], loops: list[list[str]]) -> None:
        self._columns = columns
        self._loops = [set(map(_canonical, tags)) for tags in loops]

    def column(self, tag: str) -> list[str]:
        return self._columns.get(tag, [])

    def has(self, prefix: str) -> bool:
        return any(tag.startswith(prefix) for tag in self._columns)

    def together(self, names: list[str]) -> bool:
        mine = [own for own in self._loops if own.intersection(names)]
        return not mine or any(own.issuperset(names) for own in mine)


def known(tags: Tags, *names: str) -> list[str]:
    """Return the values of some tags that stand for a value.

    Args:
        tags: A block.
        names: Tags, in lower case.
    """
    return [value for name in names for value in tags.column(name) if value not in UNKNOWN]


def blocks(text: str) -> list[str]:
    """Return the texts of the data blocks, the header at the head of each; headers within text fields are none."""
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
        block = gemmi.cif.read_string(text).sole_block()
    except (ValueError, RuntimeError, IndexError) as error:
        return _lenient(text, error)
    if all(block.find_values(tag) for tag in _USUAL) and any(block.find_values(tag) for tag in OPERATIONS):
        return _GemmiTags(block, text.lower())
    found: dict[str, list[str]] = {}
    for tag, values in _items(block):
        name = _canonical(tag)
        if found.setdefault(name, values) != values:
            raise UnreadableError(f"{tag} is given twice, with different values", "Keep the one that is right")
    return _Table(found, [list(item.loop.tags) for item in block if item.loop is not None])


def _items(block: Any) -> Iterator[tuple[str, list[str]]]:
    for item in block:
        if item.pair is not None:
            yield item.pair[0], [_bare(item.pair[1])]
        elif item.loop is not None:
            width, values = item.loop.width(), item.loop.values
            for place, tag in enumerate(item.loop.tags):
                yield tag, [_bare(value) for value in values[place::width]]


def _bare(value: str) -> str:
    return str(gemmi.cif.as_string(value)).strip() if value[:1] in {"'", '"', ";"} else value


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
    names = Counter(tag.lower().replace(".", "_") for tag in _TAG.findall(plain))
    for name, times in names.items():
        if times > 1 and _ESSENTIAL.match(name):
            raise UnreadableError(f"{name} is given {times} times", "Keep the one that is right")
    columns = {
        _canonical(tag): [value] if isinstance(value, str) else list(value) for tag, value in parsed.data.items()
    }
    return _Table(columns, parsed.loops)


def _canonical(tag: str) -> str:
    return tag.lower().replace(".", "_").rstrip("_")
