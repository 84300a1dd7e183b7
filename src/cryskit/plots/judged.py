"""The plot of an evaluated property: parity of a scalar or of the components of a tensor, reliability and confusion of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryskit.plots.parity import plot_parity
from cryskit.plots.reliability import plot_classes

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from cryskit.types import Property


def plot_judged(
    table: pd.DataFrame, wanted: Property, folder: Path, name: str = "", *, form: str = "png", of: str = ""
) -> Path:
    """Draw predictions against labels and return the file.

    Args:
        table: Predictions and labels, as an evaluation has them.
        wanted: The property.
        folder: Folder of the file.
        name: Name of the file; `parity-<property>.<form>` or `classes-<property>.<form>` by default.
        form: Format of a file without a name: "png", "pdf" or "svg".
        of: Words under the title that name the model and the part of the data.

    Raises:
        DataError: There is no row to draw.
    """
    path = folder / (name or f"{'classes' if wanted.classes else 'parity'}-{wanted.name}.{form}")
    if wanted.classes:
        plot_classes(table, wanted, path, of=of)
    else:
        truth = table[[f"{column}_true" for column in wanted.columns]].to_numpy().ravel()
        plot_parity(truth, table[list(wanted.columns)].to_numpy().ravel(), wanted, path, of=of)
    return path
