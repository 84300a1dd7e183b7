"""Kill commands at random moments, again and again, and compare what comes out in the end with an undisturbed run.

python tests/kill/kills.py COMMAND COUNT SEED prints a JSON object, for a command or, with "each" for COMMAND, for every one: how many
kills hit the running command, and how many of the runs after them did not end as the undisturbed one, left a half-written file, or left
a process behind; all but the first must be 0. With "all" for COMMAND they are written into a result card. The commands run in forks of this process, so that a kill hits their work and not the imports.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import platform
import random
import shutil
import signal
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from cryskit.text import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryskit.types import Crystal

_MARK = "CRYSKIT_KILL_TEST"
_CARD = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "kill.json"
_PATIENCE = 15.0  # seconds after which a worker whose parent was killed must have ended


class Slow:
    """Stands in for Robocrystallographer, which takes seconds to start."""

    class Parts(NamedTuple):
        """Both parts of a description."""

        overall: str
        local: str

    def describe(self, crystal: Crystal) -> Parts:
        """Describe a crystal, in some time."""
        time.sleep(0.03)
        return self.Parts(f"{crystal.id} has {len(crystal)} atoms.", "They are near.")


def ready() -> Slow:
    """Return what describes."""
    return Slow()


describe.ready = ready  # here and, as this module is their main one, too, in the processes that describe


class Task(NamedTuple):
    """A command.

    Attributes:
        arguments: Its arguments, run in the folder of the data.
        out: Folder in which it writes.
        result: Function of this folder to what must be the same.
    """

    arguments: tuple[str, ...]
    out: str
    result: Callable[[Path], Any]


def _rows(folder: Path) -> Any:
    cards = [json.loads(path.read_text()) for path in sorted((folder / "rows").glob("*.json"))]
    assert cards
    return [(c["hash"], c["status"], c["result"]["properties"], c["result"]["epoch"]) for c in cards] + [
        _columns(path) for path in sorted((folder / "predictions").glob("*.parquet"))
    ]


def _columns(path: Path) -> dict[str, list[Any]]:
    return importlib.import_module("pyarrow.parquet").read_table(path).to_pydict()


SMALL = ("--width", "8", "--layers", "1", "--epochs", "3", "--accelerator", "cpu", "--folder", "out/run")
PLAN = """
name: small
data: {set: {source: set.parquet, properties: [bulk_modulus]}}
encoders: {net: {name: cgcnn, width: 8, layers: 1, count: 6, radius: 5.0}}
regimes: {scratch: {}, squared: {objective: {name: property, loss: squared}}}
plan: {optimisation: {edges: 1000, accelerator: cpu}}
budget: {epochs: 3}
leakage: false
"""
TASKS = {
    "convert": Task(
        ("data", "convert", "set.parquet", "--out", "out/a.parquet"),
        "out",
        lambda out: (out / "a.parquet").read_bytes(),
    ),
    "describe": Task(
        ("describe", "set.parquet", "--out", "out/a.parquet", "--workers", "1"),
        "out",
        lambda out: _columns(out / "a.parquet"),
    ),
    "pretrain": Task(
        ("pretrain", "crysae", "--data", "set.parquet", "--out", "out/a.safetensors", "--workers", "2", *SMALL),
        "out",
        lambda out: [(out / name).read_bytes() for name in ("a.safetensors", "a.manifest.parquet")],
    ),
    "screen": Task(
        *(
            (
                "screen",
                "set.parquet",
                "frames.extxyz",
                "--model",
                "crysxpp",
                "--out",
                "out",
                "--part-rows",
                "8",
                "--workers",
                "1",
            ),
            "out",
        ),
        lambda out: [(path.name, path.read_bytes()) for path in sorted(out.rglob("*")) if path.is_file()],
    ),
    "benchmark": Task(("benchmark", "plan.yaml", "--resume", "--out", "out"), "out", _rows),
}


def _start(arguments: tuple[str, ...], mark: str) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.environ[_MARK] = mark
        sys.argv = ["cryskit", *arguments]
        sink = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        importlib.import_module("cryskit.cli").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _finish(arguments: tuple[str, ...]) -> None:
    status = os.waitpid(_start(arguments, uuid4().hex), 0)[1]
    if status:
        raise RuntimeError(f"{arguments} ended with {status}: {Path('output.txt').read_text()[-3000:]}")


def _survivors(mark: str) -> int:
    """Return how many processes that the command started are alive."""
    end = time.monotonic() + _PATIENCE
    while True:
        alive = 0
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                alive += entry.name.isdigit() and f"{_MARK}={mark}".encode() in (entry / "environ").read_bytes()
        if not alive or time.monotonic() > end:
            return alive
        time.sleep(0.1)


def kills(name: str, count: int, seed: int) -> dict[str, int]:
    """Kill a command `count` times, let it go on each time, and return what was found."""
    task, chance = TASKS[name], random.Random(seed)
    out = Path(task.out)
    start = time.monotonic()
    _finish(task.arguments)
    took, expected = time.monotonic() - start, task.result(out)
    found = {"kills": 0, "other results": 0, "half-written files": 0, "processes left": 0}
    while found["kills"] < count:
        shutil.rmtree(out)
        mark = uuid4().hex
        child = _start(task.arguments, mark)
        time.sleep(chance.uniform(0, took))
        ended = os.waitpid(child, os.WNOHANG)[0]
        if ended:
            continue
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found["kills"] += 1
        found["processes left"] += _survivors(mark)
        try:
            _finish(task.arguments)
            found["other results"] += task.result(out) != expected
        except RuntimeError as error:
            found["other results"] += 1
            sys.stderr.write(f"{error}\n")
        found["half-written files"] += len(list(out.rglob("*.partial")))
    return found


def _prepare() -> None:
    """Import what the commands need, here and not in the processes that they start, and write their data."""
    for module in ("training.pretrain", "training.train", "benchmark.run", "benchmark.report", "cli.training"):
        importlib.import_module(f"cryskit.{module}")
    shards, table = (importlib.import_module(f"cryskit.{name}") for name in ("graphs.shards", "text.table"))
    shards.SHARD, shards._CHUNK, table._GROUP = 15, 4, 4  # so that there is something to kill between
    pieces, run = (importlib.import_module(f"cryskit.{name}") for name in ("data.pieces", "screen.run"))
    pieces.PIECE = run.PIECE = 4
    crystals = importlib.import_module("cryskit.data.sources").open_source("elastic_tensor")
    interchange = importlib.import_module("cryskit.data.interchange")
    interchange.write("set.parquet", [crystal for crystal in crystals if len(crystal) <= 5][:50])
    frames = [crystal.to_ase() for crystal in importlib.import_module("cryskit.data.read").read("set.parquet")]
    importlib.import_module("ase.io").write("frames.extxyz", frames[:20])
    Path("plan.yaml").write_text(PLAN, encoding="utf-8")


def _apart(name: str, count: int, seed: int) -> dict[str, int]:
    """Kill a command in a folder of its own."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        _prepare()
        found = kills(name, count, seed)
        os.chdir(before)
    return found


def _write_card(found: dict[str, dict[str, int]], seed: int) -> bool:
    """Write the card, and return whether all commands ended as undisturbed ones."""
    versions = {"python": platform.python_version(), "cryskit": version("cryskit"), "torch": version("torch")}
    card = {"title": "Killed commands", "seed": seed, "commands": found, "versions": versions}
    _CARD.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return not any(count for each in found.values() for what, count in each.items() if what != "kills")


if __name__ == "__main__":
    asked, number, start = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    names = TASKS if asked in {"each", "all"} else [asked]
    every = {name: _apart(name, number, start) for name in names}
    sys.stdout.write(json.dumps(every) + "\n")
    if asked == "all":
        raise SystemExit(not _write_card(every, start))
