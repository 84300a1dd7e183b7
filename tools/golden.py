"""Record what the published models say of the examples, for `tests/published`: run once after publishing a model."""

from __future__ import annotations

import json
from pathlib import Path

from cryskit.predict.card import digest
from cryskit.predict.predictor import load
from cryskit.predict.published import models

ROOT = Path(__file__).parents[1]


def golden() -> dict[str, object]:
    """Return, for every published model, the hash of its file and its predictions of the examples."""
    recorded: dict[str, object] = {}
    for name, path in models().items():
        predictor = load(name)
        table = predictor.predict(ROOT / "examples").set_index("id")[predictor.properties]
        recorded[name] = {"sha256": digest(path), "predictions": table.round(5).to_dict("index")}
    return recorded


if __name__ == "__main__":
    text = json.dumps(golden(), indent=1)
    (ROOT / "tests" / "published" / "golden.json").write_text(text + "\n", encoding="utf-8")
