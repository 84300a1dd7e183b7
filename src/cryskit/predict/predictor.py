"""Crystals in, properties out: an encoder, its heads and their card, as one safetensors file.

The card travels in the file's metadata and says which graph to build, so a prediction is the same from the command line,
from Python and from a reloaded file. No part of the file is executed.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from cryskit.batching import Batcher
from cryskit.data.read import read
from cryskit.data.validate import LIMIT
from cryskit.errors import ModelError, UnknownNameError
from cryskit.graphs.build import build_usable
from cryskit.layers.heads import PropertyHeads
from cryskit.layers.hidden_states import encode_with_hidden_states
from cryskit.predict import published
from cryskit.predict.card import CARD, Card, read_card
from cryskit.predict.descriptions import TextInput
from cryskit.predict.tables import atom_table, embedding_table, prediction_table
from cryskit.registry import ENCODERS
from cryskit.types import Crystal, Encoding, Failure, Prediction
from cryskit.weights import save_tensors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd

    from cryskit.errors import CrystalError
    from cryskit.types import Graph, GraphSpec

_CHUNK = 512
_EDGES = 30_000


class Predictor(nn.Module):
    """A trained model.

    Args:
        encoder: Of the kind and size that the card says.
        heads: Likewise; None in a pre-trained model, which embeds crystals but predicts nothing.
        card: What the model file says of itself.
        cache: A folder where the vectors of descriptions are kept, for a model that reads them.

    Example:
        >>> import cryskit
        >>> predictor = cryskit.load("cryskit-mp")
        >>> table = predictor.predict("examples/NaCl.cif", ["band_gap"])
        >>> table["status"].tolist(), bool(table["band_gap"][0] > 4)
        (['ok'], True)
    """

    heads: PropertyHeads

    def __init__(self, encoder: nn.Module, heads: PropertyHeads | None, card: Card, cache: Path | None = None) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_module("heads", heads)
        self.card = card
        self.text_input = TextInput(card.spec.text, card.text, cache) if card.spec.text else None
        self.eval()

    @classmethod
    def from_card(cls, card: Card, cache: Path | None = None) -> Predictor:
        """Make a predictor with fresh weights."""
        encoder = ENCODERS.build(card.encoder)
        heads = PropertyHeads(encoder.width, card.properties, **card.heads) if card.properties else None
        return cls(encoder, heads, card, cache)

    @property
    def properties(self) -> list[str]:
        """Names of what it predicts."""
        return [p.name for p in self.card.properties]

    @property
    def units(self) -> dict[str, str]:
        """Property name to unit."""
        return {p.name: p.unit for p in self.card.properties}

    def forward(self, graph: Graph) -> torch.Tensor:
        """Return predictions in the properties' own units, (B, P).

        Raises:
            ModelError: The model was pre-trained only.
        """
        self.require_heads()
        return self.heads.physical(self.heads(self.encoder(graph).crystals))

    def predict(self, structures: Any, properties: Sequence[str] | None = None, *, limit: int = LIMIT) -> pd.DataFrame:
        """Predict and give a table.

        Args:
            structures: A path (file, folder, Parquet), a pymatgen Structure, an ASE Atoms, a Crystal, a data frame, or any
                mixture of them in a list.
            properties: Names or aliases; all that the model knows by default.
            limit: Most atoms in a cell.

        Returns:
            One row per structure in order: id, a column per property in its own unit (units in `attrs["units"]`), status,
            reason.

        Raises:
            ModelError: The model was pre-trained only.
            UnknownNameError: It does not predict one of the properties.
        """
        self.require_heads()
        return prediction_table(self.stream(read(structures, limit=limit)), self._chosen(properties), self.units)

    def embed(self, structures: Any, *, limit: int = LIMIT) -> pd.DataFrame:
        """Return a table of crystal vectors: id, `vector` (width floats), status, reason; one row per structure."""
        rows = []
        for items, graph, failures, _ in self._chunks(read(structures, limit=limit)):
            vectors = iter(self._run(graph, lambda batch: self._encode(batch).crystals))
            rows += [
                (item.id, None, "failed", str(failures[i])) if i in failures else (item.id, next(vectors), "ok", "")
                for i, item in enumerate(items)
            ]
        return embedding_table(rows)

    def embed_atoms(self, structures: Any, layers: int = 1, *, limit: int = LIMIT) -> pd.DataFrame:
        """Return a table of the vectors of all atoms of each cell, from which `cryskit train --teacher` learns.

        Args:
            structures: As for `predict`.
            layers: How many layers, counted from the end of the encoder.
            limit: Most atoms in a cell.

        Returns:
            One row per structure in order: id, `vectors` (atoms x layers x width floats in a row), layers, width, status,
            reason.
        """
        spec = replace(self.card.spec, reduce=False)

        def read_out(graph: Graph) -> torch.Tensor:
            return torch.stack(encode_with_hidden_states(self.encoder, graph, layers)[1], dim=1)

        width = cast("int", self.encoder.width)
        rows: list[tuple[str, Any, int, int, str, str]] = []
        for items, graph, failures, _ in self._chunks(read(structures, limit=limit), spec):
            sizes = np.bincount(graph.crystal_of_atom.numpy(), minlength=graph.crystals)
            vectors = iter(np.split(self._run(graph, read_out), np.cumsum(sizes)[:-1]))
            rows += [
                (item.id, None, layers, width, "failed", str(failures[i]))
                if i in failures
                else (item.id, next(vectors).ravel(), layers, width, "ok", "")
                for i, item in enumerate(items)
            ]
        return atom_table(rows)

    def stream(self, items: Iterable[Crystal | Failure]) -> Iterator[Prediction]:
        """Predict for crystals as they come; one prediction per item, in order, failed ones with their reason.

        Raises:
            ModelError: The model was pre-trained only.
        """
        self.require_heads()
        for chunk, graph, failures, reasons in self._chunks(items):
            values = iter(self.values(graph))
            for position, item in enumerate(chunk):
                if isinstance(item, Failure) or position in failures:
                    yield Prediction(item.id, {}, status="failed", reason=str(failures[position]))
                else:
                    yield self._prediction(item, next(values), reasons.get(position, ""))

    def read_out(
        self, items: Iterable[Crystal | Failure], what: Callable[[Graph], torch.Tensor]
    ) -> Iterator[tuple[str, Any, str]]:
        """Yield for each item, in order, its id, what is read out of its graph, and why it is None where it failed.

        Args:
            items: Crystals; their descriptions are not read.
            what: Of a batch, with one row per crystal.
        """
        for chunk, graph, failures, _ in self._chunks(items, replace(self.card.spec, text="")):
            values = iter(self._run(graph, what))
            for position, item in enumerate(chunk):
                failed = position in failures
                yield item.id, None if failed else next(values), str(failures[position]) if failed else ""

    def values(self, graph: Graph) -> np.ndarray:
        """Return predictions for a graph of any size, batch by batch, in the properties' own units, (B, P).

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
        save_tensors(self.state_dict(), {CARD: self.card.model_dump_json()}, Path(path))

    def _prediction(self, crystal: Crystal, values: np.ndarray, reason: str) -> Prediction:
        if not np.isfinite(values).all():
            return Prediction(
                crystal.id, {}, status="failed", reason="The model gives no finite number for this crystal"
            )
        named = dict(zip(self.properties, values.tolist(), strict=True))
        strange = sorted(set(crystal.numbers.tolist()) - set(self.card.elements)) if self.card.elements else []
        if strange:
            absent = f"The training data has no element of atomic number {', '.join(map(str, strange))}"
            reason = f"{absent}. {reason}" if reason else absent
        return Prediction(crystal.id, named, status="warned" if reason else "ok", reason=reason)

    def _chunks(
        self, items: Iterable[Crystal | Failure], spec: GraphSpec | None = None
    ) -> Iterator[tuple[list[Crystal | Failure], Graph, dict[int, CrystalError], dict[int, str]]]:
        """Yield some items, the graph of the usable ones, why others are not, and what the usable ones lack, by position."""
        items = iter(items)
        while chunk := list(islice(items, _CHUNK)):
            failures = {i: item.error for i, item in enumerate(chunk) if isinstance(item, Failure)}
            read_well = {i: item for i, item in enumerate(chunk) if isinstance(item, Crystal)}
            graph, errors = build_usable(list(read_well.values()), spec or self.card.spec)
            positions = list(read_well)
            failures |= {positions[i]: error for i, error in errors.items()}
            lacks: dict[int, str] = {}
            if self.text_input and (spec or self.card.spec).text:
                usable = [position for i, position in enumerate(positions) if i not in errors]
                graph, reasons = self.text_input.attach_or_describe(graph, [read_well[position] for position in usable])
                lacks = {position: reason for position, reason in zip(usable, reasons, strict=True) if reason}
            yield chunk, graph, failures, lacks

    @torch.inference_mode()
    def _run(self, graph: Graph, read_out: Any) -> np.ndarray:
        batcher = Batcher(graph)
        parts = [read_out(batcher.take(rows)).cpu().numpy() for rows in batcher.batches(_EDGES)]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def _encode(self, graph: Graph) -> Encoding:
        encoding: Encoding = self.encoder(graph)
        return encoding

    def _chosen(self, properties: Sequence[str] | None) -> list[str]:
        names = {alias: p.name for p in self.card.properties for alias in (*p.aliases, p.name)}
        for name in properties or ():
            if name not in names:
                raise UnknownNameError(f"property of the model {self.card.name}", name, self.properties)
        return [names[name] for name in properties or self.properties]


def load(model: str | Path, cache: Path | None = None) -> Predictor:
    """Load a published model by name, or a model file.

    Args:
        model: A name that `models()` lists, or the path of a `.safetensors` file.
        cache: A folder where the vectors of descriptions are kept, for a model that reads them.

    Raises:
        ModelError: The file is missing, damaged, or no model of cryskit.
        UnknownNameError: It is neither a published name nor a file.

    Example:
        >>> import cryskit
        >>> predictor = cryskit.load("cryskit-mp")
        >>> predictor.units["band_gap"]
        'eV'
    """
    path = published.path_of(model)
    card = read_card(path)
    predictor = Predictor.from_card(card, cache)
    try:
        with safe_open(path, framework="pt") as file:
            predictor.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(f"The weights in {path} do not fit its card ({error})", "Get the file again") from error
    return predictor
