"""A loader of exported networks: it builds the graphs in Python, with the settings on the card, and lets the file predict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from cryskit.data.validate import LIMIT
from cryskit.errors import QUOTED_PATH, ModelError, UnknownNameError, shortened
from cryskit.exported.facts import TOLERANCE, deviation, parse
from cryskit.exported.network import inputs_of, tensors_of
from cryskit.exported.write import FORMATS
from cryskit.layers.heads import Heads
from cryskit.predict.predictor import Predictor
from cryskit.predict.readout import BATCH_EDGES
from cryskit.types import Encoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd
    from torch import Tensor

    from cryskit.exported.facts import Facts
    from cryskit.predict.card import Card
    from cryskit.types import Crystal, Failure, Graph, Prediction

    Run = Callable[[Mapping[str, Tensor]], Tensor]


class Exported:
    """A model in a pt2 or ONNX file. It gives predictions; intervals and the domain are not exported.

    Args:
        facts: The facts of the file.
        run: Function from the arrays of a batch to its predictions.
        cache: Folder where the vectors of descriptions are kept, for a model that reads them; None keeps none.
        batch_edges: Edges that are computed at a time; more need more memory.

    Attributes:
        card: Card of the model.
        golden: (crystals, outputs) the predictions of the model itself for the golden inputs in its file.
    """

    card: Card

    def __init__(self, facts: Facts, run: Run, cache: Path | None = None, *, batch_edges: int = BATCH_EDGES) -> None:
        self.card = facts.read_card()
        self._facts, self._run = facts, run
        heads: Any = _AsTheyAre()
        text = np.shape(facts.inputs["text"])[1:] if "text" in facts.inputs else ()
        encoder: Any = _FromFile(run, text)
        self._predictor = Predictor(encoder, heads, self.card, cache, batch_edges=batch_edges)
        self.golden = np.array(facts.predictions)

    def __repr__(self) -> str:
        return f"Exported {self.card!r}"

    @property
    def properties(self) -> list[str]:
        """Names of the properties it predicts."""
        return self._predictor.properties

    @property
    def units(self) -> dict[str, str]:
        """Units by the names of the properties, without those that are classes."""
        return self._predictor.units

    def predict(
        self, structures: Any, properties: str | Sequence[str] | None = None, *, limit: int = LIMIT
    ) -> pd.DataFrame:
        """Predict and give a table, as `Predictor.predict` does.

        Args:
            structures: Whatever `Predictor.predict` takes.
            properties: Names or aliases, one or many; all that the model knows by default.
            limit: Most atoms in a cell.

        Raises:
            UnknownNameError: It does not predict one of the properties.
        """
        return self._predictor.predict(structures, properties, limit=limit)

    def stream(self, items: Iterable[Crystal | Failure]) -> Iterator[Prediction]:
        """Predict for validated crystals as they come.

        Args:
            items: Crystals and failures, as `cryskit.read` gives them.
        """
        return self._predictor.stream(items)

    def values(self, graph: Graph) -> np.ndarray:
        """Return predictions for a graph of any size, (B, outputs): in the units of the properties, of classes logits.

        Args:
            graph: The graph, built with the settings of `card.spec`.
        """
        return self._predictor.values(graph)

    def deviation(self) -> float:
        """Return by how much it is off for the golden inputs in its file, relative to predictions that are larger than 1."""
        found = self._run(tensors_of(self._facts.inputs)).numpy()
        return deviation(found, self.golden)


def load(path: str | Path, cache: Path | None = None, *, batch_edges: int = BATCH_EDGES) -> Exported:
    """Load a file that `cryskit export` wrote, and check that it gives the golden predictions that are in it.

    Args:
        path: A `.pt2` or `.onnx` file.
        cache: Folder where the vectors of descriptions are kept, for a model that reads them; None keeps none.
        batch_edges: Edges that are computed at a time; more need more memory.

    Raises:
        ModelError: The file is missing, damaged or unsafe, or gives other numbers here than where it was written.
        UnknownNameError: Its name has another end.
    """
    path = Path(path)
    kind = path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise UnknownNameError("format of exported models", kind, FORMATS)
    if not path.is_file():
        raise ModelError(f"There is no file {shortened(path, QUOTED_PATH)}", "Write it with `cryskit export`")
    text, run = FORMATS[kind].load(path)
    found = Exported(parse(text, path), run, cache, batch_edges=batch_edges)
    off = found.deviation()
    if not off <= TOLERANCE:
        raise ModelError(
            f"{path} gives other numbers here than where it was written, by {off:.1g}",
            "Export the model again on this computer",
        )
    return found


class _FromFile(nn.Module):
    """The network in a file in the place of an encoder; the vectors of crystals are their predictions.

    Args:
        run: Function from the arrays of a batch to its predictions.
        text: Shape of the vectors of one description; empty if the model reads none.
    """

    def __init__(self, run: Run, text: tuple[int, ...]) -> None:
        super().__init__()
        self._run, self._text = run, text

    def forward(self, graph: Graph) -> Encoding:
        """Return predictions in the place of vectors."""
        arrays = inputs_of(graph)
        if self._text and "text" not in arrays:
            arrays["text"] = graph.vectors.new_full((graph.crystals, *self._text), torch.nan)
        found = self._run(arrays)
        return Encoding(atoms=found.new_zeros(0), crystals=found)


class _AsTheyAre(Heads):
    """Heads that leave predictions as they are."""

    def forward(self, crystals: torch.Tensor) -> torch.Tensor:
        """Return predictions as they are."""
        return crystals

    def physical(self, predictions: torch.Tensor) -> torch.Tensor:
        """Return predictions as they are."""
        return predictions
