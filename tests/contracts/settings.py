"""Settings with which the contracts try a network: small, so that all of them are tried in minutes."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = 12
"""Numbers of what a text encoder makes of a description."""


def sized(name: str, **size: int) -> dict[str, Any]:
    """Return the arguments that give an encoder a size; one that is made of others hands it on to its graph network."""
    made_of = {
        "fused": {"graph": {"name": "cgcnn", **size}},
        "levels": {"members": [{"encoder": {"name": "cgcnn", **size}, "levels": 2}]},
    }
    return made_of.get(name, size)


SMALL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "cgcnn": {"width": 32},
        "steinhardt": {"width": 32, "layers": 3, "channels": 8},
        "alignn": {"width": 32, "angular": 1, "layers": 1, "points": 256},
        "icgcnn": {"width": 16, "layers": 2},
        "gatgnn": {"width": 16, "layers": 2},
        "megnet": {"width": 16, "layers": 2},
        "cogn": {"width": 32, "layers": 2, "depth": 3},
        "cgat": {"width": 16, "layers": 2, "heads": 2, "context": 2, "count": 12, "radius": 8.0},
        "matformer": {"width": 16, "layers": 2, "heads": 2},
        "levels": {
            "members": [{"encoder": {"name": "steinhardt", "width": 8, "layers": 2, "channels": 4}, "levels": 3}]
        },
        "fused": {"graph": {"name": "cgcnn", "width": 16}, "text_width": WORDS, "projected": 16, "dropout": 0.0},
    }
)
