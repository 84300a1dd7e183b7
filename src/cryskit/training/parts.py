"""The parts of a labelled data set as a training reads them: usable crystals, their graphs with targets, and the objective that learns from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cryskit.batching import collate, with_targets
from cryskit.data.tensors import target_row
from cryskit.graphs.build import build_usable
from cryskit.registry import OBJECTIVES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryskit.predict.predictor import Predictor
    from cryskit.protocols import Objective
    from cryskit.training.settle import SettledPlan
    from cryskit.types import Crystal, Graph, GraphSpec, Property


class Part(NamedTuple):
    """The crystals of a part that could be built.

    Attributes:
        crystals: The crystals, in order.
        graph: Their graph.
        unusable: Id of each crystal that could not be built to the reason.
    """

    crystals: list[Crystal]
    graph: Graph
    unusable: dict[str, str]

    def joined(self, crystals: list[Crystal], graph: Graph) -> Part:
        """Return the part with other crystals behind it.

        Args:
            crystals: The other crystals.
            graph: Their graph.
        """
        return Part([*self.crystals, *crystals], collate([self.graph, graph]), self.unusable)


def objective_of(settled: SettledPlan, predictor: Predictor) -> Objective:
    """Return the objective of a run with labels around the networks of its predictor.

    Args:
        settled: The plan of the run.
        predictor: The predictor whose encoder and heads are trained.
    """
    settings = {key: value for key, value in settled.plan.objective.items() if key != "heads"}
    settings |= {"teacher": settled.teacher.width} if settled.teacher else {}
    return OBJECTIVES.build({**settings, "encoder": predictor.encoder, "heads": predictor.heads})


def with_labels(crystals: Sequence[Crystal], wanted: Sequence[Property]) -> list[Crystal]:
    """Return the crystals that have a label of one of the properties.

    Args:
        crystals: The crystals.
        wanted: The properties.
    """
    return [c for c in crystals if np.isfinite(target_row(c, wanted)).any()]


def built(crystals: Sequence[Crystal], spec: GraphSpec, cache: Path | None) -> Part:
    """Return crystals with their graph, without those that cannot be built.

    Args:
        crystals: The crystals.
        spec: Which graph.
        cache: Folder where built graphs are kept; None keeps none.
    """
    graph, errors = build_usable(crystals, spec, cache=cache)
    usable = [crystal for position, crystal in enumerate(crystals) if position not in errors]
    return Part(usable, graph, {crystals[position].id: str(error) for position, error in errors.items()})


def graphs_of(predictor: Predictor, training: Part, validation: Part) -> tuple[Graph, Graph]:
    """Return the graphs of both parts with labels, whose scale the heads take, and with descriptions if the model reads them.

    Args:
        predictor: The model that is trained.
        training: The crystals that train.
        validation: The crystals that choose the epoch.
    """
    first = graph_with_targets(predictor, training)
    predictor.heads.fit_scale(first.targets)
    return first, graph_with_targets(predictor, validation)


def graph_with_targets(predictor: Predictor, part: Part) -> Graph:
    """Return the graph of a part with labels, and with descriptions if the model reads them.

    Args:
        predictor: The model that is trained.
        part: The crystals.
    """
    targets = [target_row(crystal, predictor.card.properties) for crystal in part.crystals]
    graph = with_targets(part.graph, np.array(targets).reshape(len(part.crystals), -1))
    return predictor.text_input.attach(graph, part.crystals) if predictor.text_input else graph
