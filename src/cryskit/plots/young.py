"""Young's modulus by direction: a figure of its sections through three planes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
from matplotlib.ticker import MaxNLocator

from cryskit.errors import DataError
from cryskit.plots.style import BLUE, FAINT, GRID, INK, new_figure, save
from cryskit.tensors.elastic import directional_young, stability

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure
    from matplotlib.projections.polar import PolarAxes
    from numpy.typing import ArrayLike

_POINTS = 361
_PLANES = ((0, 1), (0, 2), (1, 2))


def plot_young(stiffness: ArrayLike, path: Path, *, of: str = "") -> None:
    """Draw Young's modulus in the planes xy, xz and yz of the frame of a stiffness.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa.
        path: The PNG, PDF or SVG file to write.
        of: Words in the title that name the crystal and the frame: "SiO2, IEEE frame".

    Raises:
        DataError: The stiffness has another shape, or is not positive definite.
    """
    save(draw_young(stiffness, of=of), path)


def draw_young(stiffness: ArrayLike, *, of: str = "") -> Figure:
    """Return Young's modulus in the planes xy, xz and yz as a figure.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa.
        of: Words in the title that name the crystal and the frame.

    Raises:
        DataError: The stiffness has another shape, or is not positive definite.
    """
    raise_if_unstable(stiffness)
    angles = np.linspace(0, 2 * np.pi, _POINTS)
    sections = []
    for first, second in _PLANES:
        directions = np.zeros((_POINTS, 3))
        directions[:, first], directions[:, second] = np.cos(angles), np.sin(angles)
        sections.append(directional_young(stiffness, directions))
    largest = float(np.max(sections))
    figure = new_figure(9.0, 3.7)
    for place, (plane, section) in enumerate(zip(_PLANES, sections, strict=True)):
        axes = cast("PolarAxes", figure.add_subplot(1, 3, place + 1, projection="polar"))
        axes.plot(angles, section, color=BLUE, linewidth=1.6)
        axes.fill(angles, section, color=BLUE, alpha=0.12)
        _style(axes, plane, largest)
        axes.set_title(f"{section.min():.4g} to {section.max():.4g} GPa", size=9.5, color=FAINT, pad=10)
    words = f"Young's modulus $E$ by direction (GPa){f': {of}' if of else ''}"
    figure.suptitle(words, x=0.02, ha="left", size=12, weight="bold", color=INK)
    return figure


def raise_if_unstable(stiffness: ArrayLike) -> None:
    """Raise if Young's modulus is not positive along every direction.

    Args:
        stiffness: (6, 6), the stiffness in Voigt notation, in GPa.

    Raises:
        DataError: The stiffness has another shape, or is not positive definite.
    """
    found = stability(stiffness)
    if not found.stable:
        raise DataError(f"Young's modulus cannot be drawn: {found.reason}", "Give the stiffness of a stable crystal")


def _style(axes: PolarAxes, plane: tuple[int, int], largest: float) -> None:
    across, up = ("xyz"[place] for place in plane)
    axes.set_rlim(0, 1.08 * largest)
    axes.set_xticks(np.arange(4) * np.pi / 2, [across, up, f"-{across}", f"-{up}"])
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.set_rlabel_position(22.5)
    axes.tick_params(labelsize=8, colors=FAINT, labelcolor=INK)
    axes.grid(color=GRID, linewidth=0.8)
    axes.spines["polar"].set_color(GRID)
