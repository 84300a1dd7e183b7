"""Exported models: sizes of the files, and how much their predictions differ from those of the models themselves.

    python -m benchmarks.studies.export

Every published model that predicts is exported as pt2 and as ONNX. Its predictions are compared with eager ones for batches of sizes that
were never traced, of the bundled data set `elastic_tensor`: one crystal, sixteen and a hundred, in one call of the network each. A
deviation is relative to the prediction where that is larger than 1. A model that reads descriptions is given none but in the golden inputs.
The card is `results/export.json`.
"""

from __future__ import annotations

import argparse
import time
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import cryskit
from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.exported import export, load
from cryskit.exported.facts import deviation
from cryskit.exported.write import FORMATS
from cryskit.predict.card import digest
from cryskit.predict.published import models, path_of

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (1, 16, 100)
"""Numbers of crystals in a batch."""
DATA = "elastic_tensor"
"""Data set of the crystals."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Export, compare, and keep the figures in a card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", help="one of the published models; all by default")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    crystals = list(islice(cryskit.read(DATA), max(SIZES)))
    rows = []
    with TemporaryDirectory() as folder:
        for name in asked.model or models():
            known = load_model(name).card.properties
            if not known or any(each.tensor for each in known):
                continue
            rows += [exported(name, kind, crystals, Path(folder)) for kind in FORMATS]
            print(rows[-2:])
    machine_facts = machine.facts(torch.get_num_threads())
    write_json(
        {"data": DATA, "sizes": list(SIZES), "models": rows, "machine": machine_facts}, asked.out / "export.json"
    )


def load_model(name: str) -> cryskit.Predictor:
    """Return a published model that computes each batch in one call."""
    return cryskit.load(name, batch_edges=10_000_000)


def exported(name: str, kind: str, crystals: Sequence[cryskit.Crystal], folder: Path) -> dict[str, Any]:
    """Return size, digest and deviations of one exported model.

    Args:
        name: Name of the model.
        kind: Format of the file.
        crystals: Crystals for the comparison.
        folder: Folder for the file.
    """
    start = time.perf_counter()
    path = export(name, folder / f"{name}.{kind}")
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    found, eager = load(path, batch_edges=10_000_000), load_model(name)
    loading = time.perf_counter() - start
    deviations = {}
    for size in SIZES:
        graph = cryskit.build_graphs(crystals[:size], eager.card.spec)
        deviations[str(size)] = float(f"{deviation(found.values(graph), eager.values(graph)):.2g}")
    return {
        "model": eager.card.full_name,
        "model_sha256": digest(path_of(name)),
        "format": kind,
        "bytes": path.stat().st_size,
        "seconds_to_export": round(seconds, 1),
        "seconds_to_load": round(loading, 1),
        "golden_deviation": float(f"{found.deviation():.2g}"),
        "golden_predictions": [[float(f"{value:.5g}") for value in row] for row in np.array(found.golden).tolist()],
        "deviation_by_crystals": deviations,
    }


if __name__ == "__main__":
    main()
