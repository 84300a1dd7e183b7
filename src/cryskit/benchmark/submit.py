"""What leaderboards ask for, made of the test predictions of a benchmark."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from cryskit.atomic_write import write_json
from cryskit.benchmark import jarvis, matbench
from cryskit.benchmark.run import PREDICTIONS
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from cryskit.benchmark.card import Result, RowCard
    from cryskit.benchmark.draw import DataSet
    from cryskit.benchmark.run import Benchmark

_INFO = ("authors", "algorithm", "algorithm_long", "bibtex_refs", "notes")
_SUBMISSIONS = "submissions"


class _Done(NamedTuple):
    """The card and the result of a row that is done."""

    card: RowCard
    result: Result


def submissions(benchmark: Benchmark, cards: Sequence[RowCard]) -> list[Path]:
    """Write a submission for each model (encoder, regime, seed) that was trained on all of a protocol's training part.

    A test row that cannot be read or predicted gets the mean of the training labels, or their most frequent class; the submission
    says how many there are. Matbench takes classes as truth values; their probabilities are in `probabilities.json` next to it.

    Args:
        benchmark: Benchmark with data sets that follow a protocol.
        cards: Cards of all its rows.

    Returns:
        The folders.
    """
    folders = []
    models: dict[tuple[str, str, int], dict[str, dict[int, _Done]]] = {}
    for card in cards:
        row = card.row
        if card.result and row.fraction == 1:
            model = models.setdefault((row.encoder, row.regime, row.seed), {})
            model.setdefault(row.data, {})[row.fold] = _Done(card, card.result)
    for (encoder, regime, seed), found in models.items():
        label = slug(f"{encoder}-{regime}-seed{seed}")
        for name, of_data in found.items():
            if benchmark.plan.data[name].split == "jarvis":
                folders.append(benchmark.out / _SUBMISSIONS / slug(f"{name}-{label}"))
                _contribute(benchmark, benchmark.data[name], of_data[0], folders[-1])
        tasks = _tasks(benchmark, found)
        if tasks:
            folders.append(benchmark.out / _SUBMISSIONS / f"matbench-{label}")
            matbench.write_results(folders[-1] / "results.json.gz", tasks, {"encoder": encoder, "regime": regime})
            chances = {
                benchmark.data[name].task: _chances(benchmark, of_fold.values()) for name, of_fold in found.items()
            }
            if known := {task: found for task, found in chances.items() if task in tasks and found}:
                write_json(known, folders[-1] / "probabilities.json")
            _inform(folders[-1], f"cryskit {encoder} {regime}", benchmark.plan.submission)
    return folders


def slug(text: str) -> str:
    """Return a text as the name of a file."""
    return re.sub(r"[^\w.+-]+", "-", text)


def _tasks(benchmark: Benchmark, found: Mapping[str, Mapping[int, _Done]]) -> dict[str, dict[str, Any]]:
    """Return the results of the Matbench tasks of which all folds are done."""
    tasks = {}
    for name, of_fold in found.items():
        data = benchmark.data[name]
        if benchmark.plan.data[name].split == "matbench" and len(of_fold) == matbench.FOLDS:
            folds = {f"fold_{fold}": _fold(benchmark, data, fold, done) for fold, done in sorted(of_fold.items())}
            tasks[data.task] = folds
    return tasks


def _fold(benchmark: Benchmark, data: DataSet, fold: int, done: _Done) -> dict[str, Any]:
    names = matbench.names(data.task, len(data.rows))
    learned = done.result.properties[0]
    prop = learned.name
    classes = matbench.classes_of(data.rows, prop) if learned.classes else None
    rows = matbench.folds(len(data.rows), classes)[fold]
    predicted, guessed = _predicted(benchmark, data, done, [data.rows[i].id for i in rows])
    truth = {
        names[i]: row.targets[prop] for i in rows if isinstance(row := data.rows[i], Crystal) and prop in row.targets
    }
    parameters = {"epoch": done.result.epoch, "plan": done.result.plan.hash, "predictions guessed": guessed}
    values = {names[i]: predicted[data.rows[i].id] for i in rows}
    if classes is None:
        return matbench.fold_results(values, truth, parameters)
    second, known = ({name: value == 1 for name, value in table.items()} for table in (values, truth))
    return matbench.class_fold_results(second, known, parameters)


def _chances(benchmark: Benchmark, of_fold: Iterable[_Done]) -> dict[str, float]:
    """Return the probability of the second of two classes by crystal, for the test crystals that were predicted."""
    found: dict[str, float] = {}
    for done in of_fold:
        learned = done.result.properties[0]
        if len(learned.classes) == 2:
            table = pd.read_parquet(benchmark.out / PREDICTIONS / done.result.predictions)
            chances = table[f"{learned.name}_p"]
            second = chances.where(table[learned.name] == learned.classes[1], 1 - chances)
            found |= {str(name): float(p) for name, p in zip(table["id"], second, strict=True) if np.isfinite(p)}
    return found


def _contribute(benchmark: Benchmark, data: DataSet, done: _Done, folder: Path) -> None:
    row = done.card.row
    labels = jarvis.read_labels(str(benchmark.plan.data[row.data].ids))
    predicted, guessed = _predicted(benchmark, data, done, list(labels["test"]))
    about = {"model_name": f"cryskit {row.encoder} {row.regime}"} | benchmark.plan.submission
    if guessed:
        about["notes"] = f"{guessed} predictions are the mean of the training labels"
    jarvis.write_contribution(folder, slug(data.task), predicted, about, done.card.seconds)


def _predicted(benchmark: Benchmark, data: DataSet, done: _Done, ids: Sequence[str]) -> tuple[dict[str, float], int]:
    """Return the prediction of every test row, of a class its number, and how many of them are guessed."""
    learned = done.result.properties[0]
    prop = learned.name
    table = pd.read_parquet(benchmark.out / PREDICTIONS / done.result.predictions).set_index("id")[prop]
    if learned.classes:
        table = table.map({name: float(number) for number, name in enumerate(learned.classes)})
    known = table[np.isfinite(table)].to_dict()
    training = set(data.splits[done.card.row.fold].train)
    labels = [c.targets[prop] for c in data.crystals if c.id in training and prop in c.targets]
    guess = float(np.bincount(np.array(labels, dtype=int)).argmax() if learned.classes else np.mean(labels))
    return {name: float(known.get(name, guess)) for name in ids}, sum(name not in known for name in ids)


def _inform(folder: Path, algorithm: str, about: Mapping[str, str]) -> None:
    """Write the info.json of a Matbench submission; what the plan does not say is left empty."""
    info = dict.fromkeys(_INFO, "") | {"algorithm": algorithm} | {k: v for k, v in about.items() if k in _INFO}
    write_json(info | {"requirements": {"python": [f"cryskit=={version('cryskit')}"]}}, folder / "info.json")
