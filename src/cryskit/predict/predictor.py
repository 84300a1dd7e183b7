"""Crystals in, properties out: an encoder, its heads and their card, as one safetensors file (`predict.load` reads it).

The card travels in the file's metadata and says which graph to build, so a prediction is the same from the command line,
from Python and from a reloaded file. No part of the file is executed.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from cryskit.data.read import from_files, read
from cryskit.data.targets import one_or_many
from cryskit.data.validate import LIMIT
from cryskit.errors import ModelError, UnknownNameError
from cryskit.graphs.build import build_usable
from cryskit.predict.card import CARD
from cryskit.predict.chunks import chunks
from cryskit.predict.network import build_network
from cryskit.predict.outcome import failed, predictions_of
from cryskit.predict.readout import Readout
from cryskit.predict.shown import Shown
from cryskit.predict.tables import frame as as_frame
from cryskit.predict.tables import (
    prediction_row,
    prediction_schema,
    traced,
)
from cryskit.predict.tensors import require_frame, require_tensors
from cryskit.reliability.intervals import ONE_DEVIATION, require_level
from cryskit.reliability.judged import judge_of
from cryskit.weights import compact, save_tensors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import pandas as pd
    import pyarrow as pa

    from cryskit.predict.card import Card
    from cryskit.predict.chunks import Build
    from cryskit.predict.tensors import Frame
    from cryskit.types import Crystal, Encoding, Failure, Graph, Prediction

LEVEL = 0.9
"""Share of crystals whose labels an interval should cover unless the caller says otherwise."""


class Predictor(Shown, Readout):
    """A trained model.

    Args:
        encoder: The network of the kind and size that the card names.
        heads: Its heads, one per property; None in a pre-trained model, which embeds crystals but predicts nothing.
        card: Everything that the model file says besides its weights.
        reliability: What it knows of its own errors; None if it was not calibrated, then it gives no intervals.
        cache: Folder where the vectors of descriptions are kept, for a model that reads them; None keeps none.
        chunk: Crystals whose graphs are held in memory at a time.
        batch_edges: Edges that are computed at a time; more need more memory.

    Example:
        >>> import cryskit
        >>> predictor = cryskit.load("cryskit-mp")
        >>> table = predictor.predict("examples/NaCl.cif", ["band_gap"])
        >>> table["status"].tolist(), bool(table["band_gap"][0] > 4)
        (['ok'], True)
    """

    @classmethod
    def from_card(cls, card: Card, cache: Path | None = None, **sizes: int) -> Predictor:
        """Make a predictor with fresh weights.

        Args:
            card: The card that says which network and which heads.
            cache: Folder where the vectors of descriptions are kept, for a model that reads them; None keeps none.
            sizes: `chunk` and `batch_edges` of the predictor.
        """
        network = build_network(card)
        return cls(network.encoder, network.heads, card, cache, reliability=network.reliability, **sizes)

    def __repr__(self) -> str:
        return f"Predictor {self.card!r}"

    @property
    def properties(self) -> list[str]:
        """Names of the properties it predicts."""
        return [p.name for p in self.card.properties]

    @property
    def units(self) -> dict[str, str]:
        """Units by the names of the properties, without those that are classes."""
        return {p.name: p.unit for p in self.card.properties if not p.classes}

    def forward(self, graph: Graph) -> torch.Tensor:
        """Return predictions in the properties' own units and logits of classes, (B, outputs).

        Raises:
            ModelError: The model was pre-trained only.
        """
        self.require_heads()
        return self.heads.physical(self.heads.of(self.encoder(graph), graph))

    def predict(
        self,
        structures: Any,
        properties: str | Sequence[str] | None = None,
        *,
        interval: float = LEVEL,
        limit: int = LIMIT,
        frame: Frame = "input",
        derive: bool = False,
    ) -> pd.DataFrame:
        """Predict and give a table.

        Args:
            structures: A path (file, folder, Parquet), the name of a bundled data set, a pymatgen Structure, an ASE Atoms, a
                Crystal, a data frame, or any mixture of them in a list.
            properties: Names or aliases, one or many; all that the model knows by default.
            interval: Share of crystals whose labels the intervals should cover, from 0.5 to 0.99.
            limit: Most atoms in a cell.
            frame: Frame in which tensors are given: "input", that of the lattice, or "ieee", the standard one.
            derive: Whether there are columns of what follows from tensors: moduli, sound, Debye temperature, refractive indices.

        Returns:
            One row per structure in order: the columns of `schema(properties)` and, behind the id, the `path` where files are read, and
            the reduced `formula`. `attrs` has the `model` with its version, the `units` of the columns and, for a calibrated
            model, the level of the intervals as `interval`.

        Raises:
            ModelError: The model was pre-trained only.
            PlanError: There are no intervals of this level, no such frame, or nothing follows from what is predicted.
            UnknownNameError: It does not predict one of the properties.
        """
        require_frame(frame)
        schema = traced(self.schema(properties, derive=derive), path=from_files(structures))
        rows = map(partial(prediction_row, frame=frame), self.stream(read(structures, limit=limit), interval))
        return as_frame(rows, schema, self.facts(schema, interval))

    def schema(self, properties: str | Sequence[str] | None = None, *, derive: bool = False) -> pa.Schema:
        """Return the columns of a table of predictions: id, those of each property in its own unit, status, reason.

        A calibrated model gives `<property>_std`, the standard deviation, `<property>_lo` and `<property>_hi`, the interval, and `domain`,
        too.

        Args:
            properties: Names or aliases, one or many; all that the model knows by default.
            derive: Whether there are columns of what follows from tensors.

        Raises:
            ModelError: The model was pre-trained only.
            PlanError: Nothing follows from what it predicts, and `derive` asks for that.
            UnknownNameError: It does not predict one of the properties.
        """
        self.require_heads()
        known = {alias: p for p in self.card.properties for alias in (*p.aliases, p.name)}
        wanted = one_or_many(properties or self.properties)
        for name in wanted:
            if name not in known:
                raise UnknownNameError(f"property of the model {self.card.name}", name, self.properties)
        judges = self.reliability is not None
        chosen = dict.fromkeys(known[name] for name in wanted)
        domain = self.reliability is not None and self.reliability.domain is not None
        if derive:
            require_tensors(chosen)
        return prediction_schema(chosen, deviations=judges, intervals=judges, domain=domain, derive=derive)

    def stream(
        self, items: Iterable[Crystal | Failure], interval: float = LEVEL, build: Build = build_usable
    ) -> Iterator[Prediction]:
        """Predict for validated crystals as they come, with `chunk` of them in memory.

        Args:
            items: Crystals and failures, as `cryskit.read` gives them; they are not validated again.
            interval: Share of crystals whose labels the intervals should cover, from 0.5 to 0.99.
            build: Function that builds the graph of crystals.

        Yields:
            One prediction per item, in order; failed ones with their reason.

        Raises:
            ModelError: The model was pre-trained only.
            PlanError: There are no intervals of this level.
        """
        self.require_heads()
        require_level(interval)
        judged, domain = partial(self.judged, interval=interval), self.reliability.domain if self.reliability else None
        for chunk in chunks(items, self.chunk, self.card.spec, self.complete, build):
            numbers, remarks = self._run(chunk.graph, judged), [*chunk.remarks.values()]
            found = iter(predictions_of(self.card, chunk.usable, numbers, remarks, domain))
            for position, item in enumerate(chunk.items):
                if position in chunk.failures:
                    yield failed(item, str(chunk.failures[position]))
                else:
                    yield next(found)

    def values(self, graph: Graph) -> np.ndarray:
        """Return predictions for a graph of any size, batch by batch, as `forward` gives them, (B, outputs).

        Raises:
            ModelError: The model was pre-trained only.
        """
        return self._run(graph, self)

    def require_heads(self) -> None:
        """Refuse to predict without heads.

        Raises:
            ModelError: The model was pre-trained only.
        """
        if not self.card.properties:
            raise ModelError(
                f"The model {self.card.name} predicts nothing: it was pre-trained without labels",
                "Start from it with `cryskit train --start`, or embed crystals with it",
            )

    def save(self, path: Path | str) -> None:
        """Write the model file, whole or not at all."""
        save_tensors(compact(self.state_dict()), {CARD: self.card.to_json()}, Path(path))

    def judged(self, graph: Graph, interval: float, encoding: Encoding | None = None) -> torch.Tensor:
        """Return predictions in the properties' own units and, of a calibrated model, what `outcome.predictions_of` reads behind them.

        Args:
            graph: B crystals.
            interval: Level of the intervals.
            encoding: What the encoder gives for the graph, if it is known already.
        """
        encoding = self.encoder(graph) if encoding is None else encoding
        learned = self.heads.of(encoding, graph)
        values = self.heads.physical(learned)
        if self.reliability is None:
            return values
        judge = judge_of(self.heads)
        widths, readings = self.reliability(encoding, judge.quantities(learned), graph, (interval, ONE_DEVIATION))
        (low, high), (below, above) = (judge.ends(learned, half) for half in widths)
        return torch.cat([values, (above - below) / 2, low, high, readings], dim=1)
