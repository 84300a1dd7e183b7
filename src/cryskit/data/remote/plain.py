"""A file at an address: https of the hosts that are known, and http of this computer itself."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote

from cryskit.data.remote.addresses import UNKNOWN, hosts, require_allowed
from cryskit.data.remote.files import RemoteFile
from cryskit.data.remote.pages import Query


class Https(RemoteFile):
    """A file at an address that begins with https:.

    Args:
        rest: The address behind "https:".
        scheme: What stands in front of it.

    Raises:
        DataError: It may not be connected to, or its name tells no format.
    """

    def __init__(self, rest: str, scheme: str = "https") -> None:
        address = f"{scheme}:{rest}"
        parts = require_allowed(address)
        name = PurePosixPath(unquote(parts.path)).name
        super().__init__(
            Query(
                source=address,
                provider=parts.netloc,
                terms=hosts().get(parts.hostname or "", UNKNOWN),
                query=name,
                first=address,
                ending=".file",
            ),
            name,
        )


class Http(Https):
    """A file at an address that begins with http:, of this computer itself.

    Args:
        rest: The address behind "http:".

    Raises:
        DataError: It is of another computer, or its name tells no format.
    """

    def __init__(self, rest: str) -> None:
        super().__init__(rest, "http")
