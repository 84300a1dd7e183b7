# /// script
# requires-python = ">=3.12"
# dependencies = ["orb-models==0.7.0", "pyarrow>=20", "numpy", "ase"]
# ///
"""Atom vectors of ORB: uv run tools/extract/extract_orb.py crystals.parquet OUT.parquet --model orb-v3-direct-20-omat.

orb-models downloads a model when it is first asked for.
"""

from __future__ import annotations

from extraction import About, Extract, Read, Vectors, main

_MPA = "MPtrj (relaxations of the Materials Project) and Alexandria"
MODELS = {
    name: About(name, name, _MPA if name.endswith("mpa") else "OMat24", "Apache-2.0")
    for name in ("orb-v3-direct-20-omat", "orb-v3-direct-20-mpa", "orb-v3-direct-inf-omat", "orb-v3-direct-inf-mpa")
}


def load(name: str, device: str) -> tuple[Extract, About]:
    """Load a direct model: the vectors of conservative ones need derivatives that are not asked for here."""
    import torch  # noqa: PLC0415 - `--help` and `--dry-run` need no model
    from orb_models.forcefield.pretrained import ORB_PRETRAINED_MODELS  # noqa: PLC0415

    model, adapter = ORB_PRETRAINED_MODELS[name](device=device, precision="float32-highest", compile=False)
    model.eval()

    def extract(crystal: Read) -> Vectors:
        graph = adapter.from_ase_atoms(crystal.atoms, device=device)
        with torch.inference_mode():
            found = model.model(graph)["node_features"]
        return Vectors(found[:, None].cpu().numpy())

    return extract, MODELS[name]


if __name__ == "__main__":
    main(load, MODELS, "orb-models")
