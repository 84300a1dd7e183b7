"""Search for crystals by words: their graphs are compared with the words in the space that `objectives.contrast` has learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cosine_similarity

from cryskit.errors import ModelError, PlanError
from cryskit.predict.published import SEARCHING
from cryskit.predict.tables import RANKING, frame
from cryskit.registry import OBJECTIVES
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Failure, Graph

_CURE = f"Take {SEARCHING}, or train one that can search: `cryskit pretrain contrast --data SRC --text FILE`"


def search(predictor: Predictor, items: Iterable[Crystal | Failure], words: str) -> pd.DataFrame:
    """Rank crystals by how well they fit words; their own descriptions are not read.

    Args:
        predictor: Predictor of a model that `cryskit pretrain contrast` has made.
        items: Crystals to rank; failures are ranked last.
        words: Description of what is looked for.

    Returns:
        id, reduced formula, similarity (cosine, -1 to 1), status and reason; the best first, what could not be used last.

    Raises:
        ModelError: The model knows nothing of words, was not trained to compare them with crystals, or its text encoder is not on this computer.
        PlanError: There are no words.
    """
    if predictor.text_input is None:
        raise ModelError(f"The model {predictor.card.name} knows nothing of words", _CURE)
    if not compares_words(predictor):
        raise ModelError(
            f"The model {predictor.card.name} reads descriptions, but no contrast objective has brought crystals and words into one "
            "space: what it would rank is meaningless",
            _CURE,
        )
    if not words.strip():
        raise PlanError("There are no words to search for", "Say what is looked for")
    encoder: Any = predictor.encoder
    with torch.inference_mode():
        wanted = encoder.project_text(torch.from_numpy(predictor.text_input.vectors([words])).to(predictor.device))

    def read_out(graph: Graph) -> torch.Tensor:
        return cosine_similarity(encoder.of_graph(encoder.graph(graph).crystals), wanted, dim=1)

    formulas: list[str | None] = []

    def noted() -> Iterator[Crystal | Failure]:
        for item in items:
            formulas.append(item.formula if isinstance(item, Crystal) else None)
            yield item

    found = list(predictor.read_out(noted(), read_out))
    rows = [
        {
            "id": name,
            "formula": formula,
            "similarity": value,
            "status": "failed" if value is None else "ok",
            "reason": reason,
        }
        for (name, value, reason), formula in zip(found, formulas, strict=True)
    ]
    table = frame(rows, RANKING, predictor.facts(RANKING))
    return table.sort_values("similarity", ascending=False, kind="stable", ignore_index=True)


def compares_words(predictor: Predictor) -> bool:
    """Return whether the last training of a model brought crystals and words into one space.

    Args:
        predictor: The model.
    """
    name = predictor.card.plan.get("objective", {}).get("name")
    return name in OBJECTIVES and bool(getattr(OBJECTIVES[name], "aligns_words", False))
