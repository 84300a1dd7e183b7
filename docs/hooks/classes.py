"""Fill the page on classes with the figures that its result cards hold, at `<!-- classes: NAME -->`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from cards import result_card, table  # MkDocs runs a hook as a file, not as a module of a package

MARK = re.compile(r"<!-- classes: (\w+) -->")
_FIGURES = {
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "roc_auc": "ROC-AUC",
    "f1": "F1",
    "log_loss": "log loss",
    "calibration_error": "calibration error",
    "coverage": "coverage of the sets",
    "worst_coverage": "of the worst class",
    "set_size": "classes in a set",
}
_MODELS = {"cgcnn": "CGCNN", "elements": "elements alone, boosted trees"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page (called by MkDocs for each page)."""
    return MARK.sub(lambda found: tables(found[1]), markdown)


def tables(name: str) -> str:
    """Return the figures of a study of classes and of its baseline, before and after calibration."""
    try:
        card = result_card(f"classes-{name}")
    except FileNotFoundError:
        return "*The run has not been made yet.*"
    arms = [(_MODELS.get(arm, arm), found) for arm, found in card["arms"].items()]
    rows = [[words, *(found.get(key) for _, found in arms)] for key, words in _FIGURES.items()]
    rows += [
        ["temperature", *(found["temperature"] for _, found in arms)],
        ["log loss without it", *(found["uncalibrated"]["log_loss"] for _, found in arms)],
        ["calibration error without it", *(found["uncalibrated"]["calibration_error"] for _, found in arms)],
    ]
    split = card["split"]
    shares = ", ".join(f"{share:.0%} {which}" for which, share in card["classes"].items())
    said = (
        f"{split['test']:,} test crystals ({shares}); {split['train']:,} trained in {card['epochs']} passes, "
        f"{split['validation']:,} chose the epoch, {split['calibration']:,} calibrated. No formula is in two parts. "
        f"Always guessing the most frequent class is right for {arms[0][1]['most_frequent']:.1%}."
    )
    return f"{said}\n\n{table(['on the test crystals', *(arm for arm, _ in arms)], rows)}{_splits(name)}"


def _splits(name: str) -> str:
    """Return how much the coverage of the baseline varies over splits, "" if that was not measured."""
    try:
        card = result_card(f"classes-{name}-splits")
    except FileNotFoundError:
        return ""
    covered = card["coverage"]
    return (
        f"\n\nOver {len(card['splits'])} splits of the same crystals the sets of the elements cover "
        f"{covered['mean']:.3f} on average, with a standard deviation of {covered['deviation']:.3f} from split to split."
    )
