"""What has to be measured in a process of its own: memory, what an allocator that keeps its pages brings, start-up.

Run as a program it is such a process: it prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROOT = Path(__file__).resolve().parents[2]
_MOST_MIB = 2000
KEEPS = "keeps its pages"


def memory(data: str, networks: Mapping[str, Sequence[str]], threads: int) -> list[dict[str, Any]]:
    """Train for one epoch by the command line, from the file to the saved model, and return the peak memory of doing so.

    Args:
        data: File of crystals.
        networks: Name to the arguments of `cryskit train` that choose the network.
        threads: Number of threads that torch uses.
    """
    records = []
    for name, arguments in networks.items():
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "model.safetensors"
            fixed = ["--data", data, "--epochs", "1", "--accelerator", "cpu", "--json", "--out", str(out)]
            start = time.perf_counter()
            trained = _child("peak", _command(), "train", *arguments, *fixed, threads=threads)
            seconds = time.perf_counter() - start
            log = json.loads(
                (Path(folder) / f"{out.name}.run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[0]
            )
        crystals = sum(json.loads(trained["printed"])["crystals"].values())
        figures = {
            "crystals": crystals,
            "peak_mib": round(trained["peak_mib"]),
            "target_mib": _MOST_MIB,
            "seconds": seconds,
        }
        records.append({"network": name, **figures, "epoch_crystals_per_second": crystals / log["seconds"]})
    return records


def allocators(data: str, count: int, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Train with glibc's allocator as it is and with one that keeps its pages, in turns."""
    runs: dict[str, list[dict[str, Any]]] = {"as it is": [], KEEPS: []}
    with tempfile.TemporaryDirectory() as cache:
        for _ in range(rounds):
            for name, measured in runs.items():
                measured.append(_child("steps", data, str(count), name, cache, threads=threads))
    return [
        {
            "allocator": name,
            "crystals": measured[0]["crystals"],
            "crystals_per_cpu_second": median(run["crystals"] / run["cpu"] for run in measured),
            "crystals_per_second": median(run["crystals"] / run["wall"] for run in measured),
            "system_seconds": median(run["system"] for run in measured),
            "minor_faults": median(run["faults"] for run in measured),
        }
        for name, measured in runs.items()
    ]


def run(*arguments: str, threads: int) -> dict[str, Any]:
    """Run a command of cryskit and return what it `printed` and its `peak_mib`.

    Args:
        arguments: Arguments of the command, without its name.
        threads: Number of threads that torch uses.
    """
    return _child("peak", _command(), *arguments, threads=threads)


def start(program: str, *arguments: str, threads: int | None = None, quiet: bool = True) -> str:
    """Run a program of the benchmarks in a process of its own and return what it printed.

    Args:
        program: Name of its module.
        arguments: Arguments of the program.
        threads: Number of threads that torch uses; None for as many as it likes.
        quiet: Keep what it prints instead of showing it.

    Raises:
        RuntimeError: It failed.
    """
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path} | ({} if threads is None else {"OMP_NUM_THREADS": str(threads)})
    command = [sys.executable, "-m", program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=quiet, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{program} failed: {(done.stderr or '')[-2000:]}")
    return done.stdout or ""


def start_up(rounds: int) -> list[dict[str, Any]]:
    """Return how long the commands take that a user types first; a command that fails is left out."""
    example = _ROOT / "examples" / "Si.cif"
    records = []
    for arguments in (["--help"], ["predict", str(example)]):
        taken = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            done = subprocess.run([_command(), *arguments], capture_output=True, text=True, check=False)
            taken.append(time.perf_counter() - start)
        if done.returncode == 0:
            name = " ".join(["cryskit", *(Path(argument).name for argument in arguments)])
            warm = taken[1:]
            records.append(
                {"command": name, "first": taken[0], "median": median(warm), "least": min(warm), "most": max(warm)}
            )
    return records


def _child(kind: str, *arguments: str, threads: int) -> dict[str, Any]:
    printed = start("benchmarks.speed.children", kind, *arguments, threads=threads)
    measured: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return measured


def _peak(*command: str) -> dict[str, Any]:
    """Run a command; return what it printed and its peak memory.

    The kernel counts the memory of the process that starts another one as if it were the other's, up to the moment when the
    program is loaded. So this has to be called in a small process.
    """
    import resource  # noqa: PLC0415 - not on every system

    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:  # 1: some rows could not be used
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return {"printed": done.stdout, "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def _command() -> str:
    return str(Path(sys.executable).with_name("cryskit"))


def _steps(data: str, count: str, allocator: str, cache: str) -> dict[str, Any]:
    """Train for one epoch after another one."""
    from benchmarks.speed import machine  # noqa: PLC0415 - a child's libraries are no business of its parent
    from benchmarks.speed.crystals import chosen  # noqa: PLC0415
    from benchmarks.speed.stages import Workload, training_epoch  # noqa: PLC0415
    from cryskit.cli.memory import keep_pages  # noqa: PLC0415

    if allocator == KEEPS and not keep_pages():
        raise RuntimeError("There is no glibc here that could keep its pages")
    crystals, _ = chosen(data, int(count))
    run = training_epoch(Workload(crystals, Path(cache), repeats=1, clock="cpu", peaks={}, cache=Path(cache)))
    run()
    faults, system, cpu, wall = machine.page_faults(), os.times().system, time.process_time(), time.perf_counter()
    run()
    return {
        "crystals": len(crystals),
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "system": os.times().system - system,
        "faults": machine.page_faults() - faults,
    }


if __name__ == "__main__":
    print(json.dumps({"steps": _steps, "peak": _peak}[sys.argv[1]](*sys.argv[2:])))
