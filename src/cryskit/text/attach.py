"""Give the crystals of a graph what a text encoder makes of their descriptions.

A description has two parts, one line each: what it says of the whole crystal (mineral, space group, dimensionality, what it is
made of) and what it says of the sites (coordination, bond lengths). A description of one line is_main_process of the whole.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from cryskit.text.embed import vectors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from cryskit.text.embed import Embedder
    from cryskit.types import Graph


def with_text(graph: Graph, texts: Sequence[str | None], encoder: Embedder, cache: Path | None = None) -> Graph:
    """Return the graph with the vectors of descriptions.

    Args:
        graph: B crystals.
        texts: Of each crystal; None where it has none.
        encoder: Who reads them.
        cache: A folder where vectors are kept.
    """
    return replace(graph, text=torch.from_numpy(vectors_of(texts, encoder, cache)))


def vectors_of(texts: Sequence[str | None], encoder: Embedder, cache: Path | None = None) -> np.ndarray:
    """Return the vectors of both parts of descriptions, (texts, 2, width) float32; NaN where there is none.

    Args:
        texts: None where there is none.
        encoder: Who reads them.
        cache: A folder where vectors are kept.
    """
    parts = [part for text in texts for part in parts_of(text)]
    found: np.ndarray = vectors(parts, encoder, cache).reshape(len(texts), 2, encoder.width)
    return found


def parts_of(text: str | None) -> tuple[str | None, str | None]:
    """Return what a description says of the whole crystal, and of its sites; None where it says nothing."""
    whole, _, sites = (text or "").strip().partition("\n")
    return whole.strip() or None, sites.strip() or None
