"""A corpus of generated crystals of any size: random elements on the structures of the bundled data sets, strained.

    python -m benchmarks.speed.corpus FOLDER --count 500000

Parquet files of 25,000 crystals each. A file depends on the seed and its number only, so a smaller corpus is the beginning
of a larger one, and a run that was killed goes on with the first file that is missing.
"""

from __future__ import annotations

import argparse
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryskit.data.interchange import write
from cryskit.data.sources import open_source, sources
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROWS = 25_000
"""Crystals of a file."""
LARGEST = 20
"""Atoms of the largest structure that is taken."""
HEAVIEST = 94
SCALE, STRAIN = 0.05, 0.02
"""Standard deviations: of the logarithm of the lengths of a cell, and of the components of the strain of every second one."""


def generate(folder: Path, count: int, seed: int) -> None:
    """Write a corpus; files that are there are left as they are.

    Args:
        folder: Folder of the Parquet files, which are named by their number.
        count: Number of crystals, a multiple of ROWS.
        seed: Seed of elements and strains.
    """
    if count % ROWS:
        raise SystemExit(f"Give a multiple of {ROWS}")
    known = prototypes()
    for part in range(count // ROWS):
        path = folder / f"part-{part:05d}.parquet"
        if not path.exists():
            write(path, crystals(known, part, seed), properties=())


def prototypes() -> list[Crystal]:
    """Return the structures that elements are put on."""
    rows = chain.from_iterable(open_source(name) for name in sources())
    return [row for row in rows if isinstance(row, Crystal) and len(row) <= LARGEST]


def crystals(known: Sequence[Crystal], part: int, seed: int) -> Iterator[Crystal]:
    """Yield the crystals of a file.

    Args:
        known: The structures.
        part: Number of the file.
        seed: Seed of elements and strains.
    """
    generator = np.random.default_rng((seed, part))
    for row in range(ROWS):
        structure = known[generator.integers(len(known))]
        elements, kind = np.unique(structure.numbers, return_inverse=True)
        chosen = generator.choice(np.arange(1, HEAVIEST + 1), len(elements), replace=False)
        strain = generator.normal(0, STRAIN, (3, 3)) if row % 2 else np.zeros((3, 3))
        change = np.exp(generator.normal(0, SCALE)) * (np.eye(3) + (strain + strain.T) / 2)
        yield Crystal(f"g{part * ROWS + row}", structure.lattice @ change, structure.fractional, chosen[kind])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    generate(arguments.folder, arguments.count, arguments.seed)
