"""Runs the fuzzer: inputs by number, each in a process that is ended if one takes too long.

`make fuzz` calls it as a program: 20,000 inputs, with a result card.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import tempfile
from collections import Counter, defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fuzz.verdict import FAULTS, Verdict, input_of, judge, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection

SECONDS = 5.0
"""An input that takes longer hangs."""
_START = 120.0  # seconds for a process to import everything
_CARD = Path(__file__).parents[2] / "benchmarks" / "results" / "fuzz.json"
_PACKAGES = (
    "cryskit",
    "ase",
    "gemmi",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pymatgen-core",
    "safetensors",
    "torch",
)


def run(numbers: Sequence[int]) -> Iterator[tuple[int, Verdict]]:
    """Judge inputs in a process of their own, one after the other; a process that hangs or dies is replaced.

    Args:
        numbers: Numbers of the inputs.

    Yields:
        The number and the verdict of each, in order.
    """
    left = list(numbers)
    context = multiprocessing.get_context("spawn")
    while left:
        mine, other = context.Pipe()
        process = context.Process(target=_serve, args=(other, left), daemon=True)
        process.start()
        other.close()
        ready = False
        try:
            while left and mine.poll(SECONDS if ready else _START):
                found = mine.recv()
                if ready:
                    yield left.pop(0), Verdict(*found)
                ready = True
        except EOFError:
            yield left[0], Verdict(kind_of(left.pop(0)).name, "untyped", "the process died")
        else:
            if left:
                yield left[0], Verdict(kind_of(left.pop(0)).name, "hang")
        process.kill()
        process.join()


def _serve(pipe: Connection, numbers: Sequence[int]) -> None:
    input_of(0)
    pipe.send(None)
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            pipe.send(tuple(judge(number, Path(folder))))


def card_of(found: Sequence[tuple[int, Verdict]]) -> dict[str, Any]:
    """Return counts by kind, and the numbers of the inputs that must not be."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for _, verdict in found:
        counts[verdict.kind][verdict.outcome] += 1
        if verdict.outcome == "refused":
            counts[verdict.kind][f"refused: {verdict.detail}"] += 1
    return {
        "inputs": len(found),
        "faults": {fault: sum(verdict.outcome == fault for _, verdict in found) for fault in FAULTS},
        "kinds": {kind: dict(sorted(each.items())) for kind, each in counts.items()},
        "numbers": [[number, *verdict] for number, verdict in found if verdict.outcome in FAULTS],
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
    }


def main() -> None:
    """Run the fuzzer and write the card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--card", type=Path, default=_CARD)
    given = parser.parse_args()
    card = card_of(list(run(range(given.first, given.first + given.inputs))))
    given.card.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    raise SystemExit(any(card["faults"].values()))


if __name__ == "__main__":
    main()
