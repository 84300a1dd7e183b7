"""Figures of the report as SVG inside the page: distributions and the plane of two quantities."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from cryskit.explain.bars import number

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT, _MARGIN = 360, 180, 28
_BINS = 48
_POINTS = 3000
_TAILS = (0.001, 0.999)  # quantiles between which values are shown


def distribution(values: np.ndarray, chosen: np.ndarray, title: str) -> str:
    """Return the distribution of a quantity, with the values of chosen crystals as lines.

    Args:
        values: Values of all crystals.
        chosen: Values of the chosen ones.
        title: Name of the quantity with its unit.
    """
    values, chosen = values[np.isfinite(values)], chosen[np.isfinite(chosen)]
    if not len(values):
        return ""
    low, high = _limits(np.concatenate([np.quantile(values, _TAILS), chosen]))
    counts, edges = np.histogram(values, _BINS, (low, high))
    most = max(int(counts.max()), 1)
    step = (_WIDTH - 2 * _MARGIN) / _BINS
    bars = [
        f'<rect x="{_MARGIN + i * step:.1f}" y="{_y(count / most):.1f}" width="{step:.2f}" '
        f'height="{_HEIGHT - _MARGIN - _y(count / most):.1f}" class="all"/>'
        for i, count in enumerate(counts.tolist())
        if count
    ]
    places = (_x((value - low) / (high - low)) for value in chosen.tolist())
    lines = [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_HEIGHT - _MARGIN}" y2="{_MARGIN}" class="top"/>' for x in places]
    return _figure([*bars, *lines, *_ends(float(edges[0]), float(edges[-1]))], title)


def plane(points: np.ndarray, chosen: np.ndarray, names: Sequence[str]) -> str:
    """Return two quantities of crystals as points, those of chosen ones on top.

    Args:
        points: (n, 2) values of crystals that satisfy the condition; of many, evenly spread ones are drawn.
        chosen: (m, 2) values of the chosen ones.
        names: Name of both quantities with their units.
    """
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return ""
    points = points[np.unique(np.linspace(0, len(points) - 1, _POINTS).astype(int))]
    spans = [_limits(np.concatenate([points[:, i], chosen[:, i]])) for i in range(2)]

    def dots(of: np.ndarray, kind: str, radius: float) -> list[str]:
        shares = [(of[:, i] - spans[i][0]) / (spans[i][1] - spans[i][0]) for i in range(2)]
        return [
            f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="{radius}" class="{kind}"/>'
            for x, y in zip(shares[0].tolist(), shares[1].tolist(), strict=True)
        ]

    ends = [
        *_ends(*spans[0]),
        f'<text x="2" y="{_HEIGHT - _MARGIN:.0f}">{number(spans[1][0])}</text>',
        f'<text x="2" y="{_MARGIN - 4:.0f}">{number(spans[1][1])}</text>',
    ]
    caption = f"{names[1]} (up) against {names[0]} (right); the short list in red"
    return _figure([*dots(points, "all", 1.5), *dots(chosen, "top", 2.5), *ends], caption)


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _x(share: float) -> float:
    return _MARGIN + share * (_WIDTH - 2 * _MARGIN)


def _y(share: float) -> float:
    return _HEIGHT - _MARGIN - share * (_HEIGHT - 2 * _MARGIN)


def _ends(low: float, high: float) -> list[str]:
    y = _HEIGHT - _MARGIN + 14
    return [
        f'<line x1="{_MARGIN}" x2="{_WIDTH - _MARGIN}" y1="{_HEIGHT - _MARGIN}" y2="{_HEIGHT - _MARGIN}" class="axis"/>',
        f'<text x="{_MARGIN}" y="{y}">{number(low)}</text>',
        f'<text x="{_WIDTH - _MARGIN}" y="{y}" text-anchor="end">{number(high)}</text>',
    ]


def _figure(parts: Sequence[str], caption: str) -> str:
    drawn = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'
    return f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>"
