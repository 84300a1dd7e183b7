"""Settings with which the contracts try a network that is large by default."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SMALL: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "alignn": {"width": 32, "angular": 1, "layers": 1, "points": 256},
        "icgcnn": {"width": 16, "layers": 2},
        "gatgnn": {"width": 16, "layers": 2},
        "megnet": {"width": 16, "layers": 2},
        "cogn": {"width": 32, "layers": 2, "depth": 3},
        "cgat": {"width": 16, "layers": 2, "heads": 2, "context": 2, "neighbours": 12, "radius": 8.0},
        "matformer": {"width": 16, "layers": 2, "heads": 2},
    }
)
