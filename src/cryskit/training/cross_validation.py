"""Cross-validation: one plan trained on each fold of a data set and judged on the crystals that the fold leaves out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np
import pandas as pd
import pyarrow as pa

from cryskit.atomic_write import read_json, replacing, write_json
from cryskit.data import splits
from cryskit.data.classes import prepared
from cryskit.data.splits import Kind, Split
from cryskit.data.tensors import target_row
from cryskit.errors import DataError, PlanError, shortened, suggestion
from cryskit.evaluate.evaluate import evaluate, with_truth
from cryskit.plots.judged import plot_judged
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.tables import arrow_table, records
from cryskit.predict.writers import table_writer
from cryskit.training.identity import Identity, claim, digest_of, flat, training_in
from cryskit.training.labels import labels_of, without_impossible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cryskit.predict.card import Card
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal, Property

    Metrics = Mapping[str, Mapping[str, float]]

GROUPED = "formula"
"""Kind of group that folds keep together unless the caller says otherwise: polymorphs are never divided."""
SUMMARY, OUT_OF_FOLD = "summary.json", "out-of-fold.csv"
"""Files of a cross-validation: what came out, and every label with the prediction of a model that has not seen it."""

_TABLES = (".csv", ".parquet")
_CURE = "Delete it and give the same command again: the fold is judged anew"
_OTHERS = ("validation", "test")
_FIRST = ("accuracy", "mae_log10", "mae")


@dataclass(frozen=True, repr=False)
class CrossValidation:
    """What a cross-validation gives.

    Attributes:
        metrics: Property to figure (see `cryskit.evaluate`) to its mean and its standard deviation over folds.
        folds: Each fold in order: `model`, `digest`, `split`, `epoch`, `crystals` and the `metrics` on its test part.
        units: Property to unit, for those that are numbers.
        table: One row per labelled crystal: `id`, `path`, `formula`, `fold` (counted from 0), and for each property its prediction and
            `<property>_true`.
        path: File of the table.
        folder: Folder with the models `fold-0.safetensors` ..., the summary and a folder for the run of each fold.
    """

    metrics: dict[str, dict[str, tuple[float, float]]]
    folds: list[dict[str, Any]]
    units: dict[str, str]
    table: pd.DataFrame
    path: Path
    folder: Path

    def __repr__(self) -> str:
        shown = {name: next(one for one in _FIRST if one in found) for name, found in self.metrics.items()}
        figures = [f"{name} {one} {spread(*self.metrics[name][one])}" for name, one in shown.items()]
        return f"CrossValidation({len(self.folds)} folds, {len(self.table)} crystals, {', '.join(figures)})"

    @property
    def summary(self) -> Path:
        """File with all figures."""
        return self.folder / SUMMARY


def kind_of(split: Any) -> Kind:
    """Return what folds keep together.

    Args:
        split: "random", "formula", "system", or None for "formula".

    Raises:
        PlanError: It is a split of its own, which contradicts folds.
    """
    kinds = get_args(Kind)
    if split is None:
        return cast("Kind", GROUPED)
    if split in kinds:
        return cast("Kind", split)
    meant = suggestion(split, kinds, "") if isinstance(split, str) else ""
    given = split.name if isinstance(split, Split) else split
    raise PlanError(
        f"The split {shortened(given)} and folds contradict each other: folds divide the data anew",
        meant or f"Leave one of them out; with folds, a split is one of {', '.join(kinds)}, which they keep together",
    )


def splits_of(folds: int | Sequence[Split], split: Any, crystals: Sequence[Crystal], seed: int) -> list[Split]:
    """Return the split of each fold.

    Args:
        folds: Number of folds, or their splits, which are taken as they are.
        split: What folds keep together, as `kind_of` takes it.
        crystals: The whole data set.
        seed: Seed of the random order.

    Raises:
        DataError: There are too few groups, or a crystal is in several test parts.
        PlanError: The split contradicts the folds, or there are fewer than two.
    """
    kind = kind_of(split)
    made = splits.folds(crystals, folds, kind, seed=seed) if isinstance(folds, int) else list(folds)
    if len(made) < 2:
        raise PlanError(f"{len(made)} folds are no cross-validation", "Give at least 2")
    tested = [name for one in made for name in one.test]
    if len(set(tested)) < len(tested):
        raise DataError("The test parts of the folds share crystals", "Give splits whose test parts are disjoint")
    return made


def table_of(out: Path, folder: Path) -> Path:
    """Return the file of the out-of-fold table: `out` if it is a table, else one in the folder.

    Args:
        out: The file that was asked for.
        folder: Folder of the cross-validation.
    """
    return out if out.suffix.lower() in _TABLES else folder / OUT_OF_FOLD


def cross_validate(
    settled: SettledPlan,
    crystals: Sequence[Crystal],
    folds: Sequence[Split],
    out: Path,
    folder: Path,
    train_fold: Callable[..., Card],
    *,
    name: str,
    source: str,
    judging: bool,
    announce: Callable[[str], None],
) -> CrossValidation:
    """Train and judge every fold; a call that was killed goes on where it was.

    Args:
        settled: The plan.
        crystals: The whole data set that the folds divide.
        folds: Split of each fold.
        out: File of the out-of-fold table, .csv or .parquet; with another ending the table is in the folder.
        folder: Folder of the whole.
        train_fold: Function of a split, a model file, the folder of a run and the `name` of a model, which trains on the split.
        name: Beginning of the names of the models.
        source: Where the data came from, for the summary.
        judging: Whether the models are given intervals and a domain.
        announce: Function that is called with a line after each fold.

    Raises:
        DataError: A property has no label in the training part of a fold, another part has none at all, or a file of an earlier call is damaged.
        PlanError: The folder holds another run, or another process trains in it.
    """
    named, wanted = prepared(crystals, settled.plan.properties, settled.plan.kinds)
    divided = [fold.divide(named) for fold in folds]
    for fold, parts in zip(folds, divided, strict=True):
        _check_labels(fold, parts[:3], wanted)
    labels = digest_of(labels_of(named, wanted))
    texts = digest_of([crystal.text for crystal in named])
    data = {"data": folds[0].data, "labels": labels, "descriptions": texts, "folds": [fold.hash for fold in folds]}
    documents: list[dict[str, Any]] = []
    with training_in(folder):
        claim(folder, Identity(flat(settled.plan.decisive) | data | {"intervals": judging}))
        for number, (fold, parts) in enumerate(zip(folds, divided, strict=True)):
            documents.append(_fold(number, fold, parts.test, wanted, folder, train_fold, f"{name}-fold-{number}"))
            announce(f"fold {number + 1} of {len(folds)}: {_line(documents[-1]['metrics'])}")
    table = _joined(named, folder, len(folds))
    units = {one.name: one.unit for one in wanted if not one.classes}
    place = table_of(out, folder)
    table.attrs["units"] = units
    _write(table, wanted, [folder / one["model"] for one in documents], place)
    found = CrossValidation(means([one["metrics"] for one in documents]), documents, units, table, place, folder)
    for one in (one for one in wanted if one.name in found.metrics):
        plot_judged(table, one, folder, of=f"{len(folds)} folds, each predicted by a model that had not seen it")
    write_json(_summary(found, settled, source, folds[0].data), found.summary)
    return found


def means(folds: Sequence[Metrics]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return the mean and the standard deviation over folds of every figure.

    Args:
        folds: Property to figure to value, for each fold; a figure that a fold lacks is left out there.
    """
    found: dict[str, dict[str, tuple[float, float]]] = {}
    names = dict.fromkeys((name, figure) for fold in folds for name in fold for figure in fold[name])
    for name, figure in names:
        values = [fold[name][figure] for fold in folds if figure in fold.get(name, {})]
        found.setdefault(name, {})[figure] = float(np.mean(values)), float(np.std(values))
    return found


def spread(mean: float, deviation: float) -> str:
    """Return a mean and a standard deviation as tables show them, "0.05123 ± 0.0041"."""
    return f"{mean:.4g} ± {deviation:.2g}"


def _check_labels(fold: Split, parts: Sequence[Sequence[Crystal]], wanted: Sequence[Property]) -> None:
    """Refuse a fold in which a property cannot be learned, or nothing can be validated or judged."""
    training, *others = parts
    lacking = [("train", one.name) for one in wanted if not _labelled(training, [one])]
    names = " or ".join(one.name for one in wanted)
    lacking += [
        (part, names) for part, crystals in zip(_OTHERS, others, strict=True) if not _labelled(crystals, wanted)
    ]
    for part, name in lacking:
        raise DataError(
            f"The {part} part of {fold.name} has no label of {name}", "Use fewer folds, or give more labels"
        )


def _labelled(crystals: Sequence[Crystal], wanted: Sequence[Property]) -> list[Crystal]:
    """Return the crystals with a label that can be; labels that cannot be are taken away."""
    possible, _ = without_impossible(crystals, wanted)
    return [c for c in possible if np.isfinite(target_row(c, wanted)).any()]


def _fold(
    number: int,
    fold: Split,
    test: Sequence[Crystal],
    wanted: Sequence[Property],
    folder: Path,
    train_fold: Callable[..., Card],
    name: str,
) -> dict[str, Any]:
    """Return what came out of a fold, which is trained and judged unless an earlier call has done so."""
    model, note, run = (folder / f"fold-{number}{ending}" for ending in (".safetensors", ".json", ""))
    if note.exists() and model.exists():
        known: dict[str, Any] = read_json(note, _CURE)
        if known.get("digest") == digest(model) and _part(folder, number).exists():
            return known
    card = train_fold(fold, model, run, name=name)
    fold.save(run / "split.json")
    judged = evaluate(load(model, run), _labelled(test, wanted))
    with replacing(_part(folder, number)) as temporary:
        judged.table.to_parquet(temporary, index=False)
    document = {
        "fold": number,
        "model": model.name,
        "digest": digest(model),
        "split": {"name": fold.name, "hash": fold.hash},
        "epoch": card.epoch,
        "crystals": card.rows | {"test": judged.rows, "test failed": judged.failed},
        "metrics": judged.metrics,
        "coverage": judged.coverage,
    }
    write_json(document, note)
    return document


def _part(folder: Path, number: int) -> Path:
    """Return the file with the predictions of a fold."""
    return folder / f"fold-{number}.parquet"


def _line(metrics: Metrics) -> str:
    """Return the first figure of each property of a fold as a line."""
    first = {name: next(one for one in _FIRST if one in found) for name, found in metrics.items()}
    return ", ".join(f"{name} {figure} {metrics[name][figure]:.4g}" for name, figure in first.items())


def _joined(crystals: Sequence[Crystal], folder: Path, folds: int) -> pd.DataFrame:
    """Return the predictions of all folds in the order of the data, with path, formula and fold of each crystal."""
    parts = []
    for number in range(folds):
        path = _part(folder, number)
        try:
            part = pd.read_parquet(path)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{path} is damaged ({error})", _CURE) from error
        part.insert(1, "fold", number)
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)
    known = {crystal.id: (place, crystal) for place, crystal in enumerate(crystals)}
    table = table.iloc[np.argsort([known[name][0] for name in table["id"]], kind="stable")].reset_index(drop=True)
    table.insert(1, "path", [known[name][1].path for name in table["id"]])
    table.insert(2, "formula", [known[name][1].formula for name in table["id"]])
    return table


def _write(table: pd.DataFrame, wanted: Sequence[Property], models: Sequence[Path], place: Path) -> None:
    """Write the out-of-fold table; its columns have the types that the model with the most of them says."""
    predicted = max((load(model).schema() for model in models), key=len)
    first = [("id", pa.string()), ("path", pa.string()), ("formula", pa.string()), ("fold", pa.int64())]
    columns = [
        *(pa.field(*one) for one in first),
        *list(with_truth(predicted, [column for one in wanted for column in one.columns]))[1:],
    ]
    rows = arrow_table(records(table), pa.schema(columns)).to_pylist()
    with table_writer(place, pa.schema(columns), {"units": table.attrs["units"]}) as write:
        for row in rows:
            write(row)


def _summary(found: CrossValidation, settled: SettledPlan, source: str, manifest: str) -> dict[str, Any]:
    """Return all that a cross-validation says, as plain values."""
    figures = {
        name: {figure: {"mean": mean, "deviation": deviation} for figure, (mean, deviation) in each.items()}
        for name, each in found.metrics.items()
    }
    return {
        "plan": settled.asked.model_dump(mode="json"),
        "data": {"source": source, "manifest": manifest},
        "crystals": len(found.table),
        "units": found.units,
        "metrics": figures,
        "table": str(found.path),
        "folds": found.folds,
    }
