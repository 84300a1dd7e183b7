"""The tasks of Matbench v0.1 (doi 10.1038/s41524-020-00406-3), with the official checksums and numbers of rows."""

from __future__ import annotations

from cryskit.data.official import TASKS, task_of
from cryskit.data.remote.addresses import hosts
from cryskit.data.remote.files import RemoteFile
from cryskit.data.remote.pages import Query

BASE = "https://ml.materialsproject.org"
"""Address of the server of the files."""


class Matbench(RemoteFile):
    """The published file of a task.

    Args:
        rest: Name of the task, with or without "matbench_" in front.
        base: Address of the server.

    Raises:
        DataError: There is no such task, or its rows have no structures.
    """

    def __init__(self, rest: str, base: str = BASE) -> None:
        name = rest if rest in TASKS else f"matbench_{rest}"
        task = task_of(name)
        super().__init__(
            Query(
                source=f"matbench:{rest}",
                provider="matbench",
                terms=hosts()["ml.materialsproject.org"],
                query=name,
                first=f"{base}/projects/{name}.json.gz",
                ending=".json.gz",
                rows=task.rows,
                sha256=task.sha256,
            ),
            f"{name}.json.gz",
        )
