"""The files of a folder and of all folders in it: which are structures, which are parts of a data set, which are neither."""

from __future__ import annotations

import os
import warnings
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from cryskit.data.readers.formats import format_of
from cryskit.errors import DataError, FilesNotReadWarning

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

TABLE, ENTRIES = "id_prop.csv", "id_prop.json"
"""Files of a folder that say what is in it, as CGCNN and ALIGNN have them."""

_FEATURES = "atom_init.json"  # of CGCNN, no structure
_ACCOMPANY = (
    *("README*", "LICEN[CS]E*", "COPYING*", "NOTICE*", "CITATION*", "CHANGELOG*", "MANIFEST*", "CHECKSUMS*"),
    *("*.MD", "*.RST", "*.YAML", "*.YML", "*.TOML", "*.PY", "*.SH", "*.IPYNB", "*.SHA256", "*.MD5", "THUMBS.DB"),
)
"""Patterns of the names of files that accompany data, in upper case."""
_NO_DATA = ("__pycache__", ".safetensors.run")  # ends of the names of folders: of Python, and of trainings
_SHOWN = 5


class Tree(NamedTuple):
    """The files of a folder and of the folders in it; hidden ones, __pycache__ and those of trainings (NAME.safetensors.run) are left out.

    Attributes:
        folder: The folder.
        files: The files, those of a folder sorted by name and before those of the folders in it.
        closed: The folders in it that cannot be opened.
    """

    folder: Path
    files: list[Path]
    closed: list[Path]

    @property
    def structures(self) -> list[Path]:
        """The structure files."""
        return [path for path in self._in("structure") if path.name != _FEATURES]

    @property
    def shards(self) -> list[Path]:
        """The files that are parts of one data set."""
        return self._in("shard")

    def below(self, folder: Path) -> Tree:
        """Return the part of it that is in a folder of it."""
        return Tree(folder, *([path for path in part if folder in path.parents] for part in (self.files, self.closed)))

    def warn_of_others(self, read: Container[Path], names: Iterable[str] = ()) -> None:
        """Warn of the files that are not read and do not merely accompany data.

        Args:
            read: Paths of the files that are read.
            names: Names of files that are no structures and are known all the same.
        """
        known = {TABLE, ENTRIES, _FEATURES, *names}
        others = [
            path.relative_to(self.folder).as_posix()
            for path in self.files
            if not (path in read or path.name in known)
            and not any(fnmatchcase(path.name.upper(), pattern) for pattern in _ACCOMPANY)
        ]
        others += [f"{path.relative_to(self.folder).as_posix()}/ (which cannot be opened)" for path in self.closed]
        if others:
            shown = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
            warnings.warn(f"{len(others)} in {self.folder} not read: {shown}", FilesNotReadWarning, stacklevel=2)

    def _in(self, part: Literal["structure", "shard"]) -> list[Path]:
        known = ((path, format_of(path.name)) for path in self.files)
        return [path for path, found in known if found and found.in_folder == part]


def tree_of(folder: Path) -> Tree:
    """Return the files of a folder and of all folders in it; a folder that is reached twice, by a link, counts once.

    Args:
        folder: The folder.

    Raises:
        DataError: It cannot be opened.
    """
    found = Tree(folder, [], [])
    refused: list[OSError] = []
    seen = set()
    for place, folders, files in os.walk(folder, onerror=refused.append, followlinks=True):
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or name.endswith(_NO_DATA)))
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        found.files.extend(Path(place, name) for name in sorted(files) if not name.startswith("."))
    if refused and not seen:
        raise DataError(f"{folder} cannot be read ({refused[0].strerror})", "Check that you may read it")
    found.closed.extend(Path(str(error.filename)) for error in refused)
    return found
