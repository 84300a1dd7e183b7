"""What a killed process was writing is removed by the next; what a living one is writing stays."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from cryskit.atomic_write import remove_partial, replacing

if TYPE_CHECKING:
    from pathlib import Path

KILLED = """
import os, sys, signal
from cryskit.atomic_write import replacing
with replacing(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def leave_partial(path: Path) -> Path:
    before = set(path.parent.iterdir())
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    (partial,) = set(path.parent.iterdir()) - before
    return partial


@pytest.mark.skipif(os.name != "posix", reason="which processes live is known on POSIX systems")
def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "table [1].parquet"
    dead, other = leave_partial(path), leave_partial(tmp_path / "other")
    assert not path.exists()
    with replacing(path) as living:
        living.write_text("half")
        assert not dead.exists()
        assert other.exists(), "another file is not looked after"
        remove_partial(tmp_path)
        assert not other.exists()
        assert living.exists()
    assert path.read_text() == "half"
    assert list(tmp_path.iterdir()) == [path]


def test_files_of_other_machines_and_of_earlier_versions_wait_a_week(tmp_path: Path) -> None:
    names = [f".a.{'0' * 8}-1-{'1' * 12}.partial", f".a.{'2' * 32}.partial", f".a.{'3' * 12}.partial-journal"]
    others = [tmp_path / name for name in (*names, "a.partial", ".partial", "notes.partial.txt")]
    for file in others:
        file.touch()
    remove_partial(tmp_path)
    assert all(file.exists() for file in others)
    for file in others:
        os.utime(file, (0, 0))
    remove_partial(tmp_path)
    assert [file.exists() for file in others] == [False, False, False, True, True, True]
    remove_partial(tmp_path / "absent")
