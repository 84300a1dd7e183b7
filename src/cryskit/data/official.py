"""The tasks of Matbench v0.1 as they are published, so that nothing else goes by their names.

Rows, inputs and kinds are those of the benchmark's own list, the SHA-256 of the files (`<task>.json.gz`) those by which matminer
checks its downloads. The folds of a classification task depend on its labels: their hash is that of the ids of the five test
folds in the benchmark's validation file.
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cryskit.checksum import sha256_of
from cryskit.errors import DataError, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class OfficialTask(NamedTuple):
    """A task of Matbench.

    Attributes:
        rows: Number of its rows.
        sha256: SHA-256 of its file.
        structures: Whether its rows have structures, not compositions alone.
        folds: First sixteen digits of the SHA-256 of the names of the test rows of all folds, for a classification task; else "".
    """

    rows: int
    sha256: str
    structures: bool = True
    folds: str = ""

    @property
    def is_classification(self) -> bool:
        """Whether its label is a class."""
        return bool(self.folds)


TASKS: Mapping[str, OfficialTask] = MappingProxyType(
    {
        "matbench_dielectric": OfficialTask(4764, "83befa09bc2ec2f4b6143afc413157827a90e5e2e42c1eb507ccfa01bf26a1d6"),
        "matbench_expt_gap": OfficialTask(
            4604, "783e7d1461eb83b00b2f2942da4b95fda5e58a0d1ae26b581c24cf8a82ca75b2", structures=False
        ),
        "matbench_expt_is_metal": OfficialTask(
            4921,
            "8f2a4f9bacdcbc5c2c73615629ee7986f09d39bed40ba7db52b61b2889730887",
            structures=False,
            folds="a9743231c5f6b53e",
        ),
        "matbench_glass": OfficialTask(
            5680,
            "36beb654e2a463ee2a6572105bea0ca2961eee7c7b26a25377bff2c3b338e53a",
            structures=False,
            folds="fb6a1aa359eae678",
        ),
        "matbench_jdft2d": OfficialTask(636, "26057dc4524e193e32abffb296ce819b58b6e11d1278cae329a2f97817a4eddf"),
        "matbench_log_gvrh": OfficialTask(10987, "098af941f4c663270f1fe21abf20ffad6fb85ecbfcba5786ceac03983ac29da7"),
        "matbench_log_kvrh": OfficialTask(10987, "44b113ddb7e23aa18731a62c74afa7e5aa654199e0db5f951c8248a00955c9cd"),
        "matbench_mp_e_form": OfficialTask(132752, "dedcb1d4ba2e3e50dbdd45ba5bc647a00e9c2bcf8f8bf556dc8e92caa39eb21f"),
        "matbench_mp_gap": OfficialTask(106113, "58b65746bd88329986ed66031a2ac1369c7c522f7bc9f9081528e07097c2c057"),
        "matbench_mp_is_metal": OfficialTask(
            106113, "9a028ed5750a4c76ca36e9f3c8d48fe0bf3fb21b76ec2289e58ae7048d527919", folds="b60a1e9561429e1c"
        ),
        "matbench_perovskites": OfficialTask(18928, "4641e2417f8ec8b50096d2230864468dfa08278dc9d257c327f65d0305278483"),
        "matbench_phonons": OfficialTask(1265, "4db551f21ec5f577e6202725f10e34dfc509aa7df3a6bdaac497da7f6dbbb9b3"),
        "matbench_steels": OfficialTask(
            312, "473bc4957b2ea5e6465aef84bc29bb48ac34db27d69ea4ec5f508745c6fae252", structures=False
        ),
    }
)
"""Name of each task of Matbench v0.1 to what is published of it."""

_OWN = "For data of your own, take another split, such as random or formula"


def task_of(name: str) -> OfficialTask:
    """Return a task that can be done with structures.

    Args:
        name: Name of the task.

    Raises:
        DataError: Matbench has no such task, or its rows are compositions.
    """
    if name not in TASKS:
        raise DataError(f"Matbench v0.1 has no task {name}", f"It has {', '.join(TASKS)}. {_OWN}")
    task = TASKS[name]
    if not task.structures:
        able = ", ".join(known for known, one in TASKS.items() if one.structures)
        raise DataError(
            f"The rows of {name} are compositions without structures, from which cryskit learns nothing",
            f"The tasks with structures are {able}",
        )
    return task


def require_file(name: str, path: Path) -> None:
    """Refuse a file that is not the published one.

    Args:
        name: Name of a task that `task_of` knows.
        path: File of the task.

    Raises:
        DataError: It has another SHA-256.
    """
    found = sha256_of(path)
    if found != TASKS[name].sha256:
        raise DataError(
            f"{path} is not the published file of {name}: its SHA-256 begins with {found[:12]}, expected {TASKS[name].sha256[:12]}",
            f"Fetch {name}.json.gz from Matbench and give it as it is. {_OWN}",
        )


def require_rows(name: str, rows: int) -> None:
    """Refuse data that has not as many rows as a task.

    Args:
        name: Name of a task that `task_of` knows.
        rows: Number of rows that were read.

    Raises:
        DataError: There are more or fewer.
    """
    if rows != TASKS[name].rows:
        raise DataError(
            f"{name} has {counted(TASKS[name].rows, 'row')} and this data {rows}, so it is not that task of Matbench",
            f"Give the published file. {_OWN}",
        )


def folds_digest(names: Sequence[str]) -> str:
    """Return the first sixteen digits of the SHA-256 of the names of test rows, fold by fold and ascending in each."""
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:16]
