"""The command that tests share is the real one: arguments, streams, folder, environment and exit status are those of its caller."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import preloaded
import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the command is the real one here")
SALT = Path(__file__).resolve().parents[1] / "examples" / "NaCl.cif"


def run(command: Path, *arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = os.environ | environment
    return subprocess.run([command, *arguments], cwd=folder, env=given, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--version"], 0),
        (["predict", "ä b.cif", "--property", "band_gap", "--out", "out.csv"], 0),
        (["predict", "ä b.cif", "broken.cif", "--json"], 1),
        (["predict", "missing.cif"], 2),
    ],
)
def test_it_does_what_the_real_one_does(arguments: list[str], status: int, tmp_path: Path) -> None:
    ends, written = [], []
    for name, command in (("here", preloaded.command()), ("there", preloaded.SCRIPT)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "ä b.cif").write_bytes(SALT.read_bytes())
        (folder / "broken.cif").write_text("no structure")
        ended = run(command, *arguments, folder=folder)
        ends.append((ended.returncode, ended.stdout, ended.stderr))
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert ends[0] == ends[1]
    assert ends[0][0] == status
    assert written[0] == written[1]


def test_the_environment_is_that_of_the_caller(tmp_path: Path) -> None:
    call = ("data", "fetch", "optimade:http://127.0.0.1:9", "--out", "x.parquet")
    said = [run(preloaded.command(), *call, folder=tmp_path, CRYSKIT_OFFLINE=value).stderr for value in ("1", "0")]
    assert ["connections are forbidden" in text for text in said] == [True, False], said


def test_it_ends_with_its_caller() -> None:
    pytest.importorskip("mcp")
    client = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a", "version": "1"},
    }
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    call = [preloaded.command(), "mcp"]
    with subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as caller:
        assert caller.stdin
        assert caller.stdout
        caller.stdin.write(f"{json.dumps(hello)}\n")
        caller.stdin.flush()
        assert "serverInfo" in caller.stdout.readline()
        caller.kill()
        assert not caller.stdout.read(), "the end of the pipe, which the command held, too"
