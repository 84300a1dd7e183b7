"""What has to be measured in a process of its own: memory, what an allocator that keeps its pages brings, start-up.

Called as a script it is such a process: it prints one line of JSON.
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
    from collections.abc import Sequence

_ROOT = Path(__file__).resolve().parents[1]
_MIB = 2**20


def memory(data: str, count: int, threads: int) -> dict[str, Any]:
    """Train for one epoch as a user would, from the file to the saved model, and return the peak memory of doing so."""
    return _child("train", data, str(count), threads=threads)


def allocators(data: str, count: int, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Train with glibc's allocator as it is and with one that keeps its pages, in turns."""
    runs: dict[str, list[dict[str, Any]]] = {"as it is": [], "keeps its pages": []}
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
            "peak_mib": median(run["peak_mib"] for run in measured),
        }
        for name, measured in runs.items()
    ]


def start_up(rounds: int) -> list[dict[str, Any]]:
    """Return how long the commands take that a user types first; none if the command is not installed."""
    command = Path(sys.executable).with_name("cryskit")
    example = _ROOT / "examples" / "Si.cif"
    if not command.exists():
        return []
    records = []
    for arguments in (["--help"], ["predict", str(example)]):
        taken = []
        for _ in range(rounds + 1):
            start = time.perf_counter()
            done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
            taken.append(time.perf_counter() - start)
        if done.returncode == 0:
            name = " ".join(["cryskit", *(Path(argument).name for argument in arguments)])
            warm = taken[1:]
            records.append(
                {"command": name, "first": taken[0], "median": median(warm), "least": min(warm), "most": max(warm)}
            )
    return records


def _child(*arguments: str, threads: int) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, __file__, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"A child of the benchmark failed: {done.stderr[-2000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _peak_mib() -> float:
    import resource  # noqa: PLC0415 - not on every system

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MIB


def _train(data: str, count: int) -> dict[str, Any]:
    from crystals import chosen  # noqa: PLC0415 - only a child needs them

    from cryskit.data import splits  # noqa: PLC0415
    from cryskit.runs import train  # noqa: PLC0415
    from cryskit.training.plan import Plan  # noqa: PLC0415

    start = time.perf_counter()
    crystals, name = chosen(data, count)
    column = next(iter(crystals[0].targets))
    optimisation = {"epochs": 1, "accelerator": "cpu"}
    plan = Plan.make(
        {"properties": [column], "encoder": {"name": "cgcnn", "width": 64, "layers": 3}, "optimisation": optimisation}
    )
    with tempfile.TemporaryDirectory() as folder:
        split = splits.make(crystals, "random", seed=0)
        card = train(plan, crystals, split, Path(folder) / "model.safetensors", Path(folder))
        log = json.loads((Path(folder) / "log.jsonl").read_text(encoding="utf-8").splitlines()[0])
    rows = sum(card.rows.values())
    return {
        "data": name,
        "crystals": len(crystals),
        "peak_mib": _peak_mib(),
        "seconds": time.perf_counter() - start,
        "epoch_seconds": log["seconds"],
        "epoch_crystals_per_second": rows / log["seconds"],
    }


def _steps(data: str, count: int, allocator: str, cache: str) -> dict[str, Any]:
    import machine  # noqa: PLC0415 - before anything else takes memory

    if allocator == "keeps its pages" and not machine.keep_pages():
        raise RuntimeError("There is no glibc here to be told to keep its pages")
    from crystals import chosen  # noqa: PLC0415
    from stages import Workload, training_epoch  # noqa: PLC0415

    crystals, _ = chosen(data, count)
    load = Workload(crystals, Path(cache), repeats=1, clock="cpu", peaks={}, cache=Path(cache))
    run = training_epoch(load)
    run()
    faults, system, cpu, wall = machine.page_faults(), os.times().system, time.process_time(), time.perf_counter()
    run()
    return {
        "crystals": len(crystals),
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "system": os.times().system - system,
        "faults": machine.page_faults() - faults,
        "peak_mib": _peak_mib(),
    }


def _main(arguments: Sequence[str]) -> None:
    kind, data, count, *rest = arguments
    measured = _train(data, int(count)) if kind == "train" else _steps(data, int(count), *rest)
    print(json.dumps(measured))


if __name__ == "__main__":
    _main(sys.argv[1:])
