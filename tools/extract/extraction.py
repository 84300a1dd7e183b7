"""What the scripts in this folder share: crystals in, a table of atom vectors out, in the format that `cryskit train --teacher` reads.

It needs numpy, pyarrow and ase, and nothing of cryskit, so that a script runs in the environment of the model that it asks. Crystals come
from a file that `cryskit data convert SRC --out crystals.parquet` wrote. Columns of the table:

    id           id of the crystal
    fingerprint  SHA-256 of its lattice, coordinates and atomic numbers, by which a reader knows that it is the same crystal
    vectors      one list of numbers (float32) for each atom, in the order of the crystal: its layers, one after the other
    vector       numbers of the crystal as a whole (float32): those of the model, or the mean over atoms
    width        length of the vector of an atom in one layer
    layers       number of layers
    status       ok or failed
    reason       why it failed

The metadata of the file (`cryskit.vectors`) says whose vectors they are: model, version, training set, licence.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

METADATA = b"cryskit.vectors"
"""Key of the metadata that says whose vectors a table holds."""
GROUP = 256
"""Rows that are written at a time."""
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("fingerprint", pa.string()),
        ("vectors", pa.list_(pa.list_(pa.float32()))),
        ("vector", pa.list_(pa.float32())),
        ("width", pa.int64()),
        ("layers", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)
"""Columns of the table."""
_NEEDED = ("id", "atomic_numbers", "lattice", "frac_coords")


@dataclass(frozen=True)
class About:
    """Whose vectors a table holds.

    Attributes:
        model: Name of the model.
        version: Its version, and that of its package.
        training_set: Data that it was trained on.
        licence: Licence of its weights.
    """

    model: str
    version: str
    training_set: str
    licence: str


class Read(NamedTuple):
    """A crystal of the file.

    Attributes:
        id: Its id.
        numbers: (N,) atomic numbers.
        lattice: (3, 3) rows a, b, c, angstrom.
        fractional: (N, 3) coordinates.
    """

    id: str
    numbers: np.ndarray
    lattice: np.ndarray
    fractional: np.ndarray

    @property
    def fingerprint(self) -> str:
        """SHA-256 of lattice, coordinates and atomic numbers, as cryskit computes it."""
        parts = (self.lattice.astype("<f8"), self.fractional.astype("<f8"), self.numbers.astype("<i8"))
        return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()

    @property
    def atoms(self) -> Any:
        """The crystal as ASE has it."""
        from ase import Atoms  # noqa: PLC0415 - a dry run needs no ASE

        return Atoms(numbers=self.numbers, cell=self.lattice, scaled_positions=self.fractional, pbc=True)


class Vectors(NamedTuple):
    """What a model says of a crystal.

    Attributes:
        atoms: (N, layers, width) vectors of its atoms.
        crystal: Vector of the whole; None for the mean of the last layer.
    """

    atoms: np.ndarray
    crystal: np.ndarray | None = None


Extract = "Callable[[Read], Vectors]"


def crystals_of(path: Path) -> Iterator[Read]:
    """Yield the crystals of a file of `cryskit data convert`."""
    with pq.ParquetFile(path) as file:
        missing = set(_NEEDED) - set(file.schema_arrow.names)
        if missing:
            sys.exit(f"{path} lacks {', '.join(sorted(missing))}: make it with `cryskit data convert SRC --out {path}`")
        for batch in file.iter_batches(GROUP, columns=list(_NEEDED)):
            for row in batch.to_pylist():
                yield Read(
                    row["id"],
                    np.array(row["atomic_numbers"], dtype=np.int64),
                    np.array(row["lattice"], dtype=np.float64).reshape(3, 3),
                    np.array(row["frac_coords"], dtype=np.float64).reshape(-1, 3),
                )


def main(load: Callable[[str, str], tuple[Extract, About]], models: dict[str, About], package: str) -> None:
    """Run a script.

    Args:
        load: Function of the name of a model and a device to what extracts, and whose vectors these are.
        models: Name of each model to what is known of it before it is loaded.
        package: Package on the index whose version is noted.
    """
    parser = argparse.ArgumentParser(
        description=f"Write the atom vectors of a model of {package} for `cryskit train --teacher OUT`.",
        epilog="Training sets: " + "; ".join(f"{name}: {one.training_set}" for name, one in models.items()),
    )
    parser.add_argument(
        "source", type=Path, metavar="SRC", help="a file of `cryskit data convert SRC --out FILE.parquet`"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="the Parquet file to write")
    parser.add_argument(
        "--model", default=next(iter(models)), help=f"{', '.join(models)}, or a file where the package takes one"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--first", type=int, metavar="N", help="only the first N crystals")
    parser.add_argument(
        "--dry-run", action="store_true", help="read the crystals and say what would be done; load no model"
    )
    given = parser.parse_args()
    unknown = About(given.model, "", "unknown", "unknown")
    about = models.get(given.model, unknown)
    chosen = [
        one for number, one in enumerate(crystals_of(given.source)) if given.first is None or number < given.first
    ]
    print(f"{len(chosen)} crystals, {sum(len(one.numbers) for one in chosen)} atoms")
    print(f"{about.model}: trained on {about.training_set}; licence {about.licence}")
    print(
        "If your test crystals, or crystals like them, are in that training set, errors come out too small (leakage)."
    )
    if given.dry_run:
        print(f"dry run: nothing was loaded, {given.out} was not written")
        return
    extract, about = load(given.model, given.device)
    about = About(about.model, f"{about.version} ({package} {version(package)})", about.training_set, about.licence)
    started = time.perf_counter()
    failed = write(given.out, chosen, extract, about)
    print(f"{given.out}: {len(chosen)} rows, {failed} failed, {time.perf_counter() - started:.1f} s")
    sys.exit(1 if failed else 0)


def write(out: Path, crystals: list[Read], extract: Extract, about: About) -> int:
    """Write the table, whole or not at all, and return how many rows failed."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}.partial")
    failed = 0
    schema = SCHEMA.with_metadata({METADATA: json.dumps(asdict(about)).encode()})
    try:
        with pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer:
            for start in range(0, len(crystals), GROUP):
                rows = [row_of(one, extract) for one in crystals[start : start + GROUP]]
                failed += sum(row["status"] == "failed" for row in rows)
                writer.write_table(pa.Table.from_pylist(rows, schema))
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    return failed


def row_of(crystal: Read, extract: Extract) -> dict[str, Any]:
    """Return the row of a crystal; whatever a model raises for it is the reason why it failed."""
    row: dict[str, Any] = {"id": crystal.id, "fingerprint": crystal.fingerprint, "status": "ok", "reason": ""}
    try:
        found = extract(crystal)
        atoms = np.asarray(found.atoms, dtype=np.float32)
        if atoms.ndim != 3 or len(atoms) != len(crystal.numbers) or not np.isfinite(atoms).all():
            return row | {
                "status": "failed",
                "reason": f"the model gave {atoms.shape} for {len(crystal.numbers)} atoms",
            }
        whole = atoms[:, -1].mean(0) if found.crystal is None else np.asarray(found.crystal, dtype=np.float32)
    except Exception as error:  # noqa: BLE001 - one crystal that a model cannot take does not stop the others
        return row | {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    values = {"vectors": atoms.reshape(len(atoms), -1).tolist(), "vector": whole.ravel().tolist()}
    return row | values | {"width": atoms.shape[2], "layers": atoms.shape[1]}
