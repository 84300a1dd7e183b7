"""Crystals as rows that the routes take again: what a client that cannot read files needs to draw and to change them."""

from __future__ import annotations

from typing import Any

from cryskit.types import Crystal, Failure


def structure_row(item: Crystal | Failure) -> dict[str, Any]:
    """Return a crystal as a row: lattice in angstrom, fractional coordinates, atomic numbers; or why there is none.

    Args:
        item: What a reader returned.
    """
    if isinstance(item, Failure):
        return {"id": item.id, "path": item.path or None, "status": "failed", "reason": str(item.error)}
    row: dict[str, Any] = {
        "id": item.id,
        "path": item.path or None,
        "formula": item.formula,
        "lattice": item.lattice.tolist(),
        "frac_coords": item.fractional.tolist(),
        "atomic_numbers": item.numbers.tolist(),
        "status": "warned" if item.warnings else "ok",
        "reason": ". ".join(item.warnings),
    }
    return row if item.text is None else row | {"text": item.text}
