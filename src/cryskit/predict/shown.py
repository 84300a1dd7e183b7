"""What a notebook shows of models and of tables of predictions, and the door from a model to its explanations."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

from cryskit.data.validate import LIMIT
from cryskit.html import rows_html
from cryskit.registry import public

if TYPE_CHECKING:
    import pandas as pd

    from cryskit.predict.card import Card

MOST = 50
"""Rows of a table that are shown."""


class Shown:
    """What a model shows of itself; `Predictor` has these methods.

    Attributes:
        card: Card of the model.
    """

    card: Card

    def _repr_html_(self) -> str:
        return self.card._repr_html_()

    def explain(self, structures: Any, property: str | None = None, *, limit: int = LIMIT) -> Any:  # noqa: A002 - as in `cryskit.explain`
        """Explain predictions, as `cryskit.explain` does; a notebook shows what it returns as bars and structures.

        Args:
            structures: Whatever `predict` takes.
            property: Name or alias of the property; the first of the model by default.
            limit: Most atoms in a cell.

        Raises:
            ModelError: The model was pre-trained only, or captum is not installed.
            UnknownNameError: The model has no such property.
        """
        return public("explain")(self, structures, property, limit=limit)


class ShownTable:
    """A table of predictions as a notebook shows it: with units, and each interval in one column.

    Args:
        table: Table that `Predictor.predict` returned, which is not changed.
    """

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        units, columns = self.table.attrs.get("units", {}), list(self.table.columns)
        ends = {name: (f"{name}_lo", f"{name}_hi") for name in columns if {f"{name}_lo", f"{name}_hi"} <= set(columns)}
        hidden = {end for pair in ends.values() for end in pair} | {f"{name}_std" for name in ends}
        shown = [name for name in columns if name not in hidden]
        level = f"{self.table.attrs.get('interval', 0.9):.0%} interval"
        headings = []
        for name in shown:
            headings.append(f"{name}\n{units[name]}" if units.get(name) else str(name))
            headings += [f"{level}\n{units.get(name, '')}"] * (name in ends)
        rows = [self._row(row, shown, ends) for row in self.table.head(MOST).to_dict("records")]
        left = f"The first {MOST} of {len(self.table)} rows. " if len(self.table) > MOST else ""
        model = f"Model {self.table.attrs['model']}." if "model" in self.table.attrs else ""
        return rows_html(headings, rows, f"{left}{model}".strip())

    def _row(self, row: dict[Any, Any], shown: list[Any], ends: dict[str, tuple[str, str]]) -> list[str | float | None]:
        """Return the cells of a row."""
        cells: list[str | float | None] = []
        for name in shown:
            value = row[name]
            cells.append(value if value is None or isinstance(value, str | int | float) else str(value))
            if name in ends:
                low, high = (row[end] for end in ends[name])
                cells.append(None if low is None or isnan(low) else f"{low:.4g} to {high:.4g}")
        return cells


def show(table: pd.DataFrame) -> ShownTable:
    """Return a table of predictions as a notebook shows it: units below the names, intervals in one column, four digits.

    Args:
        table: Table that `Predictor.predict` returned. It stays a plain data frame.

    Example:
        >>> import cryskit
        >>> table = cryskit.load("cryskit-mp").predict("examples/NaCl.cif", "band_gap")
        >>> "band_gap<br>eV" in cryskit.show(table)._repr_html_()
        True
    """
    return ShownTable(table)
