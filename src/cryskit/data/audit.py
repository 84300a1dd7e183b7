"""Audit of a data set: crystals that occur twice, labels that are out of range or far from the others, doubtful tensors, missing labels.

Values outside the physical range of their property need no statistics and no list of known errors. Outliers are values
far from the median on the scale the property is learned on, in units of the wider of two robust standard deviations:
from the median absolute deviation, and from the 0.5 and 99.5 percentiles (so that a long tail is no outlier).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import inf, log10
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cryskit.elements import formula, symbol
from cryskit.properties import registered_or_new
from cryskit.tensors.check import fit, flaws, misfit
from cryskit.types import Failure, Property

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cryskit.types import Crystal

FAR = 8.0
"""Number of robust standard deviations from the median beyond which a label is an outlier."""
CLOSE = 0.005
"""Relative difference of the volume per atom within which crystals of one formula may be the same."""

_PER_MAD = 1.4826  # standard deviations of a normal distribution in its median absolute deviation
_PER_TAIL = 2.5758  # distance of the 99.5 percentile of a normal distribution from its median

Kind = Literal["failure", "repeated id", "duplicate", "similar", "outside range", "outlier", "doubtful tensor"]


class Finding(NamedTuple):
    """One thing to look at.

    Attributes:
        kind: What was found: a row that is no crystal, an id used twice, the same content under several ids, the same
            formula with nearly the same volume, a label outside the physical range, a label far from the others, a tensor that is
            not symmetric, not positive definite, or not in the symmetry of its crystal.
        ids: Ids of the rows concerned.
        message: What was found, with the value and its unit.
        property: Registry name of the property of the label, or "".
        value: Label in the unit of its property, or None.
    """

    kind: Kind
    ids: tuple[str, ...]
    message: str
    property: str = ""
    value: float | None = None


class Labels(NamedTuple):
    """One row of the table of an audit: the labels of one property."""

    property: str
    unit: str
    known: int
    missing: int
    low: float
    median: float
    high: float
    outside: int
    outliers: int


class TensorLabels(NamedTuple):
    """One row of the table of tensors of an audit.

    Attributes:
        property: Registry name of the property.
        unit: Unit of the property.
        known: Number of crystals that have such a tensor.
        missing: Number of crystals that have none.
        impossible: Number of tensors that are not symmetric or not positive definite, which train nothing.
        input: Number of tensors that have the symmetry of their crystal in the frame of its lattice, as they should.
        ieee: Number of tensors that have it only when they are turned back from the IEEE standard frame.
        neither: Number of tensors that have it in none of these frames.
    """

    property: str
    unit: str
    known: int
    missing: int
    impossible: int
    input: int
    ieee: int
    neither: int


@dataclass(frozen=True)
class Audit:
    """The report on a data set.

    Attributes:
        crystals: Number of rows that are crystals.
        atoms: Number of atoms in all of them.
        formulas: Number of different reduced formulas.
        table: Statistics of the labels, one row per property.
        tensors: The tensors, and in which frames they are, one row per property.
        findings: Rows and labels to look at.
        elements: Element symbol to the number of crystals with that element, the most frequent first.
    """

    crystals: int
    atoms: int
    formulas: int
    table: tuple[Labels, ...]
    tensors: tuple[TensorLabels, ...]
    findings: tuple[Finding, ...]
    elements: Mapping[str, int]

    def of(self, kind: Kind) -> list[Finding]:
        """Return the findings of one kind."""
        return [finding for finding in self.findings if finding.kind == kind]


class _Row(NamedTuple):
    """What the audit keeps of a crystal."""

    id: str
    fingerprint: str
    formula: str
    volume: float
    targets: Mapping[str, float]


class _Tensor(NamedTuple):
    """What the audit keeps of a tensor: its property, what is doubtful, whether it can be, and the frame in which it fits."""

    property: str
    findings: tuple[Finding, ...]
    possible: bool
    frame: str


def audit(items: Iterable[Crystal | Failure], far: float = FAR, close: float = CLOSE) -> Audit:
    """Audit a data set in one pass; the crystals themselves are not kept.

    Args:
        items: Crystals and failures, as a reader yields them.
        far: Number of robust standard deviations from the median beyond which a label is an outlier.
        close: Relative difference of the volume per atom within which crystals of one formula may be the same.
    """
    failures: list[Finding] = []
    rows: list[_Row] = []
    looked_at: list[_Tensor] = []
    elements: Counter[str] = Counter()
    atoms = 0
    for item in items:
        if isinstance(item, Failure):
            failures.append(Finding("failure", (item.id,), str(item.error)))
            continue
        volume = abs(float(np.linalg.det(item.lattice))) / len(item)
        rows.append(_Row(item.id, item.fingerprint, formula(item.numbers), volume, item.targets))
        looked_at += _looked_at(item)
        elements.update(symbol(int(number)) for number in np.unique(item.numbers))
        atoms += len(item)
    table, label_findings = _labels(rows, far)
    return Audit(
        crystals=len(rows),
        atoms=atoms,
        formulas=len({row.formula for row in rows}),
        table=tuple(table),
        tensors=tuple(_tensors(looked_at, len(rows))),
        findings=(
            *failures,
            *_repeated(rows),
            *_duplicates(rows),
            *_similar(rows, close),
            *label_findings,
            *(each for one in looked_at for each in one.findings),
        ),
        elements=dict(elements.most_common()),
    )


def _grouped(rows: list[_Row], key: Literal["id", "fingerprint", "formula"]) -> Iterator[tuple[str, list[_Row]]]:
    groups: dict[str, list[_Row]] = {}
    for row in rows:
        groups.setdefault(getattr(row, key), []).append(row)
    return ((name, members) for name, members in groups.items() if len(members) > 1)


def _repeated(rows: list[_Row]) -> Iterator[Finding]:
    for name, members in _grouped(rows, "id"):
        yield Finding("repeated id", (name,), f"{len(members)} rows have this id")


def _duplicates(rows: list[_Row]) -> Iterator[Finding]:
    for _, members in _grouped(rows, "fingerprint"):
        ids = tuple(row.id for row in members)
        yield Finding("duplicate", ids, f"{len(ids)} rows are the same crystal, {members[0].formula}")


def _similar(rows: list[_Row], close: float) -> Iterator[Finding]:
    """Yield crystals of one formula whose volume is within `close` of the smallest of them, identical ones counted once."""
    once = list({row.fingerprint: row for row in rows}.values())
    for name, members in _grouped(once, "formula"):
        remaining = sorted(members, key=lambda row: row.volume)
        while remaining:
            limit = remaining[0].volume * (1 + close)
            alike = [row for row in remaining if row.volume <= limit]
            remaining = remaining[len(alike) :]
            if len(alike) > 1:
                volumes = f"{alike[0].volume:.2f} to {alike[-1].volume:.2f} A3/atom"
                ids = tuple(row.id for row in alike)
                yield Finding("similar", ids, f"{len(ids)} crystals of {name} with {volumes}")


def _labels(rows: list[_Row], far: float) -> tuple[list[Labels], list[Finding]]:
    table, findings = [], []
    for name in dict.fromkeys(name for row in rows for name in row.targets):
        known = [row for row in rows if name in row.targets]
        kind = registered_or_new(name)
        outside = list(_outside(known, kind))
        outliers = list(_outliers(known, kind, far))
        values = np.array([row.targets[name] for row in known])
        low, median, high = float(values.min()), float(np.median(values)), float(values.max())
        missing = len(rows) - len(known)
        table.append(Labels(name, kind.unit, len(known), missing, low, median, high, len(outside), len(outliers)))
        findings += [*outside, *outliers]
    return table, findings


def _outside(rows: list[_Row], kind: Property) -> Iterator[Finding]:
    low, high = kind.range
    for row in rows:
        value = row.targets[kind.name]
        if not low <= value <= high:
            message = f"{_text(value, kind)} is outside {low:g} to {high:g}"
            yield Finding("outside range", (row.id,), message, kind.name, value)


def _outliers(rows: list[_Row], kind: Property, far: float) -> Iterator[Finding]:
    labels = [row.targets[kind.name] for row in rows]
    values = np.array([_learned(label, kind) for label in labels])
    usable = values[np.isfinite(values)]
    if not len(usable):
        return
    centre = float(np.median(usable))
    spread = _PER_MAD * float(np.median(np.abs(usable - centre)))
    lower, upper = (float(limit) for limit in np.percentile(usable, (0.5, 99.5)))
    scale = max(spread, (upper - lower) / (2 * _PER_TAIL))
    distances = np.abs(values - centre) / scale if scale > 0 else np.zeros(len(values))
    for row, label, distance in zip(rows, labels, distances, strict=True):
        if far < distance < inf:
            message = f"{_text(label, kind)} is {distance:.1f} robust standard deviations from the median"
            yield Finding("outlier", (row.id,), message, kind.name, label)


def _looked_at(crystal: Crystal) -> Iterator[_Tensor]:
    """Yield what is doubtful about the tensors of a crystal."""
    for name, matrix in crystal.tensors.items():
        kind = registered_or_new(name).tensor
        if kind is not None:
            wrong, found = flaws(matrix, kind), fit(matrix, crystal, kind)
            messages = [*(flaw.reason for flaw in wrong), *misfit(found, kind)]
            findings = (Finding("doubtful tensor", (crystal.id,), message, name) for message in messages)
            yield _Tensor(name, tuple(findings), not wrong, found.frame)


def _tensors(looked_at: list[_Tensor], crystals: int) -> Iterator[TensorLabels]:
    for name in dict.fromkeys(one.property for one in looked_at):
        some = [one for one in looked_at if one.property == name]
        frames = Counter(one.frame for one in some)
        wrong = sum(not one.possible for one in some)
        counts = (len(some), crystals - len(some), wrong, frames["input"], frames["ieee"], frames["none"])
        yield TensorLabels(name, registered_or_new(name).unit, *counts)


def _learned(label: float, kind: Property) -> float:
    if kind.transform == "log10":
        return log10(label) if label > 0 else -inf
    return label


def _text(label: float, kind: Property) -> str:
    return f"{label:.6g} {kind.unit}".rstrip()
