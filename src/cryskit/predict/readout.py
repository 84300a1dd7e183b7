"""What is read out of the network of a model for crystals as they come: vectors of crystals and atoms, or any other numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from cryskit.data.read import read
from cryskit.data.validate import LIMIT
from cryskit.errors import ModelError
from cryskit.graphs.build import build_usable
from cryskit.layers.hidden_states import encode_with_hidden_states
from cryskit.predict.chunks import chunks
from cryskit.predict.completed import completed
from cryskit.predict.compute import compute
from cryskit.predict.descriptions import TextInput
from cryskit.predict.outcome import outcome_of
from cryskit.predict.outside import OutsideVectors
from cryskit.predict.tables import ATOM_EMBEDDINGS, EMBEDDINGS, frame
from cryskit.predict.units import units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    import pandas as pd
    import pyarrow as pa

    from cryskit.layers.heads import PropertyHeads
    from cryskit.predict.card import Card
    from cryskit.predict.chunks import Build
    from cryskit.predict.outcome import Remarks
    from cryskit.protocols import Encoder
    from cryskit.reliability.reliability import Reliability
    from cryskit.types import Crystal, Failure, Graph, GraphSpec

CHUNK = 512
"""Crystals whose graphs are held at a time unless the caller says otherwise."""
BATCH_EDGES = 30_000
"""Edges in a batch unless the caller says otherwise."""


class Readout(nn.Module):
    """The network of a model, and what is read out of it; `Predictor` makes predictions of that.

    Args:
        encoder: The network of the kind and size that the card names.
        heads: Its heads, one per property; None in a pre-trained model, which embeds crystals but predicts nothing.
        card: Everything that the model file says besides its weights.
        reliability: What it knows of its own errors; None if it was not calibrated, then it gives no intervals.
        cache: Folder where the vectors of descriptions are kept, for a model that reads them; None keeps none.
        chunk: Crystals whose graphs are held in memory at a time.
        batch_edges: Edges that are computed at a time; more need more memory.
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
        self.outside: OutsideVectors | None = None
        self.eval()

    @property
    def device(self) -> torch.device:
        """Where it computes: the device of its weights, chosen by `.to(device)`."""
        return next((tensor.device for tensor in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def with_vectors(self, path: Path | str) -> Self:
        """Return itself with the vectors of crystals that another program wrote to a table, for a model of `cryskit fit --vectors`."""
        self.outside = OutsideVectors(Path(path)).require_of(self.card)
        return self

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

    def facts(self, schema: pa.Schema, interval: float | None = None) -> dict[str, Any]:
        """Return what holds for a whole table of this model: the model with its version, the units of the columns.

        Args:
            schema: Columns of the table.
            interval: Level of the intervals that the table may have.
        """
        level = {"interval": interval} if interval and self.reliability is not None else {}
        return {"model": self.card.full_name, "units": units_of(schema), **level}

    def stream_embeddings(
        self, items: Iterable[Crystal | Failure], build: Build = build_usable
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of the table that `embed` gives as crystals come.

        Args:
            items: Crystals and failures, as `cryskit.read` gives them; they are not validated again.
            build: Function that builds the graph of crystals.
        """
        for item, vector, reason in self._outcomes(
            items, lambda g: self.encoder(g).crystals, self.card.spec, build=build
        ):
            yield {"id": item.id, "vector": vector, **outcome_of(vector, reason)}

    def stream_atom_embeddings(self, items: Iterable[Crystal | Failure], layers: int = 1) -> Iterator[dict[str, Any]]:
        """Yield the rows of the table that `embed_atoms` gives as crystals come.

        Args:
            items: Crystals and failures, as `cryskit.read` gives them; they are not validated again.
            layers: Number of layers, counted from the end of the encoder.
        """

        def vectors_of(graph: Graph) -> torch.Tensor:
            return torch.stack(encode_with_hidden_states(self.encoder, graph, layers)[1], dim=1)

        size = {"layers": layers, "width": self.encoder.width}
        spec = replace(self.card.spec, reduce=False)
        for item, vectors, reason in self._outcomes(items, vectors_of, spec, per_atom=True):
            row = None if vectors is None else vectors.ravel()
            yield {"id": item.id, "vectors": row, **size, **outcome_of(row, reason)}

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
            values, graph = self._run(chunk.graph, what), chunk.graph
            sizes = np.bincount(graph.crystal_of_atom.numpy(), minlength=graph.crystals)
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
        texts = self.text_input if (spec or self.card.spec).text else None
        return completed(graph, crystals, texts, self.outside, self.card)

    def _run(self, graph: Graph, what: Callable[[Graph], torch.Tensor]) -> np.ndarray:
        """Return what is read out of a graph of any size, batch by batch, on the device of the weights."""
        found = compute(graph, what, self.batch_edges, self.device)
        if found.failures:
            raise ModelError(next(iter(found.failures.values())), "Leave this crystal out")
        return found.values
