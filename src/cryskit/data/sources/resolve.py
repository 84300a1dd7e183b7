"""Which data set a text stands for: the name of a bundled one, `scheme:...` for a registered source, or else a path.

Only a scheme of REMOTES leads to another computer, and only once rows are asked for.
"""

from __future__ import annotations

import re
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryskit.data.sources.bundled import open_source, sources
from cryskit.data.validate import LIMIT
from cryskit.errors import QUOTED_PATH, DataError, shortened, suggestion
from cryskit.registry import REMOTES, SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryskit.data.remote.pages import Remote
    from cryskit.types import Crystal, Failure

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)")  # two letters or more: one is a drive of Windows


def named(src: str, limit: int = LIMIT) -> Iterator[Crystal | Failure] | None:
    """Return the rows of the data set that a text names, None if the text is the path of what is there.

    Args:
        src: Name of a bundled data set, path of a file or folder (one that begins with ./ is always a path), or a scheme
            of SOURCES or REMOTES, ":" and what its source takes, such as "bundled:elastic_tensor" or "optimade:mp?nelements=2". A
            path that exists goes before a scheme.
        limit: Number of atoms that a cell may have.

    Raises:
        DataError: There is neither such a data set nor such a path, the data set was changed, or it is on another computer and
            connections are forbidden.
        UnknownNameError: The source of the scheme knows no such name.
    """
    if src in sources():
        return open_source(src, limit)
    if _exists(src):
        return None
    scheme, rest = _scheme(src)
    if scheme in REMOTES:
        return _stream(REMOTES[scheme](rest), limit)
    rows: Iterator[Crystal | Failure] = SOURCES[scheme](rest, limit)
    return rows


def remote(src: str, **settings: Any) -> Remote:
    """Return the data set on another computer that a text names; nothing is connected to.

    Args:
        src: Scheme of REMOTES, ":" and what its source takes.
        settings: Further arguments of the source; those that are None are left out.

    Raises:
        DataError: It names none, or its source has no such argument.
        UnknownNameError: The source of the scheme knows no such name.
    """
    scheme, rest = _scheme(src)
    if scheme not in REMOTES:
        known = ", ".join(f"{each}:" for each in REMOTES)
        raise DataError(f"{shortened(src, QUOTED_PATH)} is nothing to fetch, it is here", f"Give one of {known}")
    given = {name: value for name, value in settings.items() if value}
    strange = [name for name in given if name not in signature(REMOTES[scheme]).parameters]
    if strange:
        raise DataError(f"A source {scheme}: takes no {strange[0].replace('_', ' ')}", "Leave it out")
    made: Remote = REMOTES[scheme](rest, **given)
    return made


def _stream(made: Remote, limit: int) -> Iterator[Crystal | Failure]:
    from cryskit.data.remote.stream import stream  # noqa: PLC0415 - only who asks for another computer waits for it

    return stream(made, limit)


def is_named(src: object) -> bool:
    """Return whether a value names a data set, a bundled one by its name alone or any with a scheme; a path that exists is none.

    Args:
        src: A text, or anything else, which is none.
    """
    if not isinstance(src, str):
        return False
    return src in sources() or (_SCHEME.fullmatch(src) is not None and not _exists(src))


def require_source(src: str) -> None:
    """Refuse a text that stands for no data set, before any work is done.

    Args:
        src: Text as for `named`.

    Raises:
        DataError: There is neither such a data set nor such a path, or it is on another computer and connections are forbidden.
        UnknownNameError: The source of a scheme of REMOTES knows no such name.
    """
    if src in sources() or _exists(src):
        return
    scheme, rest = _scheme(src)
    if scheme in REMOTES:
        _stream(REMOTES[scheme](rest), LIMIT)


def _exists(src: str) -> bool:
    """Return whether a text is the path of something; one that is too long for a path, or has a null character, is none."""
    try:
        return Path(src).exists()
    except (OSError, ValueError):
        return False


def _scheme(src: str) -> tuple[str, str]:
    """Return a scheme and what stands behind it.

    Raises:
        DataError: The text has no scheme, or one that nobody knows.
    """
    found, shown = _SCHEME.fullmatch(src), shortened(src, QUOTED_PATH)
    if found is None:
        cure = suggestion(src, sources(), "Check the path, or see `cryskit data list` for names")
        content = "To read the content of a file, give it opened: read(io.StringIO(text), name='crystal.cif')"
        raise DataError(f"There is no data set, file or folder called {shown!r}", content if "\n" in src else cure)
    scheme, rest = found.groups()
    known = (*SOURCES, *REMOTES)
    if scheme not in known:
        raise DataError(
            f"There is no file {shown}, and no source of data sets with the scheme {scheme!r}",
            f"Check the path, or give one of the schemes {', '.join(f'{each}:' for each in known)}",
        )
    return scheme, rest
