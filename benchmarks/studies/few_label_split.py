"""Divide `mp.parquet` for the published few-label model: a fifth trains it, others calibrate its intervals.

    python -m benchmarks.studies.few_label_split --data ../shared/data/mp.parquet --split benchmarks/splits/mp-random-0-80.json \
        --judging benchmarks/splits/corpus-known.json --out benchmarks/splits/crysxpp.json

The training part is the first 31.25 % of the 80 % that the split has, which are 7,347 crystals; validation stays what it is. Of the crystals that are
left over, 2,000 whose formulas no training or validation crystal has calibrate. The test part is the half of the split's test part that no
pre-training has seen either: the crystals of the judging split.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.elements import formula
from cryskit.types import Crystal

TRAINING = 0.3125
"""Share of the training part that trains."""
CALIBRATING = 2000
"""Crystals that calibrate."""


def main(data: Path, split: Path, judging: Path, out: Path) -> None:
    """Write the split.

    Args:
        data: The crystals.
        split: File of their split into training, validation and test part.
        judging: File of the split whose test part judges.
        out: File to write.
    """
    formulas = {item.id: formula(item.numbers) for item in read(data) if isinstance(item, Crystal)}
    whole = Split.load(split)
    trained = whole.first(TRAINING)
    known = {formulas[each] for each in (*trained.train, *whole.validation)}
    left = [each for each in whole.train[len(trained.train) :] if formulas[each] not in known]
    test = tuple(each for each in Split.load(judging).test if each in set(whole.test))
    replace(trained, name=out.stem, test=test, calibration=tuple(left[:CALIBRATING])).save(out)
    print(
        f"{len(trained.train)} train, {len(whole.validation)} validation, {len(test)} test, {min(len(left), CALIBRATING)} calibrate"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "split", "judging", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    main(**vars(parser.parse_args()))
