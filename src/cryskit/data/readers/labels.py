"""Ids of crystals from the paths of their files: the shortest that tells one file from the others."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath
from typing import TYPE_CHECKING

from cryskit.data.readers.formats import stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def labels_of(paths: Iterable[str]) -> dict[str, str]:
    """Return an id for each path: its file name without ending, with as much more of the path as it takes to be unique.

    Args:
        paths: Paths of files; one that is given twice has one id.

    Example:
        >>> labels_of(["runs/a/CONTCAR", "runs/b/CONTCAR", "runs/b/Si.cif"])
        {'runs/a/CONTCAR': 'a/CONTCAR', 'runs/b/CONTCAR': 'b/CONTCAR', 'runs/b/Si.cif': 'Si'}
    """
    names = {path: _candidates(PurePath(path)) for path in dict.fromkeys(paths)}
    found: dict[str, str] = {}
    left = {path: next(more) for path, more in names.items()}
    while left:
        shared = Counter(left.values())
        found |= {path: name for path, name in left.items() if shared[name] == 1}
        left = {path: next(names[path], path) for path, name in left.items() if shared[name] > 1 and name != path}
    return {path: found.get(path, path) for path in names}


def _candidates(path: PurePath) -> Iterator[str]:
    """Yield the names that a file may have, the shortest first: without and with its ending, from its last folder on."""
    folders = [part for part in path.parts[:-1] if part != path.anchor]
    for count in range(len(folders) + 1):
        behind = folders[len(folders) - count :]
        yield "/".join([*behind, stem(path.name)])
        yield "/".join([*behind, path.name])
