"""Data sets of JARVIS (https://jarvis.nist.gov), which are zip archives of JSON on figshare."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cryskit.data.remote.addresses import Terms
from cryskit.data.remote.files import RemoteFile
from cryskit.data.remote.pages import Query
from cryskit.errors import DataError, UnknownNameError
from cryskit.yaml_files import read_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = "https://ndownloader.figshare.com"
"""Address of the server of the files."""

_FILE = Path(__file__).with_name("jarvis.yaml")


class DataSet(NamedTuple):
    """A data set of JARVIS.

    Attributes:
        file: Number of its file on figshare.
        name: Name of the file within the archive.
        title: What is in it.
        doi: Digital object identifier of the article to cite.
    """

    file: int
    name: str
    title: str
    doi: str


@cache
def data_sets() -> Mapping[str, DataSet]:
    """Return the known data sets by name.

    Raises:
        DataError: The table is damaged.
    """
    try:
        return MappingProxyType({name: DataSet(**each) for name, each in read_mapping(_FILE, DataError).items()})
    except TypeError as error:
        raise DataError(f"{_FILE} cannot be read ({error})", "Install the package again") from error


class Jarvis(RemoteFile):
    """A data set of JARVIS.

    Args:
        rest: Name of the data set, "dft_3d".
        base: Address of the server.

    Raises:
        UnknownNameError: There is no such data set.
    """

    def __init__(self, rest: str, base: str = BASE) -> None:
        if rest not in data_sets():
            raise UnknownNameError("data set of JARVIS", rest, data_sets())
        found = data_sets()[rest]
        super().__init__(
            Query(
                source=f"jarvis:{rest}",
                provider="jarvis",
                terms=Terms(found.title, "CC-BY-4.0", found.doi),
                query=found.name,
                first=f"{base}/files/{found.file}",
                ending=".json.zip",
            ),
            f"{found.name}.zip",
        )
