"""CIF files to predictions as people make them today, one file after the other in one process, beside `cryskit screen`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import warnings
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pymatgen.core import Structure

from benchmarks.speed import reference
from cryskit.data.read import read
from cryskit.screen.folder import Folder
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

_BATCH = 256  # crystals, as in CGCNN's predict.py


def compare(source: Path, count: int, model: str, workers: int) -> dict[str, Any]:
    """Return crystals per second of the loop of pymatgen and CGCNN, and of `cryskit screen` with one process and with several.

    Args:
        source: Crystals, the first of which are written as CIF files.
        count: Number of files.
        model: Model of `cryskit screen`.
        workers: Number of processes.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "cif"
        folder.mkdir()
        for place, item in enumerate(islice(read(str(source)), count)):
            if isinstance(item, Crystal):
                item.to_pymatgen().to(str(folder / f"{place:06}.cif"))
        files = sorted(folder.iterdir())
        start = time.perf_counter()
        predicted = _plain(files)
        seconds = {"pymatgen and CGCNN, one process": time.perf_counter() - start}
        for processes in dict.fromkeys((1, workers)):
            seconds[f"cryskit screen --workers {processes}"] = _screened(
                folder, Path(temporary) / f"out-{processes}", model, processes
            )
    return {
        "files": len(files),
        "predicted_by_the_loop": predicted,
        "seconds": {name: round(each, 1) for name, each in seconds.items()},
        "crystals_per_second": {name: round(len(files) / each, 1) for name, each in seconds.items()},
    }


def _plain(files: Sequence[Path]) -> int:
    """Predict files with the plain CGCNN with random weights, and return how many."""
    torch.manual_seed(0)
    network, done = reference.Network().eval(), 0
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        for start in range(0, len(files), _BATCH):
            tensors = [reference.graph(Structure.from_file(file)) for file in files[start : start + _BATCH]]
            batch = reference.collate(tensors, [0.0] * len(tensors))
            done += len(network(batch.tensors, batch.rows))
    return done


def _screened(folder: Path, out: Path, model: str, workers: int) -> float:
    command = [sys.executable, "-m", "cryskit", "screen", str(folder), "--model", model, "--out", str(out)]
    start = time.perf_counter()
    subprocess.run([*command, "--workers", str(workers)], check=False, stderr=subprocess.DEVNULL)
    Folder(out).whole()
    return time.perf_counter() - start
