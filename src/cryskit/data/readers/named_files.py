"""Structure files that rows of a table name, by a path or by their id."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from cryskit.data.readers.formats import read_named, stem
from cryskit.data.readers.tree import tree_of
from cryskit.data.targets import IDS, PATHS
from cryskit.errors import QUOTED_PATH, DataError, UnreadableError, shortened
from cryskit.types import Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryskit.types import Crystal

_NAMES = (*PATHS, *IDS, "name", "structure_id", "structure")


class NamedFiles:
    """The structure files that rows may name.

    Args:
        base: Folder from which the paths in columns of PATHS lead to files; None if no such path is followed, because the
            table came from elsewhere.
        folder: Folder of structure files, with the folders in it, in which they are looked up by name or id; None if rows
            without a path have to hold the structure themselves.

    Raises:
        DataError: The folder is none.
    """

    def __init__(self, base: Path | None, folder: Path | None = None) -> None:
        self.base, self.folder = base, folder
        self._paths: dict[str, list[Path]] = {}
        self.read: set[Path] = set()
        if folder is None:
            return
        if not folder.is_dir():
            raise DataError(f"{shortened(folder, QUOTED_PATH)} is no folder", "Give the folder of the structure files")
        for path in tree_of(folder).structures:
            whole = path.relative_to(folder)
            for key in {path.name, stem(path.name), whole.as_posix(), whole.with_name(stem(path.name)).as_posix()}:
                self._paths.setdefault(key, []).append(path)
            if whole.parent.parts:
                self._paths.setdefault(whole.parent.as_posix(), []).append(path)

    def __bool__(self) -> bool:
        """Return whether there is a file that can be named."""
        return bool(self._paths) or (self.folder is None and self.base is not None)

    def __contains__(self, name: object) -> bool:
        """Return whether a name is that of a file in the folder."""
        return isinstance(name, str) and self._key(name) in self._paths

    def column(self, columns: Iterable[str]) -> str | None:
        """Return the column whose values name the files, None if there is none.

        Args:
            columns: Names of the columns; where files are looked up by id and no column is known, it is the first.
        """
        names = list(columns)
        lower = {name.strip().lower(): name for name in reversed(names)}
        known = _NAMES if self.folder else PATHS
        return next((lower[name] for name in known if name in lower), names[0] if self.folder and names else None)

    @staticmethod
    def id_of(value: str) -> str:
        """Return the id of the crystal in a file: its name without ending, with its folder where it has no ending (CONTCAR).

        Args:
            value: Path, file name or id.
        """
        path = PurePath(value)
        bare = stem(path.name)
        return "/".join(path.parts[-2:]) if bare == path.name and not path.is_absolute() else bare

    def crystal(self, value: Any, name: str, limit: int) -> Crystal:
        """Return the crystal in the file that a value names.

        Args:
            value: Path, file name with or without ending, or id.
            name: Id of the crystal.
            limit: Number of atoms that a cell may have.

        Raises:
            CrystalError: There is no such file, several may be meant, or it does not hold one crystal that can be used.
        """
        path = self._path(str(value))
        self.read.add(path)
        try:
            rows = list(read_named(str(path), limit, label=name))
        except DataError as error:
            raise UnreadableError(error.problem, error.cure) from error
        if len(rows) != 1:
            raise UnreadableError(
                f"{path.name} holds {len(rows)} structures, expected one", "Give one file for each row"
            )
        if isinstance(rows[0], Failure):
            raise rows[0].error
        return rows[0]

    def _path(self, value: str) -> Path:
        found = self._paths.get(self._key(value), [])
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.relative_to(self.folder or path.anchor).as_posix() for path in found[:3])
            raise UnreadableError(f"{value!r} may be any of {names}", "Name the file with its folder and its ending")
        if self.folder is not None:
            raise UnreadableError(
                f"There is no structure file for {value!r} in {self.folder}, by name or id",
                "Add it or remove the row",
            )
        path = Path(self.base or "", value)
        if self.base is None or not path.is_file():
            why = "where its table is" if self.base is not None else "as the table came from elsewhere"
            raise UnreadableError(f"There is no file {value!r} {why}", "Check the path, or give `structures`")
        return path

    def _key(self, value: str) -> str:
        key = value.strip().replace("\\", "/").removeprefix("./")
        return key if key in self._paths else stem(key)
