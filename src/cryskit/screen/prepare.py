"""What worker processes do for a piece of the sources: read it, find symmetries, build graphs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from cryskit.batching import collate
from cryskit.data.pieces import Items, read_piece
from cryskit.elements import chemical_system
from cryskit.graphs.build import build_usable
from cryskit.graphs.structure_hash import structure_hashes
from cryskit.parallel import restart_clock
from cryskit.symmetry import space_group
from cryskit.types import Crystal, Graph, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryskit.data.pieces import Piece
    from cryskit.errors import CrystalError
    from cryskit.types import Failure


@dataclass(frozen=True)
class Recipe:
    """How pieces are prepared.

    Attributes:
        limit: Number of atoms that a cell may have.
        specs: Graphs to build, all different.
        texts: Whether descriptions are kept, for models that read them.
        targets: Names of the targets that are kept.
    """

    limit: int
    specs: tuple[GraphSpec, ...]
    texts: bool = False
    targets: tuple[str, ...] = ()


class Facts(NamedTuple):
    """What a row says of a crystal besides predictions.

    Attributes:
        nsites: Number of atoms in the cell.
        spacegroup: Number of the space group, within 0.01 angstrom.
        elements: Its elements in alphabetical order, "O-Ti".
        structure: Hash of its structure (`graphs.structure_hash`); None if it has no graph.
    """

    nsites: int
    spacegroup: int
    elements: str
    structure: int | None


class Built(NamedTuple):
    """The graphs of one kind of the crystals of a piece.

    Attributes:
        fields: Fields of the graph of those that could be built.
        errors: Position of an item to the reason why it has no graph.
    """

    fields: dict[str, np.ndarray]
    errors: dict[int, CrystalError]

    @property
    def graph(self) -> Graph:
        """The graph."""
        return Graph(**{name: torch.from_numpy(array) for name, array in self.fields.items()})


class Prepared(NamedTuple):
    """A piece that is ready for the network.

    Attributes:
        items: Crystals and failures, in order.
        facts: What each row says besides predictions; None for failures.
        built: Graphs, one for each spec of the recipe.
    """

    items: list[Crystal | Failure]
    facts: list[Facts | None]
    built: list[Built]


@cache
def start() -> None:
    """Make a worker process ready: one thread, as there are as many processes as cores, and every library loaded."""
    torch.set_num_threads(1)
    salt = Crystal("CsCl", 4.12 * np.eye(3), np.array([[0.0] * 3, [0.5] * 3]), np.array([55, 17]))
    prepare(Items((salt,)), Recipe(2, (GraphSpec(),)))


def prepare(piece: Piece, recipe: Recipe) -> Prepared:
    """Read a piece and build its graphs; each crystal has the whole time limit of this process for each of these steps.

    Args:
        piece: The piece.
        recipe: How to prepare it.
    """
    items = [_light(item, recipe) for item in _timed(read_piece(piece, recipe.limit))]
    crystals = {place: item for place, item in enumerate(items) if isinstance(item, Crystal)}
    built = [_built(crystals, spec) for spec in recipe.specs]
    hashes = _hashes(crystals, built)
    facts = [_facts(item, hashes.get(place)) if isinstance(item, Crystal) else None for place, item in _numbered(items)]
    return Prepared(items, facts, built)


def _timed(rows: Iterable[Crystal | Failure]) -> Iterator[Crystal | Failure]:
    for row in rows:
        restart_clock()
        yield row


def _numbered(items: Sequence[Crystal | Failure]) -> Iterator[tuple[int, Crystal | Failure]]:
    return enumerate(_timed(items))


def _light(item: Crystal | Failure, recipe: Recipe) -> Crystal | Failure:
    """Return a row without what no model reads, which is less to send."""
    if not isinstance(item, Crystal):
        return item
    targets = {name: item.targets[name] for name in recipe.targets if name in item.targets}
    return replace(item, text=item.text if recipe.texts else None, targets=targets, labels={})


def _built(crystals: dict[int, Crystal], spec: GraphSpec) -> Built:
    graph, errors = build_usable((item for item in _timed(crystals.values()) if isinstance(item, Crystal)), spec)
    places = list(crystals)
    fields = {name: tensor.numpy() for name, tensor in graph.tensors.items()}
    return Built(fields, {places[position]: error for position, error in errors.items()})


def _hashes(crystals: dict[int, Crystal], built: Sequence[Built]) -> dict[int, int]:
    """Return the hash of the structure of each crystal that has a graph, by the place of its row."""
    if not built:
        return {}
    whole = [place for place in crystals if place not in built[0].errors]
    return dict(zip(whole, structure_hashes(built[0].graph).tolist(), strict=True)) if whole else {}


def _facts(crystal: Crystal, structure: int | None) -> Facts:
    return Facts(len(crystal), space_group(crystal)[0], chemical_system(crystal.numbers), structure)


def join(found: Sequence[Prepared]) -> Prepared:
    """Return what became of the rows of a piece as if it had been prepared as a whole.

    Args:
        found: The piece, or its rows one by one.
    """
    if len(found) == 1:
        return found[0]
    items = [item for each in found for item in each.items]
    starts = np.cumsum([0, *(len(each.items) for each in found)]).tolist()
    built = []
    for same in zip(*(each.built for each in found), strict=True):
        graph = collate([each.graph for each in same])
        errors = {
            start + place: e for start, each in zip(starts, same, strict=False) for place, e in each.errors.items()
        }
        built.append(Built({name: tensor.numpy() for name, tensor in graph.tensors.items()}, errors))
    return Prepared(items, [facts for each in found for facts in each.facts], built)
