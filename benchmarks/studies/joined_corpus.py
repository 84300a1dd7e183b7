"""Join the Materials Project tables into one corpus, with one split that no crystal crosses, by id or by cell.

    python -m benchmarks.studies.joined_corpus --data ../shared/data --split benchmarks/splits/mp-random-0.json --out runs/corpus \
        --kept benchmarks/splits/corpus.json

Test and validation crystals of `mp.parquet` stay what they are. From the formulas that only `mp_large.parquet` has, all crystals with a
formation energy of some formulas are drawn for a second validation and a second test part; crystals of these formulas without
one stay in the training part where they have another volume. A crystal is left out of training, with labels and without, if its id
is held out or if a held-out crystal has its formula and a volume per atom within 5 %: labels of one calculation would be in both.

A third of the validation crystals, by formula, choose the epoch; the others calibrate intervals.

Written are `labelled.parquet`, `unlabelled.parquet` (structures only, for pre-training) and the split of the former; a second split,
`NAME-new.json`, has the test crystals with new formulas alone, `NAME-known.json` those of `mp.parquet`.
"""

from __future__ import annotations

import argparse
from bisect import bisect_left
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryskit.data.interchange import manifest, write
from cryskit.data.read import read
from cryskit.data.splits import Split, make
from cryskit.elements import formula
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable

PROPERTIES = ("formation_energy_per_atom", "band_gap", "fermi_energy", "bulk_modulus", "shear_modulus", "poisson_ratio")
"""Properties that are learned; other columns are left out."""
NEW = {"validation": 1500, "test": 3000}
"""Labelled crystals with formulas that only the larger table has, in each part, about."""
SAME = 0.05
"""Relative difference in volume per atom up to which crystals of one formula count as one."""
LARGEST = 120
"""Atoms of the largest cell that is taken from the larger table."""
CHOOSING = 1 / 3
"""Share of the validation crystals that choose the epoch."""
HIGHEST = 2.0
"""Formation energy in eV/atom above which a label of the larger table is a relaxation that blew up."""


class Held:
    """The crystals that may not train, by id and by cell.

    Args:
        crystals: The crystals.
    """

    def __init__(self, crystals: Iterable[Crystal]) -> None:
        self._ids: set[str] = set()
        volumes = defaultdict(list)
        for crystal in crystals:
            self._ids.add(crystal.id)
            volumes[formula(crystal.numbers)].append(_volume(crystal))
        self._volumes = {name: sorted(found) for name, found in volumes.items()}

    def __contains__(self, crystal: Crystal) -> bool:
        if crystal.id in self._ids:
            return True
        volumes, own = self._volumes.get(formula(crystal.numbers), []), _volume(crystal)
        place = bisect_left(volumes, own / (1 + SAME))
        return place < len(volumes) and volumes[place] <= own * (1 + SAME)


def main(data: Path, split: Path, out: Path, kept: Path, seed: int) -> None:
    """Write the corpus and its splits.

    Args:
        data: Folder of the tables.
        split: File of the split of `mp.parquet`.
        out: Folder to write the corpus to.
        kept: File to write the split of the labelled crystals to.
        seed: Seed of the order in which formulas are drawn.
    """
    small, large, moduli = (_read(data / name) for name in ("mp.parquet", "mp_large.parquet", "elastic_large.parquet"))
    own = Split.load(split)
    held = {part: set(getattr(own, part)) for part in ("validation", "test")}
    additions = {c.id: dict(c.targets) for c in moduli if c.id not in held["validation"] | held["test"]}
    known, ids = {formula(c.numbers) for c in small}, {c.id for c in small}
    further = [_labelled(c, additions) for c in large if c.id not in ids and len(c) <= LARGEST]
    parts = _new_formulas([c for c in further if "formation_energy_per_atom" in c.targets], known, seed)
    names = {part: held[part] | {c.id for c in drawn} for part, drawn in parts.items()}
    rows = [*(_labelled(c, additions) for c in small), *further]
    out_of_bounds = Held(c for c in rows if c.id in names["validation"] | names["test"])
    train = [c for c in rows if c not in out_of_bounds]
    labelled = [c for c in train if c.targets]
    order = np.random.default_rng(seed).permutation(len(labelled))
    judged = [c for c in rows if c.id in names["validation"] | names["test"]]
    out.mkdir(parents=True, exist_ok=True)
    table = [*labelled, *judged]
    write(out / "labelled.parquet", table)
    write(out / "unlabelled.parquet", [replace(c, targets={}) for c in train if not c.targets])
    ordered = {part: tuple(c.id for c in judged if c.id in names[part]) for part in names}
    choosing, calibrating = choosing_and_calibrating([c for c in judged if c.id in names["validation"]], seed)
    train_ids = tuple(labelled[i].id for i in order)
    whole = Split(kept.stem, "formula", seed, train_ids, choosing, ordered["test"], manifest(table), calibrating)
    whole.save(kept)
    for name, of_small in (("known", True), ("new", False)):
        test = tuple(each for each in whole.test if (each in ids) is of_small)
        judging = replace(whole, name=f"{kept.stem}-{name}", train=(), validation=(), test=test, calibration=())
        judging.save(kept.with_name(f"{kept.stem}-{name}.json"))
    lost = len(rows) - len(train) - len(judged)
    print(
        f"{len(labelled)} train, {len(choosing)} validation, {len(calibrating)} calibration, {len(whole.test)} test",
        end=", ",
    )
    print(f"{len(train) - len(labelled)} without labels, {lost} left out as like a held-out crystal")
    for name in PROPERTIES:
        print(f"  {name}: {sum(name in c.targets for c in labelled)} training labels")


def _read(path: Path) -> list[Crystal]:
    return [row for row in read(path) if isinstance(row, Crystal)]


def _volume(crystal: Crystal) -> float:
    return abs(float(np.linalg.det(crystal.lattice))) / len(crystal)


def _labelled(crystal: Crystal, additions: dict[str, dict[str, float]]) -> Crystal:
    """Return the crystal with the labels that are learned; moduli of the table of moduli fill gaps."""
    targets = additions.get(crystal.id, {}) | dict(crystal.targets)
    wanted = {name: targets[name] for name in PROPERTIES if name in targets}
    if wanted.get("formation_energy_per_atom", 0) > HIGHEST:
        del wanted["formation_energy_per_atom"]
    return replace(crystal, targets=wanted)


def choosing_and_calibrating(crystals: list[Crystal], seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the ids of the validation crystals that choose the epoch and of those that calibrate intervals."""
    found = make(crystals, "formula", fractions=(CHOOSING, 1 - CHOOSING, 0), seed=seed)
    return found.train, found.validation


def _new_formulas(crystals: list[Crystal], known: set[str], seed: int) -> dict[str, list[Crystal]]:
    """Return crystals for each part, whole formulas in a random order."""
    groups = defaultdict(list)
    for crystal in crystals:
        if (name := formula(crystal.numbers)) not in known:
            groups[name].append(crystal)
    names = sorted(groups)
    order = iter(np.random.default_rng(seed).permutation(len(names)))
    parts: dict[str, list[Crystal]] = {}
    for part, wanted in NEW.items():
        parts[part] = []
        while len(parts[part]) < wanted:
            parts[part] += groups[names[next(order)]]
    return parts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
