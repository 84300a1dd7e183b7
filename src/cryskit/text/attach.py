"""Vectors of descriptions, attached to the graph of the crystals described.

A description has two parts, one line each: one on the whole crystal (mineral, space group, dimensionality, what it is made of)
and one on the sites (coordination, bond lengths). A description of one line is on the whole crystal.
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
        graph: Graph of B crystals.
        texts: Description of each crystal; None where it has none.
        encoder: Text encoder that makes the vectors.
        cache: Folder where vectors are kept; None to keep none.
    """
    return replace(graph, text=torch.from_numpy(vectors_of(texts, encoder, cache)))


def vectors_of(texts: Sequence[str | None], encoder: Embedder, cache: Path | None = None) -> np.ndarray:
    """Return the vectors of both parts of descriptions, (texts, 2, width) float32; NaN where there is none.

    Args:
        texts: Descriptions; None where there is none.
        encoder: Text encoder that makes the vectors.
        cache: Folder where vectors are kept; None to keep none.
    """
    parts = [part for text in texts for part in parts_of(text)]
    found: np.ndarray = vectors(parts, encoder, cache).reshape(len(texts), 2, encoder.width)
    return found


def parts_of(text: str | None) -> tuple[str | None, str | None]:
    """Return the part of a description on the whole crystal, and the one on its sites; None where there is none."""
    whole, _, sites = (text or "").strip().partition("\n")
    return whole.strip() or None, sites.strip() or None
