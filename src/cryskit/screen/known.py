"""Crystals that are known already: their structures, to mark the same ones, and their formation energies, for the hull."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryskit.data.pieces import pieces_of
from cryskit.predict.card import read_card
from cryskit.predict.published import path_of
from cryskit.screen.prepare import Recipe
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.screen.engine import Engine
    from cryskit.screen.folder import Folder


class Known(NamedTuple):
    """What is known.

    Attributes:
        ids: Hash of a structure to the id of the first crystal that has it.
        systems: Chemical system of each crystal with a formation energy.
        formulas: Reduced formula of each of them.
        energies: Formation energy of each of them, eV/atom.
    """

    ids: dict[int, str]
    systems: list[str]
    formulas: list[str]
    energies: list[float]


def known_of(folder: Folder, sources: Sequence[str], energy: str | None, engine: Engine) -> Known:
    """Read what is known; its structures are compared by the graph of the first model of the screening.

    Args:
        folder: Folder of the screening.
        sources: Bundled names, files and folders.
        energy: Target that is a formation energy in eV/atom; None if none is wanted.
        engine: Where crystals are read and graphs built.
    """
    known = Known({}, [], [], [])
    limit = folder.asked["--limit"]
    spec = read_card(path_of(next(iter(folder.asked["models"])))).spec
    recipe = Recipe(limit, (spec,), targets=(energy,) if energy else ())
    for every in engine.prepared(pieces_of(sources, limit), recipe):
        for prepared in every:
            for item, facts in zip(prepared.items, prepared.facts, strict=True):
                if facts is None or not isinstance(item, Crystal):
                    continue
                if facts.structure is not None:
                    known.ids.setdefault(facts.structure, item.id)
                value = item.targets.get(energy, np.nan) if energy else np.nan
                if np.isfinite(value):
                    known.systems.append(facts.elements)
                    known.formulas.append(item.formula)
                    known.energies.append(float(value))
    return known
