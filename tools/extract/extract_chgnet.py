# /// script
# requires-python = ">=3.10"
# dependencies = ["chgnet==0.4.2", "nvidia-ml-py3", "pyarrow>=20", "numpy", "ase"]
# ///
"""Atom vectors of CHGNet, whose weights are in its wheel: uv run tools/extract/extract_chgnet.py crystals.parquet OUT.parquet."""

from __future__ import annotations

from extraction import About, Extract, Read, Vectors, main

_TRAINING = "MPtrj: 1.58 million frames of relaxations of 146,000 materials of the Materials Project (GGA and GGA+U)"
MODELS = {name: About(f"CHGNet {name}", name, _TRAINING, "BSD-3-Clause (modified)") for name in ("0.3.0", "0.2.0")}


def load(name: str, device: str) -> tuple[Extract, About]:
    """Load a model."""
    from chgnet.model.model import CHGNet  # noqa: PLC0415 - `--help` and `--dry-run` need no model
    from pymatgen.core import Structure  # noqa: PLC0415

    model = CHGNet.load(model_name=name, use_device=device, verbose=False)

    def extract(crystal: Read) -> Vectors:
        structure = Structure(crystal.lattice, crystal.numbers, crystal.fractional)
        found = model.predict_structure(structure, task="e", return_atom_feas=True, return_crystal_feas=True)
        return Vectors(found["atom_fea"][:, None], found["crystal_fea"])

    return extract, MODELS[name]


if __name__ == "__main__":
    main(load, MODELS, "chgnet")
