"""Join elastic and dielectric tensors, and moduli of other crystals, into one table with one split by formula.

    python -m benchmarks.studies.joined_tensors --data ../shared/data --corpus runs/corpus/labelled.parquet --out runs/tensors/tensors.parquet \
        --trained benchmarks/splits/corpus.json --kept benchmarks/splits/tensors.json

A crystal that both tables have is one row with both tensors. Only formulas that cryskit-mp, from which tensors are learned, has not seen in its own
training are held out: it knows the moduli of most other crystals. One third of these crystals chooses the epoch, two thirds test; formulas are kept
together. Crystals of the corpus of which only bulk and shear modulus are known, and of the table of refractive indices of which only these are, train
the isotropic parts, unless a held-out crystal has their formula.
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
TEST = 2 / 3
"""Share of the held-out crystals that test; the others choose the epoch."""


def main(data: Path, corpus: Path, trained: Path, out: Path, kept: Path, seed: int) -> None:
    """Write the table and its split.

    Args:
        data: Folder of the tables.
        corpus: Crystals with moduli, those among them that trained the model from which tensors are learned.
        trained: Split of the corpus whose training part trained that model.
        out: File to write the table to.
        kept: File to write the split to.
        seed: Seed of the order in which formulas are drawn.
    """
    tensors, numbers = _with_tensors(data), _read(corpus)
    taught = set(Split.load(trained).train)
    seen = {formula(c.numbers) for c in numbers if c.id in taught}
    unseen = [c for c in tensors if formula(c.numbers) not in seen]
    divided = make(unseen, "formula", fractions=(1 - TEST, 0.0, TEST), seed=seed)
    held = {formula(c.numbers) for c in unseen}
    known = {c.id for c in tensors}
    scalars = []
    for crystal in (*numbers, *_read(data / "refractive_index.parquet")):
        targets = {name: value for name, value in crystal.targets.items() if name in SCALARS}
        if targets and crystal.id not in known and formula(crystal.numbers) not in held:
            scalars.append(replace(crystal, targets=targets))
            known.add(crystal.id)
    table = [*tensors, *scalars]
    out.parent.mkdir(parents=True, exist_ok=True)
    write(out, table)
    train = tuple(c.id for c in table if formula(c.numbers) not in held)
    Split(kept.stem, "formula", seed, train, divided.train, divided.test, manifest(table)).save(kept)
    print(f"{len(train) - len(scalars)} with tensors and {len(scalars)} with numbers train", end=", ")
    print(f"{len(divided.train)} validation, {len(divided.test)} test")
    for name in ("elastic_tensor", "dielectric_tensor"):
        counts = [
            sum(name in c.tensors and c.id in set(part) for c in tensors)
            for part in (train, divided.train, divided.test)
        ]
        print(f"  {name}: {' + '.join(map(str, counts))}")


def _with_tensors(data: Path) -> list[Crystal]:
    elastic = {c.id: c for c in _read(data / "tensors_elastic.parquet")}
    dielectric = {c.id: c for c in _read(data / "tensors_dielectric.parquet")}
    both = {
        name: replace(crystal, tensors={**crystal.tensors, **dielectric[name].tensors})
        for name, crystal in elastic.items()
        if name in dielectric
    }
    return list((dielectric | elastic | both).values())


def _read(path: Path) -> list[Crystal]:
    return [item for item in read(path) if isinstance(item, Crystal)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "corpus", "trained", "out", "kept"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
