# /// script
# requires-python = ">=3.11"
# dependencies = ["chgnet==0.4.2", "pyarrow>=17"]
# ///
"""Write what CHGNet says of the atoms of crystals, as a table that `cryskit train --teacher` learns from.

    python -m benchmarks.studies.chgnet_vectors crystals.parquet vectors.parquet

The table of crystals is cryskit's own (id, atomic_numbers, lattice, frac_coords). CHGNet 0.3.0 (doi 10.1038/s42256-023-00716-3)
was trained on energies, forces, stresses and magnetic moments of the Materials Project, so what a student of it knows of these
crystals is not free of their labels: such a run shows that distillation works, not how well it does on unseen crystals.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from chgnet.model import CHGNet
from pymatgen.core import Lattice, Structure

_BATCH = 64


def main(crystals: Path, out: Path) -> None:
    """Ask CHGNet of every crystal; one that it cannot see has no vectors and says why."""
    model = CHGNet.load(use_device="cpu", verbose=False)
    rows = pq.read_table(crystals, columns=["id", "atomic_numbers", "lattice", "frac_coords"]).to_pylist()
    found: list[dict[str, object]] = []
    for start in range(0, len(rows), _BATCH):
        found += [_said(model, row) for row in rows[start : start + _BATCH]]
        print(f"{len(found)} of {len(rows)}", file=sys.stderr)
    width = max(row["width"] for row in found)
    schema = pa.schema(
        {"id": pa.string(), "vectors": pa.list_(pa.float32()), "width": pa.int64(), "reason": pa.string()}
    )
    pq.write_table(pa.Table.from_pylist([row | {"width": width} for row in found], schema), out)


def _said(model: CHGNet, row: dict) -> dict[str, object]:
    structure = Structure(
        Lattice(np.reshape(row["lattice"], (3, 3))), row["atomic_numbers"], np.reshape(row["frac_coords"], (-1, 3))
    )
    try:
        vectors = model.predict_structure(structure, task="e", return_atom_feas=True)["atom_fea"]
    except (ValueError, RuntimeError) as error:  # an isolated atom, a cell without bonds
        return {"id": row["id"], "vectors": None, "width": 0, "reason": str(error)}
    return {"id": row["id"], "vectors": vectors.ravel(), "width": vectors.shape[1], "reason": ""}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
