"""Which data set a user means: the name of a bundled one, a path, or `scheme:...` for a registered source."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cryskit.data.read import read
from cryskit.data.sources.bundled import open_source, sources
from cryskit.data.validate import LIMIT
from cryskit.errors import DataError, UnknownNameError
from cryskit.registry import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.types import Crystal, Failure

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)  # two letters or more: one is a drive of Windows


def resolve(src: str, limit: int = LIMIT) -> Iterator[Crystal | Failure]:
    """Read the data set that a user names.

    Args:
        src: Name of a bundled data set, path of a file or folder (one that begins with ./ is always a path), or a scheme
            of SOURCES, ":" and what its source takes, such as "bundled:elastic_tensor". A path that exists goes before
            a scheme.
        limit: Number of atoms that a cell may have.

    Returns:
        One item per row, in order.

    Raises:
        UnknownNameError: There is neither such a data set nor such a path.
        DataError: There is no such scheme, or the source as a whole cannot be read.
    """
    if src in sources():
        return open_source(src, limit)
    if Path(src).exists():
        return read(src, limit=limit)
    named = _SCHEME.fullmatch(src)
    if not named:
        raise UnknownNameError("data set, file or folder", src, sources())
    scheme, rest = named.groups()
    if scheme not in SOURCES:
        raise DataError(
            f"There is no file {src}, and no source of data sets with the scheme {scheme!r}",
            f"Check the path, or give one of the schemes {', '.join(f'{known}:' for known in SOURCES)}",
        )
    rows: Iterator[Crystal | Failure] = SOURCES[scheme](rest, limit)
    return rows
