"""The explanation of one crystal: what each atom, and each named property of its element, adds to the prediction.

    prediction = base value + sum over atoms and features of their attributions (+ completeness error)

All in the space where the property is learned (decimal logarithms for moduli). The base value is the prediction for the
same geometry with every atom the mean of the elements that the model was trained on. An attribution says what it changes
that an atom has, or lacks, a property, against that mean. The **contribution** of an atom is the sum of its attributions and
an equal share of the base value: contributions add up to the prediction.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch

from cryskit import elements
from cryskit.errors import ModelError, UnknownNameError
from cryskit.explain.gradients import mean_gradient
from cryskit.explain.parts import FEATURES, Baseline, Parts, baseline_of, by_block, parts_of
from cryskit.graphs.build import build
from cryskit.graphs.symmetry import orbits
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryskit.explain.gradients import Path
    from cryskit.predict.predictor import Predictor
    from cryskit.types import Graph, Prediction, Property


@dataclass(frozen=True, eq=False)
class Explanation:
    """Of one crystal and one property; N atoms in the order of the crystal.

    Attributes:
        crystal: What is explained.
        prediction: As `predict` gives it, with its status.
        wanted: The property.
        learned: The prediction in the space where the property is learned.
        base: Likewise, of the same geometry with mean elements.
        features: (N, 93) the attribution of each bit, and in the last column of what is learned of the element.
        has: (N, 92) whether the atom's element has the bit.
        orbit: (N,) atoms that symmetry makes equal have the same number.
        residual: What base and attributions miss of the prediction: the completeness error.
        scale: What the residual has to be small against: |learned - base|, or 5 % of the spread of the labels if that is more.
        steps: Of the quadrature.
    """

    crystal: Crystal
    prediction: Prediction
    wanted: Property
    learned: float
    base: float
    features: np.ndarray
    has: np.ndarray
    orbit: np.ndarray
    residual: float
    scale: float
    steps: int

    @cached_property
    def atoms(self) -> np.ndarray:
        """(N,) the attribution of each atom."""
        return np.asarray(self.features.sum(1))

    @property
    def contributions(self) -> np.ndarray:
        """(N,) the contribution of each atom; they add up to the prediction, but for the residual."""
        return self.atoms + self.base / len(self.crystal)

    @property
    def blocks(self) -> dict[str, float]:
        """The attribution of each named block, and of what is learned."""
        return {name: float(value) for name, value in by_block(self.features.sum(0)).items()}

    @property
    def elements(self) -> dict[str, float]:
        """The attribution of the atoms of each element."""
        sums: dict[str, float] = defaultdict(float)
        for number, value in zip(self.crystal.numbers.tolist(), self.atoms.tolist(), strict=True):
            sums[elements.symbol(number)] += value
        return dict(sums)


class Explainer:
    """Explains the predictions of one property by one model.

    Args:
        predictor: Any model; one without bits has all of its attributions in the learned part.
        name: The property; the model's first by default.

    Raises:
        UnknownNameError: The model has no such property.
        ModelError: It was pre-trained only, or its encoder has no input layer.
    """

    def __init__(self, predictor: Predictor, name: str | None = None) -> None:
        predictor.require_heads()
        names = {alias: p.name for p in predictor.card.properties for alias in (*p.aliases, p.name)}
        if name is not None and name not in names:
            raise UnknownNameError(f"property of the model {predictor.card.name}", name, predictor.properties)
        self.predictor = predictor
        self.column = predictor.properties.index(names[name]) if name else 0
        self.wanted = predictor.card.properties[self.column]
        self.parts: Parts = parts_of(predictor.encoder)
        self.baseline: Baseline = baseline_of(self.parts, predictor.card.elements)

    def stream(self, items: Iterable[Crystal | Failure]) -> Iterator[Explanation | Prediction]:
        """Explain crystals as they come; in place of one that fails stands its prediction, with the reason."""
        for item in items:
            (prediction,) = self.predictor.stream([item])
            if isinstance(item, Failure) or prediction.status == "failed":
                yield prediction
            else:
                yield self.explain(item, prediction)

    def explain(self, crystal: Crystal, prediction: Prediction | None = None) -> Explanation:
        """Explain one crystal.

        Args:
            crystal: One that can be predicted.
            prediction: What is said of it, if that is known already.

        Raises:
            CrystalError: No graph can be built of it.
            ModelError: The model gives no number for it.
        """
        known = prediction or next(self.predictor.stream([crystal]))
        if known.status == "failed":
            raise ModelError(f"{crystal.id} has no prediction ({known.reason})", "Explain crystals that have one")
        graph, orbit = self.graph(crystal)
        path = self.path(graph)
        nodes = self.attributed(graph, path) / graph.multiplicity[:, None].double().numpy()
        return Explanation(
            crystal=crystal,
            prediction=known,
            wanted=self.wanted,
            learned=path.value,
            base=path.base,
            features=nodes[orbit],
            has=self.parts.bits[graph.numbers].numpy()[orbit] > 0,
            orbit=orbit,
            residual=path.residual,
            scale=path.scale,
            steps=path.steps,
        )

    def graph(self, crystal: Crystal) -> tuple[Graph, np.ndarray]:
        """Return the graph of a crystal, and the node of each of its atoms, (N,)."""
        spec = self.predictor.card.spec
        first = orbits(crystal, spec) if spec.reduce else np.arange(len(crystal))
        node_of_atom = np.unique(first, return_inverse=True)[1]
        return build([crystal], spec, symmetry=[first]), node_of_atom

    def path(self, graph: Graph) -> Path:
        """Integrate from the baseline to a crystal."""
        vectors = self.parts.table[graph.numbers]
        return mean_gradient(self.predictor, graph, self.column, vectors, self.baseline.vector)

    def attributed(self, graph: Graph, path: Path) -> np.ndarray:
        """Return the attribution of each feature of each node, all atoms of the node together, (nodes, 93) float64."""
        gradient = path.gradient.double()
        attributed = torch.empty(len(gradient), FEATURES, dtype=torch.float64)
        along_bits = gradient @ self.parts.directions.double().T
        attributed[:, :-1] = (self.parts.bits[graph.numbers] - self.baseline.bits) * along_bits
        attributed[:, -1] = ((self.parts.rest[graph.numbers] - self.baseline.rest) * gradient).sum(1)
        return attributed.numpy()
