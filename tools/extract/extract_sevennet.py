# /// script
# requires-python = ">=3.10"
# dependencies = ["sevenn==0.13.0", "pyarrow>=20", "numpy", "ase"]
# ///
"""Invariant atom vectors of SevenNet: uv run tools/extract/extract_sevennet.py crystals.parquet OUT.parquet --model 7net-0.

They are what the last layer hands to the energy. The weights of 7net-0 are in the wheel; others are downloaded when they are first asked for.
"""

from __future__ import annotations

from typing import Any

from extraction import About, Extract, Read, Vectors, main

_MPTRJ = "MPtrj: relaxations of 146,000 materials of the Materials Project"
MODELS = {
    "7net-0": About("SevenNet-0", "7net-0", _MPTRJ, "MIT"),
    "7net-l3i5": About("SevenNet-l3i5", "7net-l3i5", _MPTRJ, "MIT"),
    "7net-omat": About("SevenNet-omat", "7net-omat", "OMat24", "MIT"),
}


def load(name: str, device: str) -> tuple[Extract, About]:
    """Load a model by name or checkpoint."""
    import sevenn._keys as key  # noqa: PLC0415 - `--help` and `--dry-run` need no model
    from sevenn.calculator import SevenNetCalculator  # noqa: PLC0415

    calculator = SevenNetCalculator(name, device=device)
    seen: list[Any] = []

    def remember(_module: Any, given: tuple[Any, ...]) -> None:
        seen.append(given[0][key.NODE_FEATURE].detach().cpu().numpy())

    dict(calculator.model.named_modules())["reduce_input_to_hidden"].register_forward_pre_hook(remember)

    def extract(crystal: Read) -> Vectors:
        seen.clear()
        atoms = crystal.atoms
        atoms.calc = calculator
        atoms.get_potential_energy()
        return Vectors(seen[-1][:, None])

    return extract, MODELS.get(name, About(name, name, "unknown", "unknown"))


if __name__ == "__main__":
    main(load, MODELS, "sevenn")
