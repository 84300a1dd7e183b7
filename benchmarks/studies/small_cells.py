"""Choose the crystals of Materials Project that are described in words: small cells, and all whose moduli are known.

    python -m benchmarks.studies.small_cells --data ../shared/data/mp.parquet --split benchmarks/splits/mp-random-0-80.json \
        --out runs/words/mp-small.parquet --kept benchmarks/splits/mp-small-0-80.json --calibrated benchmarks/splits/mp-small-calibrated.json

Describing takes a fifth of a second for a cell of eight atoms and seconds for one of fifty, so not all 29,389 are described. Parts stay
as the split has them: what trains, validates and judges there does so here. In a second split, of the published model, a third of the validation
crystals, by formula, chooses the epoch; the others calibrate intervals.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from benchmarks.studies.joined_corpus import choosing_and_calibrating
from cryskit.data.interchange import manifest, write
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.types import Crystal

LARGEST = 8
"""Atoms of the largest cell that is taken whatever is known of it."""


def main(data: str, split: Path, out: Path, kept: Path, calibrated: Path) -> None:
    """Write the chosen crystals, and their splits.

    Args:
        data: Data set or file of all crystals.
        split: File of their split.
        out: File to write the chosen crystals to.
        kept: File to write their split to.
        calibrated: File to write the split with a calibration part to.
    """
    crystals = [row for row in read(data) if isinstance(row, Crystal)]
    chosen = [crystal for crystal in crystals if len(crystal) <= LARGEST or "bulk_modulus" in crystal.targets]
    out.parent.mkdir(parents=True, exist_ok=True)
    write(out, chosen)
    names = {crystal.id for crystal in chosen}
    whole = Split.load(split)
    parts = {part: [name for name in getattr(whole, part) if name in names] for part in ("train", "validation", "test")}
    small = replace(whole, name=kept.stem, data=manifest(chosen), **parts)
    small.save(kept)
    validation = set(small.validation)
    choosing, calibrating = choosing_and_calibrating([c for c in chosen if c.id in validation], small.seed)
    replace(small, name=calibrated.stem, validation=choosing, calibration=calibrating).save(calibrated)
    print(
        f"{len(chosen)} of {len(crystals)} crystals: " + ", ".join(f"{len(ids)} {part}" for part, ids in parts.items())
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kept", type=Path, required=True)
    parser.add_argument("--calibrated", type=Path, required=True)
    main(**vars(parser.parse_args()))
