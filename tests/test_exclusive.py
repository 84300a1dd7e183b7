"""One run works in a folder at a time; the processes of one run are one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryskit.errors import PlanError
from cryskit.exclusive import exclusive

if TYPE_CHECKING:
    from pathlib import Path

BUSY = PlanError("The folder is in use", "Wait")


def test_a_second_run_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with exclusive(folder, BUSY), pytest.raises(PlanError, match="in use"), exclusive(folder, BUSY):
        pass
    with exclusive(folder, BUSY):
        pass


@pytest.mark.parametrize("rank", ["LOCAL_RANK", "SLURM_PROCID"])
def test_further_processes_of_a_run_are_let_in(rank: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with exclusive(tmp_path, BUSY):
        monkeypatch.setenv(rank, "1")
        with exclusive(tmp_path, BUSY):
            pass
        monkeypatch.setenv(rank, "0")
        with pytest.raises(PlanError), exclusive(tmp_path, BUSY):
            pass
