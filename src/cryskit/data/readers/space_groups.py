"""Space groups by the names that programs write: Hermann-Mauguin, Hall and number (International Tables A).

gemmi's table holds 550 settings. What it does not know of a spelling is brought into a form that it knows: underscores,
brackets and TeX around screw axes, full symbols, old symbols without the minus of cubic and trigonal inversion axes,
and the suffixes by which ICSD and others tell settings: 1 and S (first origin), 2 and Z (origin at the inversion
centre), H and HR (hexagonal axes), R and RS (rhombohedral axes). A name that is not understood is never guessed.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import NamedTuple

import gemmi
import numpy as np

from cryskit.data.readers.operations import STEPS, Operations, from_integers

MONOCLINIC = 15
"""Number of the last monoclinic group."""
_SAME = 5e-3  # fractional; translations that differ by less are equal
_LONGEST = 60  # characters of a name
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆\u2212\u2013", "0123456--")
_REMARK = re.compile(
    r"[,;]?\s*[(\[]?\s*(?:no\.?|nr\.?|#|it)\s*\d{1,3}\s*[)\]]?$|\s*[(\[]\s*\d{1,3}\s*[)\]]$", re.IGNORECASE
)
_ORIGIN = re.compile(r"\(?\s*origin(?:\s*choice)?\s*([12])\s*\)?$", re.IGNORECASE)
_AXES = re.compile(r"\(?\s*(hexagonal|rhombohedral)\s*(?:axes|setting|cell)?\s*\)?$", re.IGNORECASE)
_UNIQUE = re.compile(r"\(?\s*unique\s*axis\s*[abc]\s*\)?$", re.IGNORECASE)
_SUFFIX = re.compile(r"(?:\s*:\s*([12HRSZ]|HR|RS)|\s+([SZHR]|HR|RS))$", re.IGNORECASE)
_GLUED = re.compile(r"(?<=[a-z0-9])(HR|RS|[SZHR])$", re.IGNORECASE)  # no symbol ends so
_SCREW = re.compile(r"([2346])\s*[({_]\s*\{?\s*([1-5])\s*[)}]*")
_BAR_BEHIND = re.compile(r"(?<![-\d])([1346])-(?=[a-z/ ]|$)")
_BAR = re.compile(
    r"\\(?:bar|overline)\s*\{?\s*(\d)\s*\}?|([1346])\u0305|\\=\{?(\d)\}?|(?<!\d)-?([1346])[ _-]?bar|bar[ _-]?([1346])",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"-?[1-6][1-5]?(?:/[a-e mn])?|[a-emn]")
_CENTRINGS = {
    "A": ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5)),
    "B": ((0.0, 0.0, 0.0), (0.5, 0.0, 0.5)),
    "C": ((0.0, 0.0, 0.0), (0.5, 0.5, 0.0)),
    "I": ((0.0, 0.0, 0.0), (0.5, 0.5, 0.5)),
    "F": ((0.0, 0.0, 0.0), (0.0, 0.5, 0.5), (0.5, 0.0, 0.5), (0.5, 0.5, 0.0)),
}
_SCREW_AXIS = re.compile(r"[2346][1-5](?:/[a-z])?")
_CODE = re.compile(r"([12])?(-?[abc][123]|-?[abc]{3}|-?[abc]{1,2}-[abc]{1,2})?([hr])?")
_TURNED = {"1": "3", "2": "2", "3": "1"}  # cell choices under a half turn that exchanges the other two axes
_CHOICES = {"1": "1", "S": "1", "2": "2", "Z": "2", "H": "H", "HR": "H", "R": "R", "RS": "R"}


class Setting(NamedTuple):
    """A space group in one choice of axes and origin.

    Attributes:
        name: The Hermann-Mauguin name with its suffix: "F d -3 m:2".
        number: Its number in International Tables, 1 to 230.
        choice: The origin ("1", "2") or the axes ("H", "R") where there are two, else "".
        axes: The coordinate system code: "b1" to "-a3" of a monoclinic group, "cab" of an orthorhombic one, "" of the standard one.
        operations: Its symmetry operations, those of the centring included.
    """

    name: str
    number: int
    choice: str
    axes: str
    operations: Operations


@lru_cache(maxsize=2048)
def settings_named(name: str) -> tuple[Setting, ...]:
    """Return the settings that a Hermann-Mauguin name may stand for; several where it does not tell origin or axes.

    Args:
        name: A name such as "F m -3 m", "P2(1)/n", "R -3 c RS" or "Fd3m:2".

    Returns:
        Empty if the name is not understood. The first is the one that most programs take.
    """
    if len(name) > _LONGEST:
        return ()
    symbol, choice = _without_choice(_plain(name))
    spellings = _spellings(symbol)
    found = next((group for spelling in spellings for group in _known(spelling, blanks="_" not in name)), None)
    if found is None:
        return next((settings for spelling in spellings if (settings := _centred(spelling))), ())
    if 2 < found.number <= MONOCLINIC and "1" not in symbol.split():
        same = _with_short_name(_without_ones(found.hm))
    else:
        same = [group for group in _table() if (group.number, group.hm) == (found.number, found.hm)]
        same = [group for group in same if group.ext == choice] or same
    return tuple(map(_setting, sorted(same, key=lambda group: group.xhm() != found.xhm())))


@lru_cache(maxsize=230)
def settings_numbered(number: int) -> tuple[Setting, ...]:
    """Return the settings of a space group that its bare number may stand for, the reference setting first.

    Args:
        number: The number of the group in International Tables, 1 to 230.

    Returns:
        All settings of a monoclinic group, whose unique axis the cell tells; else those with the axes of the reference.
    """
    groups = [group for group in _table() if group.number == number]
    reference = next(group for group in groups if group.is_reference_setting())
    groups = [group for group in groups if number <= MONOCLINIC or group.hm == reference.hm]
    return tuple(map(_setting, sorted(groups, key=lambda group: group.xhm() != reference.xhm())))


def settings_coded(number: int, code: str) -> tuple[Setting, ...]:
    """Return the settings of a space group that a coordinate system code of the CIF dictionary chooses.

    Args:
        number: The number of the group in International Tables, 1 to 230.
        code: Such as "b2", "-c1", "cab", "1", "2abc", "h" or "r".

    Returns:
        Empty if the group has no such setting.
    """
    found = _CODE.fullmatch(code.strip().lower())
    if found is None:
        return ()
    choice, axes = (found[1] or found[3] or "").upper(), found[2] or ""
    axes = "" if axes == "abc" else axes
    settings = [_setting(group) for group in _table() if group.number == number]
    chosen = [one for one in settings if one.axes == axes and (not choice or one.choice == choice)]
    if not chosen and axes[:1] == "-" and axes[2:] in _TURNED:  # the same cell, its unique axis the other way round
        chosen = [one for one in settings if one.axes == f"{axes[1]}{_TURNED[axes[2:]]}"]
    return tuple(chosen)


@lru_cache(maxsize=1024)
def operations_of_hall(symbol: str) -> Operations | None:
    """Return the operations of a Hall symbol, or None if it is none.

    Args:
        symbol: Such as "-F 4 2 3", with underscores or a change of basis.
    """
    text = " ".join(symbol.replace("_", " ").split())
    if not text.isascii() or len(text) > _LONGEST or not re.match(r"-?[PABCIRSTFHpabcirstfh]", text):
        return None
    text = re.sub("^(-?)(.)", lambda found: found[1] + found[2].upper(), text)
    try:
        return _operations(gemmi.symops_from_hall(text))
    except (RuntimeError, ValueError, IndexError):
        return None


@lru_cache(maxsize=512)
def number_of(operations: Operations) -> int:
    """Return the number of a space group in International Tables, whatever its axes and its origin; 0 if it is none.

    Args:
        operations: All its operations, those of the centring included.
    """
    from moyopy import SpaceGroup  # noqa: PLC0415 - only where what a file says has to be compared

    pure = (operations.rotations == np.eye(3)).all((1, 2))
    basis = _primitive(np.rint(operations.translations[pure] * STEPS).astype(int).tolist()) / STEPS
    to_basis = np.linalg.inv(basis)
    rotations = np.rint(to_basis @ operations.rotations @ basis).astype(int)
    _, first = np.unique(rotations.reshape(-1, 9), axis=0, return_index=True)
    translations = (operations.translations @ to_basis.T)[first]
    try:
        return int(SpaceGroup(rotations[first].tolist(), (translations % 1).tolist(), epsilon=_SAME).number)
    except ValueError:
        return 0


def _primitive(translations: list[list[int]]) -> np.ndarray:
    """Return the columns of a basis of the lattice that some translations and the unit vectors make, all in units of 1/24."""
    rows, basis = [*translations, *(STEPS * np.eye(3, dtype=int)).tolist()], []
    for axis in range(3):
        while len(left := [row for row in rows if row[axis]]) > 1:
            least = min(left, key=lambda row: abs(row[axis]))
            rows = [
                row
                if row is least
                else [one - row[axis] // least[axis] * other for one, other in zip(row, least, strict=True)]
                for row in rows
            ]
        basis.append(left[0])
        rows = [row for row in rows if not row[axis]]
    return np.array(basis, dtype=np.float64).T


def _operations(listed: gemmi.GroupOps) -> Operations:
    operations = list(listed)
    return from_integers([one.rot for one in operations], [one.tran for one in operations])


@cache
def _setting(group: gemmi.SpaceGroup) -> Setting:
    return Setting(
        group.xhm(),
        group.number,
        group.ext if group.ext in _CHOICES else "",
        group.qualifier,
        _operations(group.operations()),
    )


def _centred(spelling: str) -> tuple[Setting, ...]:
    """Return a triclinic or monoclinic group in a centred cell that no table has, "A -1": that of P and the centring."""
    letter, _, rest = spelling.partition(" ")
    primitive = settings_named(f"P {rest}") if letter in _CENTRINGS else ()
    return tuple(
        Setting(spelling, one.number, "", "", one.operations.with_translations(np.array(_CENTRINGS[letter])))
        for one in primitive
        if one.number <= MONOCLINIC
    )


@cache
def _table() -> tuple[gemmi.SpaceGroup, ...]:
    return tuple(gemmi.spacegroup_table())


def _plain(name: str) -> str:
    """Return a name in ASCII with one blank between its parts: no quotes, TeX, subscripts or remarks."""
    text = _BAR.sub(lambda found: f"-{next(filter(None, found.groups()))}", name.translate(_SUBSCRIPTS))
    text = re.sub(r"[$\"'~^*\\]|<[^<>]{0,9}>", "", text)
    text = _SCREW.sub(r"\1\2", text).replace("_", " ").replace("{", "").replace("}", "")
    text = re.sub(r"\s*/\s*", "/", " ".join(text.split()))
    return _REMARK.sub("", text).rstrip(" .")


def _without_choice(text: str) -> tuple[str, str]:
    """Return a symbol and which origin ("1", "2") or axes ("H", "R") its suffixes choose, "" if it has none; no symbol if they differ."""
    text = _UNIQUE.sub("", text).strip()
    choices = set()
    while found := _ORIGIN.search(text) or _AXES.search(text) or _SUFFIX.search(text) or _GLUED.search(text):
        letters = next(part for part in found.groups() if part).upper()
        choices.add(_CHOICES.get(letters) or letters[0])
        text = text[: found.start()].strip()
    if len(choices) > 1:
        return "", ""
    return text, choices.pop() if choices else "H" if text[:1].upper() == "H" else ""


def _spellings(symbol: str) -> list[str]:
    """Return a symbol as it stands and in the forms of it that the table may know."""
    if not symbol or not symbol.isascii():
        return []
    symbol = symbol[0].upper() + symbol[1:].lower()
    symbol = _BAR_BEHIND.sub(r"-\1", symbol)
    letter, rest = symbol[0], symbol[1:].strip()
    if letter == "H" or (letter == "C" and rest[:1] in {"3", "6"}):  # hexagonal cells, in old and in PDB names
        letter = "R" if letter == "H" else "P"
    parts = rest.split() if " " in rest else _TOKEN.findall(rest)
    if "".join(parts) != rest.replace(" ", ""):
        parts = rest.split()
    short = _short(parts)
    found = [f"{letter} {rest}", f"{letter} {' '.join(short)}"]
    return [*found, *(re.sub(r"(?<![-\d])3(?!\d)", "-3", one) for one in found)]


def _short(parts: list[str]) -> list[str]:
    """Return the parts of a full symbol as the short symbol has them: "4/m -3 2/m" is "m -3 m"."""
    planes = [part.rpartition("/")[2] if "/" in part else part for part in parts]
    if len(parts) < 2 or "1" in parts[:1]:
        return parts
    if parts[1] in {"3", "-3"}:
        return planes
    if len(parts) == 3 and all(part[0] == "2" for part in parts):
        return planes
    return [parts[0], *planes[1:]]


def _known(spelling: str, *, blanks: bool) -> list[gemmi.SpaceGroup]:
    """Return the groups of a name, if the blanks of the name stand where those of the symbol stand.

    Args:
        spelling: A symbol, a blank behind its first letter.
        blanks: Whether blanks separate its parts, so that "31" is a screw axis and not 3 and 1.
    """
    group = gemmi.find_spacegroup_by_name(spelling)
    if group is None:
        return _with_short_name(spelling)
    symbol, given = group.hm, spelling
    if group.number <= MONOCLINIC:
        symbol, given = _without_ones(symbol), _without_ones(spelling)
    parts = given.split()[1:] if blanks else []
    if len(parts) > 1 and any(part not in symbol.split() for part in parts if _SCREW_AXIS.fullmatch(part)):
        return []
    return [group] if _boundaries(given) <= _boundaries(symbol) or len(spelling.split()) == 2 else []


def _without_ones(symbol: str) -> str:
    """Return the short name of a monoclinic group: the axes without symmetry are left out."""
    letter, *parts = symbol.split()
    return " ".join([letter, *(part for part in parts if part != "1")])


def _with_short_name(name: str) -> list[gemmi.SpaceGroup]:
    """Return the monoclinic settings that have a short name, whichever axis is unique."""
    return [group for group in _table() if 2 < group.number <= MONOCLINIC and _without_ones(group.hm) == name]


def _boundaries(symbol: str) -> set[int]:
    """Return before which characters of a symbol blanks stand; blanks and minus signs are not counted."""
    parts = symbol.replace("-", "").split()
    return {sum(map(len, parts[:i])) for i in range(1, len(parts))}
