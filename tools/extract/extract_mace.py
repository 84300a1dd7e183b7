# /// script
# requires-python = ">=3.10"
# dependencies = ["mace-torch==0.3.16", "pyarrow>=20", "numpy", "ase"]
# ///
"""Invariant atom vectors of MACE: uv run tools/extract/extract_mace.py crystals.parquet OUT.parquet --model medium-mpa-0.

mace-torch downloads a model by name when it is first asked for; a file works offline.
"""

from __future__ import annotations

from extraction import About, Extract, Read, Vectors, main

_MPTRJ = "MPtrj: relaxations of 146,000 materials of the Materials Project"
MODELS = {
    "medium-mpa-0": About("MACE-MPA-0 medium", "medium-mpa-0", f"{_MPTRJ}, and sAlex (Alexandria)", "MIT"),
    "small": About("MACE-MP-0 small", "small", _MPTRJ, "MIT"),
    "medium": About("MACE-MP-0 medium", "medium", _MPTRJ, "MIT"),
    "medium-omat-0": About("MACE-OMAT-0 medium", "medium-omat-0", "OMat24", "ASL (academic use)"),
}


def load(name: str, device: str) -> tuple[Extract, About]:
    """Load a model by name or file."""
    from mace.calculators import mace_mp  # noqa: PLC0415 - `--help` and `--dry-run` need no model

    calculator = mace_mp(model=name, device=device, default_dtype="float32")
    layers = int(calculator.models[0].num_interactions)

    def extract(crystal: Read) -> Vectors:
        found = calculator.get_descriptors(crystal.atoms, invariants_only=True, num_layers=layers)
        return Vectors(found.reshape(len(crystal.numbers), layers, -1))

    return extract, MODELS.get(name, About(name, name, "unknown", "unknown"))


if __name__ == "__main__":
    main(load, MODELS, "mace-torch")
