"""Data sets that come with the package: a Parquet file with a card each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from cryskit.data.readers.formats import read_named
from cryskit.data.validate import LIMIT
from cryskit.errors import DataError, UnknownNameError
from cryskit.types import Crystal
from cryskit.yaml_files import read_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cryskit.types import Failure

_FOLDER = Path(__file__).parent
_CURE = "Install the package again"


@dataclass(frozen=True)
class Source:
    """The card of a data set.

    Attributes:
        name: Name by which `--data` finds it.
        title: What is in it.
        rows: Number of crystals.
        units: Registry name of each property to its unit.
        licence: Terms of its use.
        citation: What to cite.
        doi: Digital object identifier of the article.
        origin: Where the rows come from and what was done to them.
        sha256: SHA-256 of the Parquet file, in hexadecimal digits.
        bundled: Whether it is part of the package.
    """

    name: str
    title: str
    rows: int
    units: Mapping[str, str]
    licence: str
    citation: str
    doi: str
    origin: str
    sha256: str
    bundled: bool = True

    @property
    def properties(self) -> tuple[str, ...]:
        """Registry names of its properties."""
        return tuple(self.units)

    @property
    def path(self) -> Path:
        """The Parquet file."""
        return _FOLDER / f"{self.name}.parquet"

    def verify(self) -> None:
        """Compare the file with the checksum of the card.

        Raises:
            DataError: The file is missing or was changed.
        """
        try:
            found = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as error:
            raise DataError(f"The data set {self.name} cannot be read ({error})", _CURE) from error
        if found != self.sha256:
            raise DataError(f"{self.path} is not the file that its card describes: its SHA-256 is {found}", _CURE)


@cache
def sources() -> Mapping[str, Source]:
    """Return the cards of the bundled data sets by name, in alphabetical order.

    Raises:
        DataError: A card is damaged.

    Example:
        >>> import cryskit
        >>> found = cryskit.datasets()["elastic_tensor"]
        >>> found.rows, found.units["bulk_modulus"]
        (952, 'GPa')
    """
    return MappingProxyType({card.stem: _card(card) for card in sorted(_FOLDER.glob("*.yaml"))})


def open_source(name: str, limit: int = LIMIT) -> Iterator[Crystal | Failure]:
    """Read a bundled data set once its checksum is verified.

    Args:
        name: Name of the data set.
        limit: Number of atoms that a cell may have.

    Returns:
        One item per row, in order.

    Raises:
        UnknownNameError: There is no such data set.
        DataError: The file was changed.
    """
    if name not in sources():
        raise UnknownNameError("bundled data set", name, sources())
    source = sources()[name]
    source.verify()
    rows = read_named(str(source.path), limit)
    return (replace(row, path="") if isinstance(row, Crystal) else row._replace(path="") for row in rows)


def _card(path: Path) -> Source:
    try:
        return Source(name=path.stem, **read_mapping(path, DataError))
    except TypeError as error:
        raise DataError(f"The card {path} cannot be read ({error})", _CURE) from error
