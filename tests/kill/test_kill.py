"""A command that is killed goes on when it is given again, and ends as if nothing had been; `make kill` does it twenty times each and writes a card."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked for in /proc")
COUNT = int(os.environ.get("KILLS", "1"))


@pytest.mark.slow
def test_a_killed_command_ends_as_an_undisturbed_one() -> None:
    script = Path(__file__).with_name("kills.py")
    found = subprocess.run(
        [sys.executable, str(script), "each", str(COUNT), "29"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    expected = {"kills": COUNT, "other results": 0, "half-written files": 0, "processes left": 0}
    commands = json.loads(found.stdout.splitlines()[-1])
    assert set(commands) == {"convert", "describe", "pretrain", "screen", "benchmark"}
    assert all(each == expected for each in commands.values()), (commands, found.stderr)
