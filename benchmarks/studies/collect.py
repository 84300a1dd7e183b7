"""Put what a benchmark left in its folder into one result card: errors, gains, ranks, and what was trained.

    python -m benchmarks.studies.collect runs/distillation

The card is named after the folder. It holds every row that is done, so that a benchmark that goes on later can be collected again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.speed import machine
from cryskit.benchmark.collected import collect, write_benchmark

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Collect and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of a benchmark")
    parser.add_argument("--base", default="scratch", help="regime to compare with")
    parser.add_argument("--out", type=Path, default=machine.RESULTS, help="folder of the card")
    asked = parser.parse_args(arguments)
    write_benchmark(collect(asked.folder, asked.base), asked.out / f"{asked.folder.name}.json")


if __name__ == "__main__":
    main()
