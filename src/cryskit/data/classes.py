"""Properties that are classes: which columns are, what their classes are called, and labels as the numbers of their classes.

A label is a word ("metal", "true"; `Crystal.labels`) or a number (0, 1; `Crystal.targets`). A column is learned as a class if
the registry says so, or if it is none of the registry's and holds words, truth values, or the numbers 0 and 1 alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryskit import properties
from cryskit.data.targets import property_name
from cryskit.errors import DataError, UnknownNameError, counted, shortened, suggestion
from cryskit.types import Crystal, Property

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryskit.types import Failure

Kind = Literal["scalar", "class"]

MOST = 20
"""Most classes that are made of the labels of a column."""
NONE = -1.0
"""Target of a crystal whose label is none of the classes."""

_TRUTH = {"false": 0, "no": 0, "true": 1, "yes": 1}
_NUMBERED = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0}  # truth values as numbers, where classes are not wanted


class Found(NamedTuple):
    """What a column holds.

    Attributes:
        property: The property as it is learned.
        reason: Why it is learned as a class although the registry does not say so, or why somebody may take a number for a class, as a
            sentence without its full stop; else "".
    """

    property: Property
    reason: str


def find(column: str, crystals: Sequence[Crystal], kind: Kind | None = None) -> Found:
    """Return the registered property of a column, or one made of a column that the registry does not know.

    Args:
        column: Name of a property, an alias or a column.
        crystals: Crystals with labels.
        kind: Kind that the caller wants; None for that of the registry or, of other columns, that of the labels.

    Raises:
        DataError: No crystal has such a label, or the labels make no classes.
    """
    name = property_name(column)
    known = _registered(column)
    if known and known.tensor:
        return _found_tensor(known, crystals, kind)
    words = {crystal.labels[name] for crystal in crystals if name in crystal.labels}
    bare = [crystal for crystal in crystals if name in crystal.targets and name not in crystal.labels]
    numbers = {crystal.targets[name] for crystal in bare}
    if not words and not numbers:
        raise _absent(name, crystals, known)
    inferred = "class" if (words and not numbers) or _is_true_or_false(words, numbers) else "scalar"
    chosen = kind or (known.kind if known else inferred)
    if chosen == "scalar":
        if not words <= _NUMBERED.keys() and not any(name in crystal.targets for crystal in crystals):
            raise _absent(name, crystals, known)
        codes = [] if kind or known or len(numbers) != 2 else sorted(numbers)
        reason = f"All labels of {name} are {codes[0]:g} or {codes[1]:g}" if codes else ""
        return Found(replace(known or Property(name, name, ""), kind="scalar", classes=()), reason)
    if known and known.kind == "class":
        return Found(known, "")
    made = replace(known or Property(name, name, ""), kind="class", classes=_classes(name, words, numbers))
    labels = "0 or 1" if numbers == {0, 1} and not words else "true or false" if "true" in words else "words"
    return Found(made, "" if kind else f"All labels of {name} are {labels}")


def _found_tensor(known: Property, crystals: Sequence[Crystal], kind: Kind | None) -> Found:
    """Return a tensor property of which there are labels."""
    if kind:
        raise DataError(f"{known.name} is a tensor, and cannot be learned as a {kind}", "Leave out the kind")
    if not any(known.name in crystal.tensors for crystal in crystals):
        raise _absent(known.name, crystals, known)
    return Found(known, "")


def prepared(
    crystals: Sequence[Crystal], names: Iterable[str], kinds: Mapping[str, Kind]
) -> tuple[list[Crystal], list[Property]]:
    """Return crystals whose labels of some properties are targets, and these properties.

    Args:
        crystals: Crystals with labels.
        names: Names of properties, aliases or columns.
        kinds: Name of a property to the kind that is wanted of it, where it is not to be found out.

    Raises:
        DataError: No crystal has a label of one of them, or the labels make no classes.
    """
    wanted_kinds = {property_name(name): kind for name, kind in kinds.items()}
    wanted = [find(name, crystals, wanted_kinds.get(property_name(name))).property for name in names]
    return with_class_targets(crystals, wanted), wanted


def with_class_targets(crystals: Iterable[Crystal], wanted: Iterable[Property]) -> list[Crystal]:
    """Return crystals whose targets of classes are the numbers of the classes, and NONE for a label that is none of them.

    What was changed once is not changed again.

    Args:
        crystals: Crystals with labels.
        wanted: Properties; of a scalar, truth values become the targets 0 and 1.
    """
    known = list(wanted)
    return [_with_targets(crystal, known) for crystal in crystals]


def labelled_rows(rows: Iterable[Crystal | Failure], wanted: Iterable[Property]) -> list[Crystal | Failure]:
    """Return rows whose crystals have the numbers of classes as targets, as `with_class_targets` makes them.

    Args:
        rows: Crystals and failures.
        wanted: Properties.
    """
    known = [prop for prop in wanted if prop.classes]
    return [_with_targets(row, known) if known and isinstance(row, Crystal) else row for row in rows]


def label_of(wanted: Property, target: float) -> float | str | None:
    """Return a target as tables show it: the name of the class, None for none of them, or the value of a scalar.

    Args:
        wanted: The property.
        target: Value, or number of the class.
    """
    if not wanted.classes:
        return target
    return wanted.classes[int(target)] if target >= 0 else None


def index_of(label: str, classes: Sequence[str]) -> int | None:
    """Return the number of the class that a label names, or None if it is none of the classes.

    Args:
        label: Name of a class in any case or, unless classes are called by numbers, its number; "true" and "false", "yes" and
            "no" for the second and the first of two.
        classes: Names of the classes.

    Example:
        >>> [index_of(label, ("insulator", "metal")) for label in ("metal", "Insulator", "true", "0", "glass")]
        [1, 0, 1, 0, None]
    """
    if label in classes:
        return list(classes).index(label)
    word = label.strip().casefold()
    names = [name.casefold() for name in classes]
    if word in names:
        return names.index(word)
    if any(name.isdecimal() for name in names):
        return None
    if len(classes) == 2 and word in _TRUTH:
        return _TRUTH[word]
    return int(word) if word.isdecimal() and len(word) < 4 and int(word) < len(classes) else None


def _with_targets(crystal: Crystal, wanted: Iterable[Property]) -> Crystal:
    targets, labels = dict(crystal.targets), dict(crystal.labels)
    for prop in wanted:
        name = prop.name
        if prop.kind == "scalar":
            if name not in targets and labels.get(name) in _NUMBERED:
                targets[name] = _NUMBERED[labels[name]]
        elif prop.classes and (name in labels or name in targets):
            label = labels[name] if name in labels else f"{targets[name]:g}"
            found = index_of(label, prop.classes)
            targets[name] = NONE if found is None else float(found)
            labels[name] = label if found is None else prop.classes[found]
    if targets == crystal.targets and labels == crystal.labels:
        return crystal
    return replace(crystal, targets=targets, labels=labels)


def _is_true_or_false(words: set[str], numbers: set[float]) -> bool:
    return numbers == {0, 1} and words <= _TRUTH.keys()


def _classes(name: str, words: set[str], numbers: set[float]) -> tuple[str, ...]:
    """Return the names of the classes that labels make."""
    if {word.casefold() for word in words} <= {"true", "false"} and numbers <= {0, 1} and words:
        return "false", "true"
    classes = [*sorted(words), *(f"{value:g}" for value in sorted(numbers))]
    if len(classes) > MOST:
        raise DataError(
            f"The labels of {name} have {len(classes)} different values, such as {shortened(classes[0])!r}, too many for classes",
            f"Give at most {MOST} classes, or numbers, which are learned as a scalar",
        )
    if len(classes) < 2:
        raise DataError(
            f"All labels of {name} are {classes[0]!r}, so there is nothing to tell apart",
            "Give crystals of two classes",
        )
    return tuple(classes)


def _registered(column: str) -> Property | None:
    try:
        return properties.get(column)
    except UnknownNameError:
        return None


def _absent(name: str, crystals: Sequence[Crystal], known: Property | None) -> DataError:
    columns = sorted({name for crystal in crystals for name in (*crystal.targets, *crystal.labels, *crystal.tensors)})
    what = "label of" if known else "column"
    cure = suggestion(name, columns, f"It has {', '.join(columns) or 'no labels at all'}")
    return DataError(f"The data has no {what} {name}", cure)


def said(found: Found, crystals: Iterable[Crystal]) -> str:
    """Return what is to be said of a property whose kind was found out from its labels; "" if nothing is.

    Args:
        found: The property, from `find`.
        crystals: Crystals with labels.
    """
    name = found.property.name
    count = sum(name in crystal.targets or name in crystal.labels for crystal in crystals)
    if not found.reason:
        return ""
    why, classes = f"{found.reason} ({counted(count, 'label')})", " or ".join(found.property.classes)
    if classes:
        numbers = set(found.property.classes) <= _NUMBERED.keys()
        cure = "; to learn it as a number, say --kind scalar" if numbers else ""
        return f"{why}, so it is learned as a class, {classes}{cure}"
    return f"{why}, and it is learned as a number; if these are codes of classes, say --kind class"
