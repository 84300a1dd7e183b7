"""Which crystals a model was trained on, in so few bytes that the list travels with the model.

Each of three lists is a Bloom filter (doi 10.1145/362686.362692): ids with their formulas; cells, that is formula and volume per
atom; and formulas. A filter never denies a crystal that is listed, and takes one for listed that is not about once in a thousand.
"""

from __future__ import annotations

import math
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
from torch import nn

from cryskit.elements import formula
from cryskit.graphs.duplicates import volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from cryskit.types import Crystal

SAME = 0.05
"""Relative difference in volume per atom beyond which crystals of one formula are never taken for one cell; up to 4 % they always are."""

_STEP = SAME / 10  # width of the classes of volumes, as a logarithm
_REACH = int(math.log1p(SAME) / _STEP) - 1  # classes to either side in which a cell is looked for
_BITS, _HASHES = 16, 10  # for each entry: one false answer in 2000
_SMALLEST = 128  # bytes of a filter
_LEAST = 1e-9  # cubic angstrom, the volume of a cell without any
_CELL_BITS, _CELL_HASHES = 24, 16  # one in 100,000, for every crystal is looked for in 17 classes of volumes


class Known(NamedTuple):
    """What a model was trained on of some crystals: one boolean each.

    Attributes:
        ids: Crystals of which id and formula are those of a training crystal.
        cells: Crystals of which formula and volume per atom are those of a training crystal, within `SAME`.
        formulas: Crystals of which the reduced formula is that of a training crystal.
    """

    ids: np.ndarray
    cells: np.ndarray
    formulas: np.ndarray


class TrainingRecord(nn.Module):
    """Filters of ids, cells and formulas of the training crystals.

    Args:
        ids: Bytes of the filter of ids.
        cells: Bytes of the filter of cells.
        formulas: Bytes of the filter of formulas.
    """

    ids: Tensor
    cells: Tensor
    formulas: Tensor

    def __init__(self, ids: int, cells: int, formulas: int) -> None:
        super().__init__()
        for name, size in {"ids": ids, "cells": cells, "formulas": formulas}.items():
            self.register_buffer(name, torch.zeros(size, dtype=torch.uint8))

    @property
    def sizes(self) -> dict[str, int]:
        """The arguments with which it was made, for the card of a model."""
        return {name: len(filled) for name, filled in self.named_buffers()}

    @classmethod
    def of(cls, crystals: Iterable[Crystal]) -> Self:
        """Return the record of training crystals.

        Args:
            crystals: The crystals.
        """
        ids, cells, formulas = set(), set(), set()
        for crystal in crystals:
            name = formula(crystal.numbers)
            ids.add(_id(crystal, name))
            cells.add(_cell(name, _volume_class(crystal)))
            formulas.add(name)
        made = cls(_bytes(len(ids), _BITS), _bytes(len(cells), _CELL_BITS), _bytes(len(formulas), _BITS))
        _insert(made.ids, ids, _HASHES)
        _insert(made.cells, cells, _CELL_HASHES)
        _insert(made.formulas, formulas, _HASHES)
        return made

    def known(self, crystals: Sequence[Crystal]) -> Known:
        """Return which crystals are listed.

        Args:
            crystals: The crystals.
        """
        names = [formula(crystal.numbers) for crystal in crystals]
        ids = _holds(self.ids, [_id(c, name) for c, name in zip(crystals, names, strict=True)], _HASHES)
        near = [
            [_cell(name, _volume_class(c) + shift) for shift in range(-_REACH, _REACH + 1)]
            for c, name in zip(crystals, names, strict=True)
        ]
        cells = _holds(self.cells, [cell for row in near for cell in row], _CELL_HASHES)
        any_near = np.logical_or.reduce(cells.reshape(len(crystals), 2 * _REACH + 1), axis=1)
        return Known(ids, any_near, _holds(self.formulas, names, _HASHES))


def _id(crystal: Crystal, name: str) -> str:
    return f"{crystal.id}\n{name}"


def _cell(name: str, volume_class: int) -> str:
    return f"{name}\n{volume_class}"


def _volume_class(crystal: Crystal) -> int:
    return math.floor(math.log(max(volume(crystal), _LEAST)) / _STEP)


def _bytes(entries: int, bits: int) -> int:
    return max(entries * bits // 8, _SMALLEST)


def _insert(filled: Tensor, entries: Iterable[str], hashes: int) -> None:
    bits = np.unpackbits(filled.numpy())
    bits[_places(sorted(entries), len(bits), hashes).ravel()] = 1
    filled.copy_(torch.from_numpy(np.packbits(bits)))


def _holds(filled: Tensor, entries: Sequence[str], hashes: int) -> np.ndarray:
    bits = np.unpackbits(filled.cpu().numpy()).astype(bool)
    found: np.ndarray = bits[_places(entries, len(bits), hashes)].all(axis=1)
    return found


def _places(entries: Sequence[str], bits: int, hashes: int) -> np.ndarray:
    """Return the bits of each entry, (n, hashes): four bytes of its hash for each."""
    digests = b"".join(blake2b(entry.encode(), digest_size=4 * hashes).digest() for entry in entries)
    found: np.ndarray = np.frombuffer(digests, dtype="<u4").reshape(-1, hashes) % np.uint32(bits)
    return found
