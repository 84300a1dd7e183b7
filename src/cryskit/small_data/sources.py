"""Where the vectors of crystals come from: published encoders, read at all of their levels; and the table of these vectors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cryskit import properties
from cryskit.atomic_write import replacing
from cryskit.batching import Batcher
from cryskit.elements import ELEMENTS, symbol
from cryskit.encoders.levels import width_of
from cryskit.errors import ModelError
from cryskit.predict.card import digest
from cryskit.predict.load import load
from cryskit.predict.outside import MEMBER
from cryskit.predict.published import path_of
from cryskit.predict.readout import BATCH_EDGES
from cryskit.registry import ENCODERS
from cryskit.small_data.table import SPEC

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from torch import Tensor

    from cryskit.predict.outside import OutsideVectors
    from cryskit.small_data.table import Table
    from cryskit.types import Graph

PUBLISHED = ("crysae", "crysgnn", "cryskit-mp")
"""Models whose encoders are tried."""
MAGPIE = "magpie"
"""Name of the statistics of Magpie's 22 element properties over the composition, which need matminer."""
JOINED = "+"
"""What stands between the names of encoders whose vectors are read together."""

_MAGPIE = (
    *("Number", "MendeleevNumber", "AtomicWeight", "MeltingT", "Column", "Row", "CovalentRadius", "Electronegativity"),
    *(f"N{shell}Valence" for shell in ("s", "p", "d", "f", "")),
    *(f"N{shell}Unfilled" for shell in ("s", "p", "d", "f", "")),
    *("GSvolume_pa", "GSbandgap", "GSmagmom", "SpaceGroupNumber"),
)  # the properties of the preset "magpie" of matminer's ElementProperty
_ENOUGH = 5  # crystals of a class: of 20 in two classes, a column that says nothing divides 5 from the others once in 7,752 times


@dataclass(frozen=True)
class Source:
    """An encoder whose weights are not trained.

    Attributes:
        name: Name of the model, or path of its file.
        digest: SHA-256 of the file.
        member: What it is as a member of `encoders.levels`: registry name and arguments of the encoder, on the graph that all are given,
            and the number of its levels, those of its layers and their input; or the number of properties of the elements.
        tensors: Its weights.
        learned: Names of the properties whose labels it has seen.
    """

    name: str
    digest: str
    member: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    learned: tuple[str, ...]

    @property
    def trainable(self) -> bool:
        """Whether it is a network, which can be fine-tuned."""
        return "encoder" in self.member

    @cached_property
    def width(self) -> int:
        """Number of its pooled values."""
        return width_of(self.member)


def source_of(name: str) -> Source:
    """Return the encoder of a model.

    Args:
        name: A published model, a model file, or "magpie" for statistics over the composition.

    Raises:
        ModelError: There is no such file, or its encoder reads another kind of graph, or matminer is missing.
        UnknownNameError: There is no such model.
    """
    if name in _MADE:
        return _MADE[name]()
    predictor = load(name)
    asked = dict(predictor.card.encoder)
    config = asked | ({"neighbours": SPEC.neighbours} if "neighbours" in asked else {})
    needed = ENCODERS.needs(config)
    if needed != SPEC:
        raise ModelError(
            f"The encoder of {name} reads another graph ({needed})", f"Name models whose encoder reads {SPEC}"
        )
    lists = (
        []
        if "members" in config
        else [child for child in predictor.encoder.children() if isinstance(child, torch.nn.ModuleList)]
    )
    return Source(  # an encoder that is made of others is read at its end alone
        name=name,
        digest=digest(path_of(name)),
        member={"encoder": config, "levels": len(lists[-1]) + 1 if lists else 0},
        tensors=predictor.encoder.state_dict(),
        learned=tuple(predictor.properties),
    )


def tried_by_default() -> tuple[str, ...]:
    """Return what is tried unless the caller says otherwise: the published encoders and, where matminer is installed, Magpie's statistics."""
    return (*PUBLISHED, *([MAGPIE] if find_spec("matminer") else []))


def _magpie() -> Source:
    """Return Magpie's statistics over the composition, whose table of element properties is matminer's.

    Raises:
        ModelError: matminer is missing.
    """
    try:
        from matminer.utils.data import MagpieData  # noqa: PLC0415 - an extra, and takes seconds to import
    except ImportError as missing:
        raise ModelError(
            f"{MAGPIE} needs matminer, which is not installed", "pip install 'cryskit[baselines]'"
        ) from missing
    data = MagpieData(impute_nan=True)
    rows = [[data.all_elemental_props[name][symbol(number)] for name in _MAGPIE] for number in range(1, ELEMENTS + 1)]
    table = torch.tensor([[0.0] * len(_MAGPIE), *rows])
    found = hashlib.sha256(table.numpy().tobytes()).hexdigest()
    return Source(MAGPIE, found, {"composition": len(_MAGPIE)}, {"table": table}, ())


def outside_source(vectors: OutsideVectors) -> Source:
    """Return the vectors of another program as a source; the graph of the table has them.

    Args:
        vectors: The vectors.
    """
    return Source(vectors.name, digest(vectors.path), {MEMBER: vectors.width}, {}, ())


_MADE: Mapping[str, Callable[[], Source]] = MappingProxyType({MAGPIE: _magpie})


def usable_sources(
    names: Sequence[str], target: str, origins: Sequence[Sequence[str]] = ()
) -> tuple[list[Source], dict[str, str]]:
    """Return the encoders that may be tried, and of those that have learned the target itself, name and what they have learned.

    Labels of the target that an encoder has seen would flatter its errors, where the crystals are the same.

    Args:
        names: Published models or files, or "magpie".
        target: Name of the property that is learned.
        origins: Groups of properties whose values together say what the target is.
    """
    used, excluded = [], {}
    for source in map(source_of, names):
        known = next((group for group in ((target,), *origins) if set(group) <= set(source.learned)), None)
        if known is None:
            used.append(source)
        else:
            excluded[source.name] = " and ".join(known)
    return used, excluded


def origins_of(table: Table) -> list[tuple[str, ...]]:
    """Return the groups of properties from which the target follows: those of the registry and, of a class, columns of the table.

    Args:
        table: The table. A class follows from a column if all crystals have a value of it, each class is a range of values, and each has
            enough crystals for this not to be by chance.
    """
    known = list(properties.origins(table.wanted.name))
    if not table.wanted.classes or np.bincount(table.numbers, minlength=len(table.wanted.classes)).min() < _ENOUGH:
        return known
    columns = set.intersection(*(set(crystal.targets) for crystal in table.crystals)) - {table.wanted.name}
    return [*known, *((name,) for name in sorted(columns) if _divided(table, name))]


def _divided(table: Table, name: str) -> bool:
    """Return whether each class is a range of values of a property."""
    values = np.array([crystal.targets[name] for crystal in table.crystals])
    ranges = [values[table.numbers == number] for number in np.unique(table.numbers)]
    ranges.sort(key=lambda one: float(one.min()))
    return all(below.max() < above.min() for below, above in pairwise(ranges))


class Vectors:
    """The pooled vectors of all crystals of a table, by encoder; they are kept in a folder.

    Args:
        table: The table.
        sources: The encoders.
        folder: Folder where the vectors are kept.
        key: Hash of the table, which names the files.
    """

    def __init__(self, table: Table, sources: Sequence[Source], folder: Path, key: str) -> None:
        self.sources = {source.name: source for source in sources}
        self._single = {
            s.name: _kept(table.graph, s, folder / f"vectors-{key[:12]}-{s.digest[:12]}.npy") for s in sources
        }
        small = [source.name for source in sources if source.trainable and not source.learned]
        self.views = [*self.sources, *([JOINED.join(small)] if len(small) > 1 else [])]

    def __getitem__(self, view: str) -> np.ndarray:
        """Return (n, width) float32, the vectors of one encoder or of several joined."""
        return np.concatenate([self._single[name] for name in self.members(view)], axis=1)

    def members(self, view: str) -> list[str]:
        """Return the names of the encoders that a view joins."""
        return [view] if view in self.sources else view.split(JOINED)


def _kept(graph: Graph, source: Source, path: Path) -> np.ndarray:
    """Return the vectors of an encoder, from a file if they are there."""
    if path.exists():
        found: np.ndarray = np.load(path, allow_pickle=False)
        if found.shape == (graph.crystals, source.width):
            return found
    made = vectors_of(graph, source)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, made, allow_pickle=False)
    return made


def vectors_of(graph: Graph, source: Source) -> np.ndarray:
    """Return the pooled vectors of an encoder, (crystals, width) float32.

    Args:
        graph: The graph of the crystals, as all encoders are given it.
        source: The encoder.
    """
    encoder: Any = ENCODERS.build({"name": "levels", "members": [source.member]})
    encoder.members[0].load_state_dict(dict(source.tensors))
    encoder.eval()
    batcher = Batcher(graph)
    with torch.inference_mode():
        parts = [encoder(batcher.take(rows)).crystals.numpy() for rows in batcher.batches(BATCH_EDGES)]
    found: np.ndarray = np.concatenate(parts) if parts else np.zeros((0, source.width), np.float32)
    return found
