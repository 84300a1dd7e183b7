"""Print figures of merit as train, evaluate and models show them: one line per property, one more for its logarithm.

Classes have a table of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cryskit.cli.output import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_COLUMNS = {"n": "crystals", "mae": "MAE", "rmse": "RMSE", "r2": "R2", "mad": "MAD"}
_TENSOR_COLUMNS = {"share": "MAE / MAD"}
_CLASS_COLUMNS = {
    "n": "crystals",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "most_frequent": "guessing",
    "roc_auc": "ROC-AUC",
    "f1": "F1",
    "log_loss": "log loss",
    "coverage": "coverage",
    "set_size": "set size",
}
_LOG = "_log10"
_OF_INTERVALS = {"crystals": "crystals", "coverage": "coverage", "width": "width", "rank": "rank correlation"}


def print_figures(metrics: Mapping[str, Mapping[str, float | str]], units: Mapping[str, str]) -> None:
    """Print the figures of each property.

    Args:
        metrics: Property to figure to value, or to a text that stands for it, as `cryskit.evaluate.metrics` names them.
        units: Property to unit.
    """
    classes = {name: found for name, found in metrics.items() if "accuracy" in found}
    scalars = {name: found for name, found in metrics.items() if name not in classes}
    if scalars:
        columns = _COLUMNS | (_TENSOR_COLUMNS if any("share" in found for found in scalars.values()) else {})
        rows = [row for name, found in scalars.items() for row in _rows(name, found, units.get(name, ""), columns)]
        print_table(["property", "unit", *columns.values()], rows)
    if classes:
        counts = [
            [name, int(found["n"]), *(found.get(key) for key in list(_CLASS_COLUMNS)[1:])]
            for name, found in classes.items()
        ]
        print_table(["property", *_CLASS_COLUMNS.values()], counts)


def print_coverage(
    coverage: Mapping[str, Mapping[str, Mapping[str, float]]], units: Mapping[str, str], level: float
) -> None:
    """Print how well intervals cover labels, a line for each property and kind of crystals; nothing if there are none.

    Args:
        coverage: Property to kind of crystals to figure to value, as `cryskit.evaluate.coverage` names them.
        units: Property to unit.
        level: Share of labels that the intervals should cover.
    """
    rows = [
        [
            *(name, kind, *(found.get(key, found.get(f"{key}_share")) for key in _OF_INTERVALS)),
            "norm of the tensor" if "width_share" in found else units.get(name, ""),
        ]
        for name, kinds in coverage.items()
        for kind, found in kinds.items()
    ]
    if rows:
        typer.echo(f"\nIntervals of the level {level:g}:\n")
        print_table(["property", "of", *_OF_INTERVALS.values(), "unit of the width"], rows)


def print_likeness(likeness: Mapping[str, Mapping[str, Mapping[str, float]]], units: Mapping[str, str]) -> None:
    """Print figures apart for crystals by their likeness to those that trained the model; nothing if it keeps no record of them.

    Args:
        likeness: Property to kind of crystals to figure to value, as `cryskit.evaluate.Evaluation` has them.
        units: Property to unit.
    """
    if not likeness:
        return
    typer.echo("\nApart, by what the model was trained on:\n")
    for columns in (_COLUMNS, _CLASS_COLUMNS):
        rows = [
            [name, kind, *_values(found, "", columns), units.get(name, "")]
            for name, kinds in likeness.items()
            for kind, found in kinds.items()
            if ("accuracy" in found) is (columns is _CLASS_COLUMNS)
        ]
        if rows:
            print_table(["property", "of", *columns.values(), "unit"], rows)


def _rows(name: str, found: Mapping[str, float | str], unit: str, columns: Mapping[str, str]) -> Iterator[list[object]]:
    yield [name, unit, *_values(found, "", columns)]
    if f"mae{_LOG}" in found:
        yield [name, f"log10({unit})", *_values(found, _LOG, columns)]


def _values(found: Mapping[str, float | str], ending: str, columns: Mapping[str, str]) -> list[float | str | None]:
    count = found.get(f"n{ending}")
    return [None if count is None else int(count), *(found.get(f"{key}{ending}") for key in list(columns)[1:])]
