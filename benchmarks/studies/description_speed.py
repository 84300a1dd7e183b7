"""Describing crystals: Robocrystallographer as it comes and `cryskit describe`, on the same crystals in one process.

    python -m benchmarks.studies.description_speed

What counts is processor time of one thread, which other processes hardly change. The crystals are every sixth of those in
`tests/text/reference.json`. One crystal is described by both before the clock starts, so that the tables are read and the
library's own memory of reduced prototypes is full; then each crystal is described by one and at once by the other.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pymatgen.core import Structure
from robocrys import StructureCondenser, StructureDescriber

from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.data.read import read
from cryskit.data.sources import open_source
from cryskit.text.describe import version
from cryskit.text.robocrys import Robocrys, clean
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable

CARD = machine.RESULTS / "describe.json"
REFERENCE = machine.ROOT / "tests" / "text" / "reference.json"
TARGET = 8.0


def main(every: int) -> dict[str, Any]:
    """Measure and return the card.

    Args:
        every: Take each crystal of the reference whose number is a multiple of this.
    """
    facts = machine.facts(1)
    condenser, describer, robocrys = StructureCondenser(), StructureDescriber(), Robocrys()

    def untouched(crystal: Crystal) -> str:
        structure = Structure(crystal.lattice, crystal.numbers.tolist(), crystal.fractional)
        return clean(describer.describe(condenser.condense_structure(structure)))

    def ours(crystal: Crystal) -> str:
        return " ".join(part for part in robocrys.describe(crystal) if part)

    warm, *crystals = chosen(every)
    untouched(warm)
    ours(warm)
    rows = []
    for crystal in crystals:
        expected, before = timed(untouched, crystal)
        text, after = timed(ours, crystal)
        rows.append({"id": crystal.id, "atoms": len(crystal), "library_s": before, "cryskit_s": after})
        rows[-1] |= {"ratio": before / after, "same_words": text == expected}
        print(json.dumps(rows[-1]), flush=True)
    library, cryskit = (sum(row[name] for row in rows) for name in ("library_s", "cryskit_s"))
    return {
        "title": "Describing crystals",
        **facts,
        "describer": version(),
        "clock": "processor time, one process",
        "crystals": len(rows),
        "same_words": sum(row["same_words"] for row in rows),
        "library_seconds_per_crystal": library / len(rows),
        "cryskit_seconds_per_crystal": cryskit / len(rows),
        "ratio": library / cryskit,
        "ratio_median": median(row["ratio"] for row in rows),
        "ratio_least": min(row["ratio"] for row in rows),
        "target": TARGET,
        "each": rows,
    }


def chosen(every: int) -> list[Crystal]:
    """Return every so manieth crystal of the reference."""
    wanted = [(row["source"], row["id"]) for row in json.loads(REFERENCE.read_text(encoding="utf-8"))["rows"]][::every]
    found = {}
    for source in dict.fromkeys(source for source, _ in wanted):
        items = read(machine.ROOT / "examples") if source == "examples" else open_source(source)
        found |= {(source, item.id): item for item in items if isinstance(item, Crystal)}
    return [found[key] for key in wanted]


def timed(describe: Callable[[Crystal], str], crystal: Crystal) -> tuple[str, float]:
    """Return a text and the processor time that it took, in seconds."""
    start = time.process_time()
    text = describe(crystal)
    return text, time.process_time() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--every", type=int, default=6, help="take each crystal of the reference whose number is a multiple of this"
    )
    parser.add_argument("--out", type=Path, default=CARD)
    asked = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        card = main(asked.every)
    write_json(card, asked.out)
    print(f"{card['crystals']} crystals, the same words for {card['same_words']}; {card['ratio']:.1f} times faster")
