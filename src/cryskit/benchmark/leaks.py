"""The leakage report of a row: what its test and training crystals share with one another and with those of its models."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryskit.atomic_write import read_json, write_json
from cryskit.benchmark.card import LeakageCounts
from cryskit.errors import CryskitError, DataError, ModelError, UnknownNameError
from cryskit.evaluate.leakage import Comparison, Seen
from cryskit.predict.card import digest
from cryskit.predict.published import path_of
from cryskit.training.start import manifest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryskit.benchmark.draw import Drawn
    from cryskit.training.plan import Plan
    from cryskit.types import Crystal


def files_of(plan: Plan) -> dict[str, str]:
    """Return every file that a plan names, a model to start from or to learn from, with its SHA-256.

    Args:
        plan: Training plan; every value of a key "file" in it names a file, and one that does not exist has the digest "".
    """
    found = {}
    for name in _files(plan.model_dump(mode="json")):
        path = _path(name)
        found[name] = file_digest(path) if path.is_file() else ""
    return found


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file; it is not read again until it changes."""
    return _digest(path, path.stat().st_mtime_ns)


class Reports:
    """Writes leakage reports, each once, however many rows share it.

    Args:
        folder: Folder of the reports.
        corpus: Crystals among which the structures of a manifest are found.
    """

    def __init__(self, folder: Path, corpus: Sequence[Crystal]) -> None:
        self._folder = folder
        self._corpus = corpus
        self._comparison = Comparison()

    def of(self, drawn: Drawn, files: Mapping[str, str]) -> LeakageCounts:
        """Return the counts of the report of a row and the name of its file.

        Args:
            drawn: The crystals of the row.
            files: Model file to its SHA-256, from `files_of`.
        """
        parts = [drawn.split.hash, *(c.fingerprint for c in drawn.test), *sorted(files.values()), len(self._corpus)]
        path = self._folder / f"{hashlib.sha256(' '.join(map(str, parts)).encode()).hexdigest()[:16]}.json"
        try:
            return _counts(path)
        except (DataError, LookupError, TypeError, AttributeError, ValueError):  # not written yet, or damaged
            write_json(self._compare(drawn, files), path)
            return _counts(path)

    def _compare(self, drawn: Drawn, files: Mapping[str, str]) -> dict[str, Any]:
        overlaps = {"training and test": self._comparison.overlap(drawn.test, Seen.of(drawn.seen)).to_json()}
        unknown = []
        for name in files:
            try:
                manifest = manifest_of(_path(name))
            except CryskitError:
                unknown.append(name)
                continue
            seen = Seen.of_manifest(manifest, self._corpus)
            for part, crystals in (("test", drawn.test), ("training", drawn.seen)):
                overlaps[f"{name} and {part}"] = self._comparison.overlap(crystals, seen).to_json()
        return {"overlaps": overlaps, "unknown": unknown}


def _counts(path: Path) -> LeakageCounts:
    """Return the counts of a report."""
    report = read_json(path, "Delete it; it will be made again")
    counts = {what: found["counts"] for what, found in report["overlaps"].items()}
    return LeakageCounts(file=path.name, counts=counts, unknown=report["unknown"])


def _files(values: Any) -> Iterator[str]:
    if isinstance(values, dict):
        for key, value in values.items():
            if key == "file" and isinstance(value, str):
                yield value
            else:
                yield from _files(value)
    elif isinstance(values, list):
        for value in values:
            yield from _files(value)


@cache
def _digest(path: Path, changed: int) -> str:
    del changed  # so that the digest is remembered until the file changes
    return digest(path)


def _path(name: str) -> Path:
    try:
        return path_of(name)
    except (ModelError, UnknownNameError):
        return Path(name)
