"""Join elastic and dielectric tensors, and moduli of other crystals, into one table with one split by formula.

    python -m benchmarks.studies.joined_tensors --data ../shared/data --corpus runs/corpus/labelled.parquet --out runs/tensors/tensors.parquet \
        --kept benchmarks/splits/tensors.json

A crystal that both tables have is one row with both tensors. Crystals of the corpus of which only bulk and shear modulus are known, and of the table of
refractive indices of which only these are, train the isotropic parts, unless a held-out crystal has their formula. Formulas are kept together: 70 %
of those with tensors train, 10 % choose the epoch, 20 % test.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from cryskit.data.interchange import manifest, write
from cryskit.data.read import read
from cryskit.data.splits import Split, make
from cryskit.elements import formula
from cryskit.types import Crystal

SCALARS = ("bulk_modulus", "shear_modulus", "refractive_index")
"""Numbers that follow from a tensor."""
TEST, VALIDATION = 0.2, 0.1
"""Shares of the crystals with tensors that test and that choose the epoch."""


def main(data: Path, corpus: Path, out: Path, kept: Path, seed: int) -> None:
    """Write the table and its split.

    Args:
        data: Folder of the tables.
        corpus: Crystals with moduli.
        out: File to write the table to.
        kept: File to write the split to.
        seed: Seed of the order in which formulas are drawn.
    """
    elastic = {c.id: c for c in _read(data / "tensors_elastic.parquet")}
    dielectric = {c.id: c for c in _read(data / "tensors_dielectric.parquet")}
    both = {
        name: replace(crystal, tensors={**crystal.tensors, **dielectric[name].tensors})
        if name in dielectric
        else crystal
        for name, crystal in elastic.items()
    }
    tensors = list((dielectric | both).values())
    split = make(tensors, "formula", fractions=(1 - TEST - VALIDATION, VALIDATION, TEST), seed=seed)
    held = {formula(c.numbers) for c in tensors if c.id in {*split.validation, *split.test}}
    known = {c.id for c in tensors}
    scalars = []
    for source in (corpus, data / "refractive_index.parquet"):
        for crystal in _read(source):
            targets = {name: value for name, value in crystal.targets.items() if name in SCALARS}
            if targets and crystal.id not in known and formula(crystal.numbers) not in held:
                scalars.append(replace(crystal, targets=targets))
                known.add(crystal.id)
    table = [*tensors, *scalars]
    out.parent.mkdir(parents=True, exist_ok=True)
    write(out, table)
    train = (*split.train, *(c.id for c in scalars))
    Split(kept.stem, "formula", seed, train, split.validation, split.test, manifest(table)).save(kept)
    print(f"{len(split.train)} with tensors and {len(scalars)} with numbers train", end=", ")
    print(f"{len(split.validation)} validation, {len(split.test)} test")
    for name in ("elastic_tensor", "dielectric_tensor"):
        counts = [
            sum(name in c.tensors and c.id in set(part) for c in tensors)
            for part in (train, split.validation, split.test)
        ]
        print(f"  {name}: {' + '.join(map(str, counts))}")


def _read(path: Path) -> list[Crystal]:
    return [item for item in read(path) if isinstance(item, Crystal)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "corpus", "out", "kept"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
