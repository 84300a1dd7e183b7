"""Record what the published models say of the examples, for `tests/published`: run once after publishing a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.published import versions

if TYPE_CHECKING:
    from cryskit.predict.predictor import Predictor

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
NUMBERS = 4
"""Of the vector of a crystal that are recorded for a model that predicts nothing."""
JUDGED = ("_std", "_lo", "_hi", "_error")
"""Ends of the columns that say how good a prediction is, which are not recorded."""


def golden() -> dict[str, object]:
    """Return, for every version of every published model, the hash of its file and what it says of the examples."""
    recorded: dict[str, object] = {}
    every = {f"{name}@{version}": path for name, found in versions().items() for version, path in found.items()}
    for name, path in every.items():
        predictor = load(name)
        said = {"predictions": _predictions(predictor)} if predictor.properties else {"vectors": _vectors(predictor)}
        recorded[name] = {"sha256": digest(path), **said}
    return recorded


def _predictions(predictor: Predictor) -> dict[Any, Any]:
    table = predictor.predict(EXAMPLES).set_index("id")
    numbers = [name for name in table.select_dtypes("number") if not name.endswith(JUDGED)]
    return table[numbers].round(5).to_dict("index")


def _vectors(predictor: Predictor) -> dict[str, list[float]]:
    """Return the first numbers of the vector of each example."""
    table = predictor.embed(EXAMPLES).set_index("id")["vector"]
    return {str(name): [round(float(value), 5) for value in vector[:NUMBERS]] for name, vector in table.items()}


if __name__ == "__main__":
    text = json.dumps(golden(), indent=1)
    (ROOT / "tests" / "published" / "golden.json").write_text(text + "\n", encoding="utf-8")
