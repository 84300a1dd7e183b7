"""Join the tables of measured band gaps and formation enthalpies into one, and give a model of DFT the names of what was measured.

    python -m benchmarks.studies.measured --data ../shared/data --out runs/lab --kept benchmarks/splits/lab.json

Written are `measured.parquet`, one row per crystal with one or both labels, the median where a crystal was measured several times; and
`start.safetensors`, the model of DFT whose heads of the band gap and the formation energy bear the names of the measured
quantities, so that `cryskit train` goes on from these heads (`start: {parts: model}`). The split is by reduced formula; its parts
train, choose the epoch, test, and calibrate intervals.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cryskit import Crystal, load, properties
from cryskit.data.interchange import write
from cryskit.data.read import read
from cryskit.data.splits import make
from cryskit.predict.predictor import Predictor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DFT_OF = {"band_gap_experimental": "band_gap", "formation_enthalpy_experimental": "formation_energy_per_atom"}
"""Each measured property, and the property of DFT that stands for it."""
FRACTIONS = (0.76, 0.08, 0.08, 0.08)
"""Shares of the crystals that train, choose the epoch, test and calibrate."""
_TABLES = ("measured_band_gap.parquet", "measured_formation_enthalpy.parquet")


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the table and the model to start from."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--model", default="cryskit-mp", help="a model of DFT gaps and formation energies")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--kept", type=Path, required=True, help="file to write the split to")
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    crystals = measured(asked.data)
    write(asked.out / "measured.parquet", crystals)
    make(crystals, "formula", fractions=FRACTIONS, name=asked.kept.stem).save(asked.kept)
    renamed(load(asked.model), DFT_OF).save(asked.out / "start.safetensors")
    counts = [f"{sum(name in c.targets for c in crystals)} with {name}" for name in DFT_OF]
    print(f"{len(crystals)} crystals, {', '.join(counts)}")


def measured(data: Path) -> list[Crystal]:
    """Return the crystals of both tables, in the order of their ids.

    Args:
        data: Folder of the tables.
    """
    return joined(row for table in _TABLES for row in read(data / table) if isinstance(row, Crystal))


def joined(rows: Iterable[Crystal]) -> list[Crystal]:
    """Return every crystal once, with the median of each of its labels, in the order of ids.

    Args:
        rows: Crystals; those of one id are one crystal, whose cell is that of the first.
    """
    cells: dict[str, Crystal] = {}
    labels: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        cells.setdefault(row.id, row)
        for name, value in row.targets.items():
            labels[row.id][name].append(value)
    medians = {each: {name: float(np.median(found)) for name, found in labels[each].items()} for each in cells}
    return [replace(cells[each], targets=medians[each]) for each in sorted(cells)]


def renamed(model: Predictor, names: Mapping[str, str]) -> Predictor:
    """Return a model that predicts the same numbers as other properties.

    Args:
        model: The model.
        names: Name of a registered property to the name of the property of the model that it replaces.
    """
    new = {old: properties.get(name) for name, old in names.items()}
    of_card = [new.get(each.name, each) for each in model.card.properties]
    copied = Predictor.from_card(model.card.model_copy(update={"properties": of_card, "version": ""}))
    copied.load_state_dict(model.state_dict())
    return copied


if __name__ == "__main__":
    main()
