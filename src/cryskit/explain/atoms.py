"""The explanation of one crystal: what each atom, and each named element feature, adds to the prediction.

    prediction = base value + sum over atoms and element features of their attributions (+ completeness error)
    base value = mean of the labels + share of the geometry

All in the space where the property is learned (decimal logarithms for moduli, the logarithm of the odds for a class). The base value is the prediction for the
same geometry with every atom the mean of the elements that the model was trained on. An attribution says what it changes
that an atom has, or lacks, an element feature, against that mean. The **contribution** of an atom is the sum of its
attributions and an equal share of the base value: contributions add up to the prediction.

A model that reads descriptions reads the crystal's all along, as for the prediction: the base value is for the same geometry
and the same description, and attributions are those of the elements of the atoms, not of their names in the text. What the
description does is said by itself: the prediction without it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from cryskit import elements
from cryskit.errors import CrystalError, ModelError, UnknownNameError
from cryskit.explain.gradients import EDGES, learned_values, mean_gradient
from cryskit.explain.parts import FEATURES, Baseline, Parts, baseline_of, by_block, parts_of
from cryskit.graphs.build import build_numbered
from cryskit.predict.card import refuse_tensors
from cryskit.predict.outcome import Remarks, predictions_of
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryskit.explain.gradients import Path
    from cryskit.predict.predictor import Predictor
    from cryskit.types import Graph, Prediction, Property


@dataclass(frozen=True, eq=False)
class Explanation:
    """The explanation of one property of one crystal; N atoms in the order of the crystal.

    Attributes:
        crystal: The crystal that is explained.
        prediction: The prediction that is explained, with its status, as `predict` gives it.
        wanted: The property that is explained.
        learned: The prediction in the space where the property is learned.
        base: The prediction for mean elements, in that space.
        mean: The mean of the labels that the model was trained on, in that space; 0, even odds, for a class.
        undescribed: The prediction without a description, in that space; None where none was read.
        features: (N, 93) attribution of each of the 92 element features, and last of what is learned of the element.
        has: (N, 92) whether the atom's element has the feature.
        orbit: (N,) atoms that symmetry makes equal have the same number.
        residual: What base value and attributions miss of the prediction: the completeness error.
        scale: What the residual has to be small against: |learned - base|, or 5 % of the spread of the labels if that is more.
        steps: Number of steps of the quadrature.
    """

    crystal: Crystal
    prediction: Prediction
    wanted: Property
    learned: float
    base: float
    mean: float
    undescribed: float | None
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
    def geometry(self) -> float:
        """The share of the geometry: what the model predicts for mean elements at the places of the atoms, less the mean of the labels."""
        return self.base - self.mean

    @property
    def blocks(self) -> dict[str, float]:
        """The attribution of each named block of element features, and of what is learned."""
        return {name: float(value) for name, value in by_block(self.features.sum(0)).items()}

    @property
    def elements(self) -> dict[str, float]:
        """The attribution of the atoms of each element."""
        sums: dict[str, float] = defaultdict(float)
        for number, value in zip(self.crystal.numbers.tolist(), self.atoms.tolist(), strict=True):
            sums[elements.symbol(number)] += value
        return dict(sums)


class ModelInput(NamedTuple):
    """What a model is given of one crystal.

    Attributes:
        graph: The graph of the crystal, with the vectors of its description if the model reads it, on the CPU.
        node_of_atom: (N,) node of the graph that each atom of the crystal is.
        remarks: Whether the crystal can be, and what the model lacks of it.
    """

    graph: Graph
    node_of_atom: np.ndarray
    remarks: Remarks


class Explainer:
    """Explains the predictions of one property by one model, on the device where the model is.

    Args:
        predictor: The model; one without element features has all of its attributions in the learned part.
        name: Name of the property; the model's first by default.
        edges: Most edges of a batch of variants of a crystal; a larger crystal is a batch by itself.

    Raises:
        UnknownNameError: The model has no such property.
        ModelError: It was pre-trained only, predicts tensors, or its encoder has no input layer.
    """

    def __init__(self, predictor: Predictor, name: str | None = None, *, edges: int = EDGES) -> None:
        predictor.require_heads()
        refuse_tensors(predictor.card, "be explained")
        if not getattr(predictor.heads, "differentiable", True):
            raise ModelError(
                f"{predictor.card.name} holds boosted trees, which have no derivative",
                "Explain a model without them",
            )
        names = {alias: p.name for p in predictor.card.properties for alias in (*p.aliases, p.name)}
        if name is not None and name not in names:
            raise UnknownNameError(f"property of the model {predictor.card.name}", name, predictor.properties)
        self.predictor = predictor
        self.column = predictor.properties.index(names[name]) if name else 0
        self.wanted = predictor.card.properties[self.column]
        self.edges = edges
        self.parts: Parts = parts_of(predictor.encoder)
        self.baseline: Baseline = baseline_of(self.parts, predictor.card.elements)

    def stream(self, items: Iterable[Crystal | Failure]) -> Iterator[Explanation | Prediction]:
        """Explain crystals as they come; in place of one that fails stands its prediction, with the reason."""
        for item in items:
            if isinstance(item, Failure):
                yield from self.predictor.stream([item])
                continue
            try:
                found = self._found(item)
            except CrystalError as error:
                yield from self.predictor.stream([Failure(item.id, error)])
            else:
                yield found

    def explain(self, crystal: Crystal) -> Explanation:
        """Explain one crystal.

        Args:
            crystal: A crystal that can be predicted.

        Raises:
            CrystalError: No graph can be built of it.
            ModelError: The model gives no number for it.
        """
        found = self._found(crystal)
        if not isinstance(found, Explanation):
            raise ModelError(f"{crystal.id} has no prediction ({found.reason})", "Explain crystals that have one")
        return found

    def model_input(self, crystal: Crystal) -> ModelInput:
        """Return what the model is given of a crystal, for the prediction and for its explanation.

        Raises:
            CrystalError: No graph can be built of it.
        """
        graph, node_of_atom = build_numbered(crystal, self.predictor.card.spec)
        graph, (remarks,) = self.predictor.complete(graph, [crystal])
        return ModelInput(graph, node_of_atom, remarks)

    def path(self, graph: Graph) -> Path:
        """Integrate from the baseline to a crystal.

        Args:
            graph: One crystal, as `model_input` returns it.
        """
        vectors = self.parts.vectors[graph.numbers]
        return mean_gradient(self.predictor, graph, self.column, vectors, self.baseline.vector, self.edges)

    def attributed(self, graph: Graph, path: Path) -> np.ndarray:
        """Return the attribution of each feature of each node, all atoms of the node together, (nodes, 93) float64."""
        gradient = path.gradient.double()
        attributed = torch.empty(len(gradient), FEATURES, dtype=torch.float64)
        along_features = gradient @ self.parts.directions.double().T
        attributed[:, :-1] = (self.parts.features[graph.numbers] - self.baseline.features) * along_features
        attributed[:, -1] = ((self.parts.learned[graph.numbers] - self.baseline.learned) * gradient).sum(1)
        return attributed.numpy()

    def _found(self, crystal: Crystal) -> Explanation | Prediction:
        """Predict a crystal and explain that; a prediction that failed has no explanation."""
        graph, node_of_atom, remarks = self.model_input(crystal)
        (values,) = self.predictor.values(graph)
        (prediction,) = predictions_of(self.predictor.card, [crystal], values[None], [remarks])
        if prediction.status == "failed":
            return prediction
        path, heads = self.path(graph), self.predictor.heads
        nodes = self.attributed(graph, path) / graph.multiplicity[:, None].double().numpy()
        return Explanation(
            crystal=crystal,
            prediction=prediction,
            wanted=self.wanted,
            learned=path.value,
            base=path.base,
            mean=0.0 if self.wanted.classes else float(heads.mean[heads.first[self.column]]),
            undescribed=self._undescribed(graph),
            features=nodes[node_of_atom],
            has=self.parts.features[graph.numbers].numpy()[node_of_atom] > 0,
            orbit=node_of_atom,
            residual=path.residual,
            scale=path.scale,
            steps=path.steps,
        )

    @torch.no_grad()
    def _undescribed(self, graph: Graph) -> float | None:
        """Predict a crystal without its description; None where it has none."""
        if graph.text is None or not graph.text.isfinite().any():
            return None
        silent = replace(graph, text=torch.full_like(graph.text, torch.nan))
        values = learned_values(self.predictor, silent, self.column)
        return values(self.parts.vectors[graph.numbers][None]).item()
