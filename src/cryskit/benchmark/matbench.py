"""The protocol of Matbench v0.1 (doi 10.1038/s41524-020-00406-3): its five folds, and its file of results.

A task is given as its json.gz, a frame in "split" orientation. The folds of a regression task are those of scikit-learn's
KFold(5, shuffle=True, random_state=18012019) over its rows, those of a classification task those of its StratifiedKFold. Epochs
are chosen on a share of the training part of each fold (nested validation). Predictions of classes are recorded as truth values,
from which all scores are made, ROC-AUC included; probabilities are kept in a file of their own.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from cryskit.atomic_write import replacing
from cryskit.data.interchange import manifest
from cryskit.data.splits import Split
from cryskit.errors import DataError
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cryskit.types import Failure

FOLDS = 5
_SEED = 18012019
_VERSION = "0.6"  # of the package whose files these are like
_NAME = "matbench_v0.1"
_SMALLEST = 1e-5  # labels nearer to zero are left out of the relative error


def folds(rows: int, classes: Sequence[int] | None = None) -> list[np.ndarray]:
    """Return the positions of the test rows of each fold, ascending.

    Args:
        rows: Number of rows of the task.
        classes: Number of the class of each row, for a classification task.
    """
    if classes is not None:
        divided = StratifiedKFold(FOLDS, shuffle=True, random_state=_SEED).split(np.zeros(rows), classes)
        return [test for _, test in divided]
    order = np.arange(rows)
    np.random.RandomState(_SEED).shuffle(order)
    return [np.sort(part) for part in np.array_split(order, FOLDS)]


def divide(
    rows: Sequence[Crystal | Failure], share: float, name: str, classes: Sequence[int] | None = None
) -> list[Split]:
    """Return the split of each fold; rows that cannot be read are in none of its parts.

    Args:
        rows: Rows of the task in the order of its file.
        share: Share of the crystals outside a fold's test part that choose the epoch.
        name: Name of the task.
        classes: Number of the class of each row, for a classification task.
    """
    data = manifest(row for row in rows if isinstance(row, Crystal))
    usable = {row.id for row in rows if isinstance(row, Crystal)}
    splits = []
    for number, test in enumerate(folds(len(rows), classes)):
        rest = np.random.default_rng((_SEED, number)).permutation(np.setdiff1d(np.arange(len(rows)), test))
        cut = round(share * len(rest))
        parts = ([rows[i].id for i in part] for part in (rest[cut:], rest[:cut], test))
        train, validation, held = (tuple(i for i in part if i in usable) for part in parts)
        splits.append(Split(f"{name}-fold_{number}", "random", _SEED, train, validation, held, data))
    return splits


def classes_of(rows: Sequence[Crystal | Failure], name: str) -> list[int]:
    """Return the number of the class of each row, by which a classification task is divided.

    Args:
        rows: Rows of the task in the order of its file, with targets.
        name: Name of the property of the task.

    Raises:
        DataError: A row has no class.
    """
    found = [row.targets.get(name, -1) if isinstance(row, Crystal) else -1 for row in rows]
    bad = next((row.id for row, label in zip(rows, found, strict=True) if label < 0), None)
    if bad is not None:
        raise DataError(
            f"The folds of a classification task need the class of every row, and {bad} has none of {name}",
            "Give the published file, with --limit as high as its largest cell needs",
        )
    return [int(label) for label in found]


def names(task: str, rows: int) -> list[str]:
    """Return what Matbench calls the rows of a task: "mb-jdft2d-001" and so on.

    Args:
        task: Name of the task, "matbench_jdft2d".
        rows: Number of rows of the task.
    """
    start, digits = task.replace("matbench", "mb").replace("_", "-"), len(str(rows))
    return [f"{start}-{row:0{digits}d}" for row in range(1, rows + 1)]


def fold_results(
    predicted: Mapping[str, float], truth: Mapping[str, float], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a file of results says of a fold.

    Args:
        predicted: Name of each test row to its prediction.
        truth: Name of each test row to its label, as far as it is known.
        parameters: Remarks on the model: its epoch, the hash of its plan.
    """
    known = [name for name in predicted if name in truth]
    labels, values = (np.array([table[name] for name in known]) for table in (truth, predicted))
    errors, large = np.abs(values - labels), np.abs(labels) > _SMALLEST
    scores = {
        "mae": float(errors.mean()),
        "rmse": float(np.sqrt(np.square(errors).mean())),
        "mape": float((errors[large] / np.abs(labels[large])).mean()) if large.any() else 0.0,
        "max_error": float(errors.max()),
    }
    return {"data": dict(predicted), "parameters": dict(parameters), "scores": scores, "uncertainty": None}


def class_fold_results(
    predicted: Mapping[str, bool], truth: Mapping[str, bool], parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a file of results says of a fold of a classification task.

    Args:
        predicted: Name of each test row to whether the second class is predicted.
        truth: Name of each test row to its label, as far as it is known.
        parameters: Remarks on the model: its epoch, the hash of its plan.
    """
    known = [name for name in predicted if name in truth]
    labels, values = ([table[name] for name in known] for table in (truth, predicted))
    scores = {
        "accuracy": accuracy_score(labels, values),
        "balanced_accuracy": balanced_accuracy_score(labels, values),
        "f1": f1_score(labels, values),
        "rocauc": roc_auc_score(labels, values),
    }
    plain = {name: float(score) for name, score in scores.items()}
    return {"data": dict(predicted), "parameters": dict(parameters), "scores": plain, "uncertainty": None}


def write_results(path: Path, tasks: Mapping[str, Mapping[str, Any]], about: Mapping[str, str]) -> None:
    """Write the results of all folds of some tasks as Matbench reads them, gzipped JSON with its hash.

    Args:
        path: File to write, "results.json.gz".
        tasks: Name of each task to its folds ("fold_0" ...), from `fold_results`.
        about: Free remarks on the model.
    """
    document: dict[str, Any] = {
        "@module": "matbench.bench",
        "@class": "MatbenchBenchmark",
        "version": _VERSION,
        "benchmark_name": _NAME,
        "user_metadata": dict(about),
        "datestamp": datetime.now(UTC).strftime("%Y.%m.%d %H:%M.%S"),
        "tasks": {
            name: {
                "@module": "matbench.task",
                "@class": "MatbenchTask",
                "benchmark_name": _NAME,
                "dataset_name": name,
                "results": dict(results),
            }
            for name, results in tasks.items()
        },
    }
    document["hash"] = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    with replacing(path) as temporary:
        temporary.write_bytes(gzip.compress(json.dumps(document, sort_keys=True).encode(), mtime=0))
