"""Whether a prediction can be trusted to be of the kind that a model was trained for: its domain, with a reason in words.

Three things are asked. Can the crystal be at all (`graphs.plausible`)? Were its elements and pairs of elements in the training
data? Is it like crystals that did not train the model, and unlike crystals that cannot be: a small network (`domain_classifier`)
gives the log-odds, from volumes and distances (`domain_geometry`) and from the model's own atom vectors (`domain_vectors`). What
is less likely than nearly all real crystals held out is `out`, what is less likely than most of them is at the `edge`.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn

from cryskit.elements import symbol
from cryskit.predict.domain_classifier import Classifier
from cryskit.predict.domain_fit import learn
from cryskit.predict.domain_geometry import TABLE, ExpectedVolume, ShortestPairs, log_volume
from cryskit.predict.domain_vectors import NEAREST, References, Surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal, Graph

_OTHERS = 3  # features besides those of the parts: signed and absolute deviation of the volume, number of elements
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
    """What `Domain.read_out` says of B crystals, as columns of one tensor."""

    score: Tensor
    volume: Tensor
    expected: Tensor
    squeezed: Tensor
    pair: Tensor
    atom: Tensor
    which: Tensor
    distance: Tensor

    @classmethod
    def of(cls, table: Tensor) -> Self:
        """Return the columns of a table of `Domain.read_out`."""
        return cls(*table.split(_WIDTHS, dim=1))


_WIDTHS = (1, 1, 1, 1, 4, 2, NEAREST, NEAREST)


class Domain(nn.Module):
    """The domain of a model.

    Its tensors are buffers, so that a model file holds them and no training changes them. Made of sizes alone it is empty; `fit` or
    the tensors of a file fill it.

    Args:
        width: Width of the vectors of the network.
        components: Components of atom vectors.
        axes: Principal components of crystal vectors.
        kept: Training crystals that are kept.
        letters: Bytes of the id of a kept crystal.
        hidden: Hidden units of each member of the classifier.
    """

    seen: Tensor
    borders: Tensor
    usual: Tensor

    def __init__(self, width: int, components: int, axes: int, kept: int, letters: int, hidden: int) -> None:
        super().__init__()
        self._sizes = {
            "width": width, "components": components, "axes": axes, "kept": kept, "letters": letters, "hidden": hidden
        }  # fmt: skip
        self.register_buffer("seen", torch.zeros(TABLE, TABLE, dtype=torch.bool))
        self.register_buffer("borders", torch.zeros(2))
        self.register_buffer("usual", torch.zeros(5))
        self.volumes = ExpectedVolume()
        self.pairs = ShortestPairs()
        self.surroundings = Surroundings(width, components)
        self.references = References(width, axes, kept, letters)
        parts = self.pairs.features + self.surroundings.features + self.references.features + axes
        self.classifier = Classifier(_OTHERS + parts, hidden)

    @property
    def sizes(self) -> dict[str, int]:
        """The arguments of the constructor, of which an empty domain of the same shape is made."""
        return dict(self._sizes)

    @classmethod
    def fit(
        cls, predictor: Predictor, crystals: Sequence[Crystal], held_out: Sequence[Crystal] = (), seed: int = 0
    ) -> Domain:
        """Return the domain of a model.

        Args:
            predictor: The model, with or without heads.
            crystals: Its training crystals.
            held_out: Crystals that neither trained it nor chose its epoch; if these are few, some training crystals stand in.
            seed: Seed of the random numbers.

        Raises:
            DataError: There are fewer than eight training crystals.
        """
        return learn(cls, predictor, crystals, held_out, seed)

    def features(self, graph: Graph, atoms: Tensor, *, own: bool = False) -> tuple[Tensor, list[Tensor]]:
        """Return the features of each crystal, (B, F), and the columns of `Readings` behind the score.

        Args:
            graph: B crystals, on the device of the domain.
            atoms: (N, width) atom vectors, `Encoding.atoms`.
            own: Whether the crystals may be among those kept.
        """
        off = self.volumes(graph)[:, None]
        pairs, worst = self.pairs(graph)
        surroundings, atom = self.surroundings(graph, atoms)
        place, near, nearest = self.references(graph, atoms, own=own)
        kinds = (graph.crystal_of_atom * TABLE + graph.numbers).unique() // TABLE
        elements = torch.bincount(kinds, minlength=graph.crystals)[:, None].to(off)
        features = torch.cat([off, off.abs(), elements, pairs, surroundings, near, place], dim=1)
        volume = log_volume(graph)[:, None].exp()
        return features, [volume, volume / off.exp(), pairs[:, 1:2], worst, atom, nearest]

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
        table = Readings.of(torch.cat([scores[:, None], *columns], dim=1))
        off = (table.volume / table.expected).log()
        self.usual.copy_(
            torch.stack(
                [
                    off.quantile(_LOW),
                    off.quantile(_HIGH),
                    table.squeezed.quantile(_LOW),
                    table.atom[:, 1].quantile(_HIGH),
                    table.distance[:, 0].quantile(_HIGH),
                ]
            )
        )

    def judge(self, crystals: Sequence[Crystal], table: Tensor, doubts: Sequence[str]) -> list[Verdict]:
        """Return the domain of each crystal.

        Args:
            crystals: B crystals.
            table: (B, columns) what `read_out` returned for them.
            doubts: Why each crystal cannot be, of `graphs.plausible.doubts_of`; "" if nothing is doubtful.
        """
        readings = Readings.of(table.detach().cpu().float())
        seen, borders, usual = self.seen.cpu(), self.borders.tolist(), self.usual.tolist()
        rows = zip(crystals, doubts, strict=True)
        return [self._verdict(crystal, doubt, Readings(*(c[row] for c in readings)), seen, borders[1] - borders[0], usual)
                for row, (crystal, doubt) in enumerate(rows)]  # fmt: skip

    def _verdict(
        self, crystal: Crystal, doubt: str, row: Readings, seen: Tensor, edge: float, usual: list[float]
    ) -> Verdict:
        score = float(row.score)
        present = sorted(set(crystal.numbers.tolist()))
        strange = [symbol(number) for number in present if not seen[number, number]]
        apart = [
            f"{symbol(one)} and {symbol(other)}"
            for one, other in combinations(present, 2)
            if seen[one, one] and seen[other, other] and not seen[one, other]
        ]
        sentences = [doubt] if doubt else []
        if strange:
            sentences.append(f"The training data has no {', '.join(strange)}")
        if apart:
            sentences.append(f"No training crystal has both {'; '.join(apart[:NEAREST])}")
        out, inside = bool(doubt or strange) or not score >= 0, score >= edge and not apart
        if not inside or out:
            sentences += _unusual(row, usual)
        if not sentences and not inside:
            sentences.append(
                "Taken together, its volume, distances and surroundings are like those of few real crystals"
            )
        if len(self.references.places):
            sentences.append(self._nearest(row))
        return Verdict("out" if out else "in" if inside else "edge", ". ".join(sentences), score)

    def _nearest(self, row: Readings) -> str:
        found = zip(row.which.tolist(), row.distance.tolist(), strict=True)
        named = ", ".join(f"{self.references.name(int(which))} at {distance:.2g}" for which, distance in found)
        return f"Nearest of {len(self.references.places)} training crystals: {named}"


def _unusual(row: Readings, usual: list[float]) -> list[str]:
    """Return what is beyond the usual of one crystal, in sentences."""
    smallest, largest, squeezed, atom, distance = usual
    sentences = []
    volume, expected = float(row.volume), float(row.expected)
    off = float((row.volume / row.expected).log())
    if not smallest <= off <= largest:
        sentences.append(
            f"It has {volume:.3g} cubic angstrom per atom, {'less' if off < 0 else 'more'} than the {expected:.3g} usual for its "
            f"composition: it is {'too dense' if off < 0 else 'not dense enough'}"
        )
    if float(row.squeezed) < squeezed:
        one, other, found, wanted = row.pair.tolist()
        sentences.append(
            f"Neighbours are too near: {symbol(int(one))} and {symbol(int(other))} are {found:.2f} angstrom apart, usually "
            f"{wanted:.2f}"
        )
    if float(row.atom[1]) > atom:
        sentences.append(
            f"The surroundings of {symbol(int(row.atom[0]))} are unlike those in training ({float(row.atom[1]):.2g} deviations)"
        )
    if float(row.distance[0]) > distance:
        sentences.append("All training crystals are far")
    return sentences
