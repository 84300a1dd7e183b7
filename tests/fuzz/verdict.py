"""What became of a file: read, refused, warned; or, which must not be, an untyped exception or another crystal."""

from __future__ import annotations

import warnings
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from data.samples import same
from fuzz.contradictions import CONTRADICTIONS
from fuzz.seeds import kinds

from cryskit.errors import CryskitError
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from fuzz.seeds import Kind

FAULTS = ("untyped", "unexpected", "silent", "hang")
"""Verdicts that must not be."""
_UNEXPECTED = "not foreseen"  # what the failure says of a row that ended in an exception nobody thought of
_CONTRADICTING = 0.35  # of the files of a kind that has such mutations


class Verdict(NamedTuple):
    """What became of a file.

    Attributes:
        kind: Kind of file.
        outcome: "ok", "warned", "refused", or one of FAULTS.
        detail: The class of the error, or the mutation that was not noticed.
    """

    kind: str
    outcome: str
    detail: str = ""


def kind_of(number: int) -> Kind:
    """Return the kind of an input."""
    return kinds()[number % len(kinds())]


def input_of(number: int) -> tuple[Kind, bytes, str]:
    """Return the kind and content of an input, and which mutation it has that must be noticed, "" if none."""
    random = Random(number)
    kind = kind_of(number)
    contradicting = CONTRADICTIONS.get(kind.name, ())
    if contradicting and random.random() < _CONTRADICTING:
        mutation = random.choice(contradicting)
        return kind, mutation(kind.content.decode(), random).encode(), mutation.__name__
    data = kind.mutate(kind.content, random)
    return kind, data, "checksum" if kind.checked and data != kind.content else ""


def judge(number: int, folder: Path) -> Verdict:  # noqa: PLR0911 - one for each verdict
    """Read an input and say what became of it.

    Args:
        number: Number of the input, from which it follows.
        folder: Empty folder to write it to.
    """
    kind, data, must = input_of(number)
    path = folder / kind.file
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rows = kind.use(path)
        except CryskitError as error:
            return Verdict(kind.name, "refused", type(error).__name__)
        except Exception as error:  # noqa: BLE001 - it is what is looked for
            return Verdict(kind.name, "untyped", f"{type(error).__name__}: {str(error)[:80]}")
    for row in rows:
        if isinstance(row, Failure) and _UNEXPECTED in row.error.problem.lower():
            return Verdict(kind.name, "unexpected", row.error.problem[:100])
        if not isinstance(getattr(row, "error", row), Crystal | CryskitError):
            return Verdict(kind.name, "untyped", f"a row is a {type(row).__name__}")
    if must and _is_silent(kind, rows):
        return Verdict(kind.name, "silent", must)
    failed = [row for row in rows if isinstance(row, Failure)]
    if failed:
        return Verdict(kind.name, "refused", type(failed[0].error).__name__)
    warned = any(isinstance(row, Crystal) and row.warnings for row in rows)
    return Verdict(kind.name, "warned" if warned else "ok")


def _is_silent(kind: Kind, rows: list[Crystal | Failure]) -> bool:
    """Return whether a row is read without a word as another crystal than that of the sound file."""
    if kind.name == "split":
        return False  # `Split.load` compares the hash itself, and a file that says the same has the same
    sound = original(kind.name)
    if any(isinstance(row, Failure) or row.warnings for row in rows):
        return False
    return len(rows) != len(sound) or not all(same(a, b, 1e-4) for a, b in zip(rows, sound, strict=True))


_ORIGINALS: dict[str, list[Crystal | Failure]] = {}


def original(name: str) -> list[Crystal | Failure]:
    """Return the rows of the sound file of a kind."""
    if name not in _ORIGINALS:
        from pathlib import Path
        from tempfile import TemporaryDirectory

        kind = next(kind for kind in kinds() if kind.name == name)
        with TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            path = Path(folder) / kind.file
            path.write_bytes(kind.content)
            _ORIGINALS[name] = kind.use(path)
    return _ORIGINALS[name]
