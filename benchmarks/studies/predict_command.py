"""What `cryskit predict` costs with the default model, from the call to the table: one CIF file, and many crystals.

    python -m benchmarks.studies.predict_command --data ../shared/data/mp.parquet --crystals 7348

One file is timed by CPU time, in turns with the import of torch and pymatgen.core alone, which every program of the field waits for. Crystals of
a data set are predicted by the command, with intervals, domain and symmetry, from a Parquet file and from as many CIF files as `--files` says, and
by a model that is loaded already. Everything runs with as many threads as torch takes by itself. The card is `results/predict.json`.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch
from pymatgen.io.cif import CifWriter

import cryskit
from benchmarks.speed import machine
from cryskit.atomic_write import write_json
from cryskit.data.interchange import write

if TYPE_CHECKING:
    from collections.abc import Sequence

EXAMPLE = machine.ROOT / "examples" / "Si.cif"
"""The file of the first figure."""
IMPORTS = [sys.executable, "-c", "import torch, pymatgen.core"]
"""The program that one file is compared with."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--crystals", type=int, default=7348, help="crystals of the Parquet file")
    parser.add_argument("--files", type=int, default=1024, help="CIF files")
    parser.add_argument("--turns", type=int, default=5, help="turns of which medians are taken, for one file")
    parser.add_argument("--out", type=Path, default=machine.RESULTS)
    asked = parser.parse_args(arguments)
    facts, others = machine.facts(torch.get_num_threads()), machine.Others()
    command = str(Path(sys.executable).with_name("cryskit"))
    crystals = list(islice((c for c in cryskit.read(asked.data) if isinstance(c, cryskit.Crystal)), asked.crystals))
    one = [(_taken(IMPORTS), _taken([command, "predict", str(EXAMPLE)])) for _ in range(asked.turns)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "crystals.parquet", crystals)
        (folder / "files").mkdir()
        for crystal in crystals[: asked.files]:
            CifWriter(crystal.to_pymatgen()).write_file(folder / "files" / f"{crystal.id}.cif")
        many = {
            "parquet": _rate(command, folder / "crystals.parquet", len(crystals), folder),
            "cif": _rate(command, folder / "files", min(asked.files, len(crystals)), folder),
        }
    model = cryskit.load("cryskit-mp")
    model.predict(crystals[:64])
    start, begun = time.perf_counter(), time.process_time()
    model.predict(crystals)
    seconds, cpu = round(time.perf_counter() - start, 3), round(time.process_time() - begun, 3)
    warm = {"cpu_seconds": cpu, "seconds": seconds, "per_second": round(len(crystals) / seconds, 1)}
    card = {
        "title": "The command that predicts, from the call to the table",
        "model": model.card.full_name,
        "data": Path(asked.data).name,
        "one_file": {
            "imports_cpu_seconds": round(median(imports["cpu_seconds"] for imports, _ in one), 3),
            "command_cpu_seconds": round(median(found["cpu_seconds"] for _, found in one), 3),
            "command_seconds": round(median(found["seconds"] for _, found in one), 3),
            "ratio": round(median(found["cpu_seconds"] / imports["cpu_seconds"] for imports, found in one), 3),
        },
        "commands": many,
        "loaded_model": {"crystals": len(crystals), **warm},
        "machine": {**facts, "others_cores": round(others.cores(), 2), "load_after": os.getloadavg()[0]},
    }
    write_json(card, asked.out / "predict.json")
    print(card)


def _rate(command: str, source: Path, crystals: int, folder: Path) -> dict[str, float]:
    """Return what the command takes for the crystals of a source."""
    found = _taken([command, "predict", str(source), "--out", str(folder / "out.csv")])
    return {"crystals": crystals, **found, "per_second": round(crystals / found["seconds"], 1)}


def _taken(command: Sequence[str]) -> dict[str, float]:
    """Run a command; return its CPU seconds, those of its children included, and the seconds that passed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr.decode()[-1000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_seconds": round(cpu, 3), "seconds": round(seconds, 3)}


if __name__ == "__main__":
    main()
