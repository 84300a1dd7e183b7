"""Figures of classes are those of scikit-learn, over the rows that have both; plots show them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from cryskit.errors import DataError
from cryskit.evaluate.class_metrics import class_metrics, reliability
from cryskit.plots.reliability import draw_classes, plot_classes
from cryskit.predict.classes import class_prediction, softmax
from cryskit.types import Property

if TYPE_CHECKING:
    from pathlib import Path

METAL = Property("metal", "", "", kind="class", classes=("insulator", "metal"))
KIND = Property("kind", "", "", kind="class", classes=("a", "b", "c"))


def judged(wanted: Property, count: int = 400) -> tuple[list[float], np.ndarray]:
    chance = np.random.default_rng(0)
    chances = softmax(chance.normal(size=(count, len(wanted.classes))) * 2)
    labels = (chance.random(count)[:, None] > chances.cumsum(1)).sum(1).clip(max=len(wanted.classes) - 1)
    return labels.astype(float).tolist(), chances


@pytest.mark.parametrize("wanted", [METAL, KIND], ids=["two", "three"])
def test_figures_are_those_of_scikit_learn(wanted: Property) -> None:
    labels, chances = judged(wanted)
    limits = (0.6,) * len(wanted.classes)
    predictions = [class_prediction(wanted.classes, row, limits) for row in chances]
    found = class_metrics([*predictions, None, predictions[0]], [*labels, 1.0, None], wanted)
    best = chances.argmax(1)
    assert found["n"] == len(labels)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(labels, best))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(labels, best))
    assert found["log_loss"] == pytest.approx(sk.log_loss(labels, chances))
    average = "binary" if wanted is METAL else "macro"
    assert found["f1"] == pytest.approx(sk.f1_score(labels, best, average=average))
    ranked = chances[:, 1] if wanted is METAL else chances
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(labels, ranked, multi_class="ovr"))
    assert found["calibration_error"] < 0.08, "labels are drawn by the probabilities"
    inside = [wanted.classes[int(label)] in p.members for label, p in zip(labels, predictions, strict=True)]
    assert found["coverage"] == pytest.approx(np.mean(inside))
    assert found["set_size"] == pytest.approx(np.mean([len(p.members) for p in predictions]))


def test_labels_that_are_none_of_the_classes_are_counted_and_left_out() -> None:
    predictions = [class_prediction(METAL.classes, np.array([0.2, 0.8]))] * 3
    found = class_metrics(predictions, [1.0, -1.0, 1.0], METAL)
    assert found["n"] == 2
    assert found["n_other"] == 1
    assert found["accuracy"] == 1.0
    assert "roc_auc" not in found, "one class alone cannot be told apart"
    with pytest.raises(DataError, match="No row has both"):
        class_metrics(predictions, [None, -1.0, None], METAL)


def test_reliability_is_that_of_planted_probabilities() -> None:
    chance = np.random.default_rng(0)
    chances = chance.random(20_000)
    table = reliability(chances, (chance.random(20_000) < chances).astype(float))
    assert table[:, 2].tolist() == [2000] * 10
    assert np.abs(table[:, 0] - table[:, 1]).max() < 0.035
    bent = reliability(chances, (chance.random(20_000) < chances**3).astype(float))
    assert np.abs(bent[:, 0] - bent[:, 1]).max() > 0.2


@pytest.mark.parametrize("wanted", [METAL, KIND], ids=["two", "three"])
def test_plots_show_reliability_and_every_confusion(wanted: Property, tmp_path: Path) -> None:
    labels, chances = judged(wanted)
    names = [wanted.classes[int(label)] for label in labels]
    found = [wanted.classes[k] for k in chances.argmax(1)]
    table = pd.DataFrame(
        {wanted.name: [*found, None], f"{wanted.name}_p": [*chances.max(1), None], f"{wanted.name}_true": [*names, "a"]}
    )
    figure = draw_classes(table, wanted)
    left, right = figure.axes
    assert "probability of" in left.get_xlabel()
    counts = sk.confusion_matrix(names, found, labels=list(wanted.classes)).ravel()
    assert [text.get_text() for text in right.texts] == [f"{count:,}" for count in counts]
    plot_classes(table, wanted, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000
    with pytest.raises(DataError, match="No row has both"):
        draw_classes(table.iloc[-1:], wanted)
