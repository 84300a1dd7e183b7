"""The rows of a remote data set as they come, a page on disk at a time."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cryskit.data.remote.addresses import require_online
from cryskit.data.remote.connection import LIMITS, Connection, Limits
from cryskit.data.remote.pages import pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.remote.pages import Remote
    from cryskit.types import Crystal, Failure


def stream(remote: Remote, limit: int, limits: Limits = LIMITS) -> Iterator[Crystal | Failure]:
    """Return the rows of a remote data set; the first page is fetched when the first row is asked for.

    Args:
        remote: The data set.
        limit: Number of atoms that a cell may have.
        limits: Limits of sizes and times.

    Raises:
        DataError: Connections are forbidden; later, a page cannot be fetched or contradicts itself.
    """
    require_online(remote.query.source)
    return _rows(remote, limit, limits)


def _rows(remote: Remote, limit: int, limits: Limits) -> Iterator[Crystal | Failure]:
    connection = Connection(remote.query.source, remote.query.hosts, limits, remote.headers())
    with tempfile.TemporaryDirectory(prefix="cryskit-") as folder:
        for page, path in pages(remote, connection, Path(folder), []):
            yield from remote.rows(path, page.number, limit)
            path.unlink()
