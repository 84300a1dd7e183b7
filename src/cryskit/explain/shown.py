"""Explanations as a notebook shows them: bars in HTML and, where chemiscope is installed, structures to be turned around."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from cryskit.errors import ModelError
from cryskit.explain.atoms import Explanation
from cryskit.explain.bars import Bar, number, signed_bars
from cryskit.explain.document import row, space_of
from cryskit.explain.viewer import widget

if TYPE_CHECKING:
    from cryskit.types import Prediction

MOST = 10
"""Crystals that are shown."""

_STYLE = (
    "<style>.cryskit .bar{display:grid;grid-template-columns:12rem 1fr 5rem;gap:.6rem;align-items:center;max-width:46rem}"
    ".cryskit figure{margin:0 0 .6rem}.cryskit .track{position:relative;height:.8rem;background:linear-gradient(#ccc,#ccc) var(--zero) 0/1px 100% no-repeat}"
    ".cryskit .fill{position:absolute;top:.1rem;bottom:.1rem;border-radius:2px}.cryskit .less{background:#2a6099}"
    ".cryskit .more{background:#c0392b}.cryskit .number{text-align:right}</style>"
)


class Explanations(list["Explanation | Prediction"]):
    """Explanations in the order of the structures, a list that a notebook shows as bars and structures."""

    def view(self, position: int = 0) -> Any:
        """Return chemiscope's widget of one crystal, its atoms coloured by what they contribute.

        Args:
            position: Position of the crystal.

        Raises:
            ModelError: Chemiscope is not installed, or the crystal could not be explained.
        """
        found = self[position]
        if not isinstance(found, Explanation):
            raise ModelError(f"{found.id} could not be explained", found.reason.rstrip(".") or "Give another crystal")
        return widget(row(found), space_of(found.wanted))

    def _ipython_display_(self) -> None:
        from IPython.display import HTML, display  # noqa: PLC0415 - only a notebook calls it

        display(HTML(self._repr_html_()))
        if self and isinstance(self[0], Explanation):
            try:
                display(self.view())
            except ModelError:  # bars are shown without chemiscope, too
                return

    def _repr_html_(self) -> str:
        left = f"<p>The first {MOST} of {len(self)} crystals.</p>" if len(self) > MOST else ""
        return f'<div class="cryskit">{_STYLE}{"".join(map(_html, self[:MOST]))}{left}</div>'


def _html(found: Explanation | Prediction) -> str:
    """Return the numbers and bars of one crystal."""
    if not isinstance(found, Explanation):
        return f"<p><strong>{escape(found.id)}</strong>: {escape(found.reason)}</p>"
    space = space_of(found.wanted)
    total = (
        f"{number(found.learned)} {space} = mean {number(found.mean)} + geometry {number(found.geometry)} + atoms {number(float(found.atoms.sum()))}"
        f" + completeness error {number(found.residual)}"
    )
    charts = [
        signed_bars([Bar(*item) for item in found.elements.items()], f"{space}, all atoms of an element"),
        signed_bars([Bar(*item) for item in found.blocks.items()], f"{space}, by block of element features"),
    ]
    name = f"{found.wanted.name.replace('_', ' ')} of {found.crystal.id} ({found.crystal.formula})"
    return f"<p><strong>{escape(name)}</strong><br>{escape(total)}</p>{''.join(charts)}"
