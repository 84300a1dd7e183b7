"""Whether a prediction can be trusted to be of the kind that a model was trained for: its domain, with a reason in words.

Three things are asked. Can the crystal be at all (`graphs.plausible`)? Were its elements and pairs of elements in the training
data? Is it like crystals that did not train the model, and unlike crystals that cannot be: a small network (`domain_classifier`)
gives the log-odds, from volumes and distances (`domain_geometry`) and from the model's own atom vectors (`domain_vectors`). What
is less likely than nearly all real crystals held out is `out`, what is less likely than most of them is at the `edge`.
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from cryskit.elements import symbol
from cryskit.reliability.domain_classifier import Classifier
from cryskit.reliability.domain_elements import ElementPairs, unseen
from cryskit.reliability.domain_geometry import (
    TABLE,
    BondSums,
    ExpectedVolume,
    ShortestPairs,
    composition_features,
    log_volume,
)
from cryskit.reliability.domain_vectors import NEAREST, NamedCrystals, Surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.types import Crystal, Graph

_OFF = 2  # features of the volume: signed and absolute deviation
_FRACTIONS = 1 + TABLE  # first columns of `composition_features`, which are no features
_TOGETHER = "Taken together, its volume, distances and surroundings are unlike those of most real crystals"
_MOST = 100.0  # logarithm of a factor of the volume, for which a number is printed
_HIGH, _LOW = 0.99, 0.01  # quantiles of held-out crystals beyond which a number is worth a sentence


class Verdict(NamedTuple):
    """The domain of one prediction.

    Attributes:
        domain: "in" for a crystal like those that trained the model, "edge" for one like few of them, "out" for one like none.
        reason: Why, in sentences without the last full stop; the nearest training crystals come last.
        score: Log-odds that the crystal is a real one, above those at which crystals are out; below 0 it is out.
    """

    domain: Literal["in", "edge", "out"]
    reason: str
    score: float


class Readings(NamedTuple):
    """What `Domain.read_out` says of one crystal.

    Attributes:
        score: Log-odds above those at which crystals are out.
        volume: Volume per atom, cubic angstrom.
        off: Logarithm of the volume per atom over the one expected of the composition.
        squeezed: Least z of a pair of elements.
        pair: Atomic numbers of that pair, its shortest distance and the usual one, angstrom.
        atom: Atomic number of the atom least like those in training, its root mean square deviation.
        which: Rows of the nearest training crystals among those kept.
        distance: Their distances, in units of the spread of the training crystals.
    """

    score: float
    volume: float
    off: float
    squeezed: float
    pair: list[float]
    atom: list[float]
    which: list[float]
    distance: list[float]

    @classmethod
    def of_row(cls, row: Sequence[float]) -> Self:
        """Return the readings in a row of the table of `Domain.read_out`."""
        score, volume, off, squeezed, *rest = row
        lists = rest[:4], rest[4:6], rest[6 : 6 + NEAREST], rest[6 + NEAREST :]
        return cls(score, volume, off, squeezed, *lists)


class Domain(nn.Module):
    """The domain of a model.

    Its tensors are buffers, so that a model file holds them and no training changes them. Made of sizes alone it is empty; `training.fit_domain` or
    the tensors of a file fill it.

    Args:
        width: Width of the vectors of the network.
        components: Components of atom vectors.
        axes: Principal components of crystal vectors.
        kept: Training crystals that are kept.
        letters: Bytes of the id of a kept crystal.
        hidden: Hidden units of each member of the classifier.
    """

    borders: Tensor
    usual: Tensor

    def __init__(self, width: int, components: int, axes: int, kept: int, letters: int, hidden: int) -> None:
        super().__init__()
        self._sizes = {
            "width": width, "components": components, "axes": axes, "kept": kept, "letters": letters, "hidden": hidden
        }  # fmt: skip
        self.register_buffer("borders", torch.zeros(2))
        self.register_buffer("usual", torch.zeros(5))
        self.elements = ElementPairs()
        self.volumes = ExpectedVolume()
        self.pairs = ShortestPairs()
        self.bonds = BondSums()
        self.surroundings = Surroundings(width, components)
        self.references = NamedCrystals(width, axes, kept, letters)
        learned = self.surroundings.features + self.references.features + axes
        parts = self.pairs.features + self.bonds.features + len(self.volumes.weight) - _FRACTIONS + learned
        self.classifier = Classifier(_OFF + self.elements.features + parts, hidden)

    @property
    def sizes(self) -> dict[str, int]:
        """The arguments of the constructor, of which an empty domain of the same shape is made."""
        return dict(self._sizes)

    def features(self, graph: Graph, atoms: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the features of each crystal, (B, F), and the columns of `Readings` behind the score.

        Args:
            graph: B crystals, on the device of the domain.
            atoms: (N, width) atom vectors, `Encoding.atoms`.
        """
        off = self.volumes(graph)[:, None]
        pairs, worst = self.pairs(graph)
        bonds, chemistry = self.bonds(graph), composition_features(graph)[:, _FRACTIONS:]
        surroundings, atom = self.surroundings(graph, atoms)
        place, near, nearest = self.references(graph, atoms)
        features = torch.cat(
            [off, off.abs(), self.elements(graph), pairs, bonds, chemistry, surroundings, near, place], dim=1
        )
        return features, [log_volume(graph)[:, None].exp(), off, pairs[:, 1:2], worst, atom, nearest]

    def read_out(self, graph: Graph, atoms: Tensor) -> Tensor:
        """Return what `judge` needs to know of each crystal: one row per crystal, (B, columns).

        Args:
            graph: B crystals, on the device of the domain.
            atoms: (N, width) atom vectors, `Encoding.atoms`.
        """
        features, columns = self.features(graph, atoms)
        score = self.classifier(features)[:, None] - self.borders[0]
        return torch.cat([score, *columns], dim=1)

    def set_borders(self, scores: Tensor, columns: Sequence[Tensor], shares: tuple[float, float]) -> None:
        """Take the borders of the domain from real crystals held out.

        Args:
            scores: (B,) their log-odds.
            columns: Their columns of `Readings` behind the score.
            shares: Shares of them that are out, and out or at the edge.
        """
        self.borders.copy_(torch.quantile(scores, scores.new_tensor(shares)))
        _, off, squeezed, _, atom, nearest = columns
        known = (off, _LOW), (off, _HIGH), (squeezed, _LOW), (atom[:, 1], _HIGH), (nearest[:, NEAREST], _HIGH)
        self.usual.copy_(torch.stack([values.quantile(share) for values, share in known]))

    def judge(self, crystals: Sequence[Crystal], table: Tensor, doubts: Sequence[str]) -> list[Verdict]:
        """Return the domain of each crystal.

        Args:
            crystals: B crystals.
            table: (B, columns) what `read_out` returned for them.
            doubts: Why each crystal cannot be, of `graphs.plausible.doubts_of`; "" if nothing is doubtful.
        """
        rows = table.detach().cpu().double().tolist()
        seen, usual, edge = self.elements.seen, self.usual.tolist(), float(self.borders[1] - self.borders[0])
        verdicts = []
        for crystal, row, doubt in zip(crystals, rows, doubts, strict=True):
            readings = Readings.of_row(row)
            strange, apart = unseen(crystal, seen)
            sentences = [doubt, *strange, *apart]
            out = bool(doubt or strange) or not readings.score >= 0
            inside = not out and not apart and readings.score >= edge
            if not inside:
                sentences += _unusual(readings, usual)
                if not any(sentences):
                    sentences.append(_TOGETHER)
            sentences.append(self._nearest(readings))
            domain: Literal["in", "edge", "out"] = "out" if out else "in" if inside else "edge"
            verdicts.append(Verdict(domain, ". ".join(filter(None, sentences)), readings.score))
        return verdicts

    def _nearest(self, readings: Readings) -> str:
        found = zip(readings.which, readings.distance, strict=True)
        named = ", ".join(f"{self.references.name(int(which))} at {distance:.2g}" for which, distance in found)
        return f"Nearest of {len(self.references.places)} training crystals: {named}"


def _unusual(readings: Readings, usual: Sequence[float]) -> list[str]:
    """Return what is beyond the usual of one crystal, in sentences."""
    smallest, largest, squeezed, atom, distance = usual
    sentences = []
    off = readings.off
    if not smallest <= off <= largest:
        expected = readings.volume * exp(-max(min(off, _MOST), -_MOST))
        sentences.append(
            f"The cell has {readings.volume:.3g} cubic angstrom per atom, {'less' if off < 0 else 'more'} than the "
            f"{expected:.3g} expected from training for its composition: judged by that, its density is too {'high' if off < 0 else 'low'}"
        )
    if readings.squeezed < squeezed and readings.pair[0]:
        one, other, found, wanted = readings.pair
        sentences.append(
            f"Neighbours are too near: {symbol(int(one))} and {symbol(int(other))} are {found:.2f} angstrom apart, "
            f"{wanted:.2f} on average in training"
        )
    if readings.atom[1] > atom:
        sentences.append(
            f"The surroundings of {symbol(int(readings.atom[0]))} are unlike those in training: "
            f"{readings.atom[1]:.2g} deviations away"
        )
    if readings.distance[0] > distance:
        sentences.append("All training crystals are far away")
    return sentences
