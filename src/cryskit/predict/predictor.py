"""Crystals in, properties out: an encoder, its heads and their card, as one safetensors file (`predict.load` reads it).

The card travels in the file's metadata and says which graph to build, so a prediction is the same from the command line,
from Python and from a reloaded file. No part of the file is executed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from cryskit.data.read import from_files, read
from cryskit.data.targets import one_or_many
from cryskit.data.validate import LIMIT
from cryskit.errors import ModelError, UnknownNameError
from cryskit.graphs.build import build_usable
from cryskit.graphs.plausible import doubts_of
from cryskit.layers.hidden_states import encode_with_hidden_states
from cryskit.predict.card import CARD
from cryskit.predict.chunks import chunks
from cryskit.predict.compute import compute
from cryskit.predict.descriptions import TextInput
from cryskit.predict.network import build_network
from cryskit.predict.outcome import Remarks, failed, predictions_of
from cryskit.predict.shown import Shown
from cryskit.predict.tables import (
    ATOM_EMBEDDINGS,
    EMBEDDINGS,
    frame,
    prediction_row,
    prediction_schema,
    traced,
    units_of,
)
from cryskit.reliability.intervals import ONE_DEVIATION, require_level
from cryskit.weights import compact, save_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd
    import pyarrow as pa

    from cryskit.layers.heads import PropertyHeads
    from cryskit.predict.card import Card
    from cryskit.predict.chunks import Build
    from cryskit.protocols import Encoder
    from cryskit.reliability.reliability import Reliability
    from cryskit.types import Crystal, Encoding, Failure, Graph, GraphSpec, Prediction

CHUNK = 512
"""Crystals whose graphs are held at a time unless the caller says otherwise."""
BATCH_EDGES = 30_000
"""Edges in a batch unless the caller says otherwise."""
LEVEL = 0.9
"""Share of crystals whose labels an interval should cover unless the caller says otherwise."""


class Predictor(Shown, nn.Module):
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

    heads: PropertyHeads
    reliability: Reliability | None

    def __init__(
        self,
        encoder: Encoder,
        heads: PropertyHeads | None,
        card: Card,
        cache: Path | None = None,
        *,
        reliability: Reliability | None = None,
        chunk: int = CHUNK,
        batch_edges: int = BATCH_EDGES,
    ) -> None:
        super().__init__()
        self.chunk = chunk
        self.batch_edges = batch_edges
        self.encoder = encoder
        self.register_module("heads", heads)
        self.register_module("reliability", reliability)
        self.card = card
        self.text_input = TextInput(card.spec.text, card.text, cache) if card.spec.text else None
        self.eval()

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
    def device(self) -> torch.device:
        """Where it computes: the device of its weights, chosen by `.to(device)`."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

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
    ) -> pd.DataFrame:
        """Predict and give a table.

        Args:
            structures: A path (file, folder, Parquet), the name of a bundled data set, a pymatgen Structure, an ASE Atoms, a
                Crystal, a data frame, or any mixture of them in a list.
            properties: Names or aliases, one or many; all that the model knows by default.
            interval: Share of crystals whose labels the intervals should cover, from 0.5 to 0.99.
            limit: Most atoms in a cell.

        Returns:
            One row per structure in order: the columns of `schema(properties)` and, behind the id, the `path` where files are read, and
            the reduced `formula`. `attrs` has the `model` with its version, the `units` of the columns and, for a calibrated
            model, the level of the intervals as `interval`.

        Raises:
            ModelError: The model was pre-trained only.
            PlanError: There are no intervals of this level.
            UnknownNameError: It does not predict one of the properties.
        """
        schema = traced(self.schema(properties), path=from_files(structures))
        rows = map(prediction_row, self.stream(read(structures, limit=limit), interval))
        return frame(rows, schema, self.facts(schema, interval))

    def embed(self, structures: Any, *, limit: int = LIMIT) -> pd.DataFrame:
        """Return a table of crystal vectors: id, `vector` (width floats), status, reason; one row per structure."""
        rows = self.stream_embeddings(read(structures, limit=limit))
        return frame(rows, EMBEDDINGS, self.facts(EMBEDDINGS))

    def embed_atoms(self, structures: Any, layers: int = 1, *, limit: int = LIMIT) -> pd.DataFrame:
        """Return a table of the vectors of all atoms of each cell, from which `cryskit train --teacher` learns.

        Args:
            structures: Whatever `predict` takes.
            layers: Number of layers, counted from the end of the encoder.
            limit: Most atoms in a cell.

        Returns:
            One row per structure in order: id, `vectors` (atoms x layers x width floats in a row), layers, width, status,
            reason.
        """
        rows = self.stream_atom_embeddings(read(structures, limit=limit), layers)
        return frame(rows, ATOM_EMBEDDINGS, self.facts(ATOM_EMBEDDINGS))

    def schema(self, properties: str | Sequence[str] | None = None) -> pa.Schema:
        """Return the columns of a table of predictions: id, those of each property in its own unit, status, reason.

        A calibrated model gives `<property>_std`, the standard deviation, `<property>_lo` and `<property>_hi`, the interval, and `domain`,
        too.

        Args:
            properties: Names or aliases, one or many; all that the model knows by default.

        Raises:
            ModelError: The model was pre-trained only.
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
        return prediction_schema(chosen, deviations=judges, intervals=judges, domain=domain)

    def facts(self, schema: pa.Schema, interval: float | None = None) -> dict[str, Any]:
        """Return what holds for a whole table of this model: the model with its version, the units of the columns.

        Args:
            schema: Columns of the table.
            interval: Level of the intervals that the table may have.
        """
        level = {"interval": interval} if interval and self.reliability is not None else {}
        return {"model": self.card.full_name, "units": units_of(schema), **level}

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

    def stream_embeddings(
        self, items: Iterable[Crystal | Failure], build: Build = build_usable
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of the table that `embed` gives as crystals come; the arguments are those of `stream`."""
        for item, vector, reason in self._outcomes(
            items, lambda g: self.encoder(g).crystals, self.card.spec, build=build
        ):
            yield {"id": item.id, "vector": vector, **_outcome(vector, reason)}

    def stream_atom_embeddings(self, items: Iterable[Crystal | Failure], layers: int = 1) -> Iterator[dict[str, Any]]:
        """Yield the rows of the table that `embed_atoms` gives as crystals come: of items as `stream` takes them, and its `layers`."""

        def vectors_of(graph: Graph) -> torch.Tensor:
            return torch.stack(encode_with_hidden_states(self.encoder, graph, layers)[1], dim=1)

        size = {"layers": layers, "width": self.encoder.width}
        spec = replace(self.card.spec, reduce=False)
        for item, vectors, reason in self._outcomes(items, vectors_of, spec, per_atom=True):
            row = None if vectors is None else vectors.ravel()
            yield {"id": item.id, "vectors": row, **size, **_outcome(row, reason)}

    def read_out(
        self, items: Iterable[Crystal | Failure], what: Callable[[Graph], torch.Tensor], *, texts: bool = False
    ) -> Iterator[tuple[str, Any, str]]:
        """Yield for each item, in order, its id, what is read out of its graph, and why it is None where it failed.

        Args:
            items: Crystals and failures.
            what: Function from a batch to a tensor with one row per crystal.
            texts: Whether the descriptions of crystals are read, by a model that can.
        """
        spec = self.card.spec if texts else replace(self.card.spec, text="")
        for item, value, reason in self._outcomes(items, what, spec):
            yield item.id, value, reason

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
        (half, deviation), readings = self.reliability(encoding, learned, graph, (interval, ONE_DEVIATION))
        low, high = (self.heads.physical(learned + sign * half) for sign in (-1, 1))
        below, above = (self.heads.physical(learned + sign * deviation) for sign in (-1, 1))
        return torch.cat([values, (above - below) / 2, low, high, readings], dim=1)

    def _outcomes(
        self,
        items: Iterable[Crystal | Failure],
        what: Callable[[Graph], torch.Tensor],
        spec: GraphSpec,
        *,
        per_atom: bool = False,
        build: Build = build_usable,
    ) -> Iterator[tuple[Crystal | Failure, np.ndarray | None, str]]:
        """Yield each item in order with what is read out of its graph, and why it is None or what the crystal lacks.

        Args:
            items: Crystals and failures.
            what: Function from a batch to a tensor with one row per crystal, or per atom.
            spec: Which graph.
            per_atom: Whether `what` gives one row per atom; then each crystal has the rows of its atoms.
            build: Function that builds the graph of crystals.
        """
        for chunk in chunks(items, self.chunk, spec, self.complete, build):
            values = self._run(chunk.graph, what)
            sizes = np.bincount(chunk.graph.crystal_of_atom.numpy(), minlength=chunk.graph.crystals)
            found = iter(np.split(values, np.cumsum(sizes)[:-1]) if per_atom else values)
            for position, item in enumerate(chunk.items):
                if position in chunk.failures:
                    yield item, None, str(chunk.failures[position])
                else:
                    yield item, next(found), str(chunk.remarks[position])

    def complete(
        self, graph: Graph, crystals: Sequence[Crystal], spec: GraphSpec | None = None
    ) -> tuple[Graph, list[Remarks]]:
        """Return a graph with descriptions if the model reads them, and what is to be said of each crystal.

        Args:
            graph: B crystals.
            crystals: The crystals that the graph was built from.
            spec: Which graph it is, that of the model by default.

        Returns:
            The graph, and for each crystal whether it can be, what its file contradicts and what it lacks.
        """
        others = [list(crystal.warnings) for crystal in crystals]
        if self.text_input and (spec or self.card.spec).text:
            graph, lacking = self.text_input.attach_or_describe(graph, crystals)
            others = [[*found, lack] for found, lack in zip(others, lacking, strict=True)]
        said = [". ".join(filter(None, found)) for found in others]
        return graph, [Remarks(*both) for both in zip(doubts_of(crystals, graph), said, strict=True)]

    def _run(self, graph: Graph, what: Callable[[Graph], torch.Tensor]) -> np.ndarray:
        """Return what is read out of a graph of any size, batch by batch, on the device of the weights."""
        values, failures = compute(graph, what, self.batch_edges, self.device)
        if failures:
            raise ModelError(next(iter(failures.values())), "Leave this crystal out")
        return values


def _outcome(found: np.ndarray | None, reason: str) -> dict[str, str]:
    """Return status and reason of a row that holds a vector, or None where there is none."""
    status = "failed" if found is None else "warned" if reason else "ok"
    return {"status": status, "reason": reason}
