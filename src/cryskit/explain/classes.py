"""What is explained of a property that is a class: the logarithm of the odds of one of its classes.

    log p_k / (1 - p_k),  p = softmax(logits / T)

Of two classes it is that of the second, of more that of the class that is predicted. So the sigmoid of what base value and
attributions add up to is the probability that `predict` gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cryskit.predict.classes import UNCALIBRATED

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Graph, Prediction, Property


def log_odds(predictor: Predictor, graph: Graph, position: int) -> Callable[[Tensor], Tensor]:
    """Return a function from the logits of variants of a crystal, (K, outputs), to the log-odds of one class, (K,).

    Args:
        predictor: The model.
        graph: The crystal itself, whose predicted class is explained if there are more than two.
        position: Position of the property among those of the model.
    """
    wanted = predictor.card.properties[position]
    temperature = predictor.card.class_calibration.get(wanted.name, UNCALIBRATED).temperature
    if wanted.outputs == 1:
        return lambda logits: logits[:, 0] / temperature
    chosen = int(predictor.values(graph)[0, predictor.heads.columns(position)].argmax())
    others = [k for k in range(wanted.outputs) if k != chosen]
    return lambda logits: (logits[:, chosen] / temperature) - torch.logsumexp(logits[:, others] / temperature, dim=1)


def space_of_class(wanted: Property) -> str:
    """Return the name of the space in which a class is explained."""
    return f"log-odds of {wanted.classes[1] if wanted.outputs == 1 else 'the predicted class'}"


def value_of(prediction: Prediction, wanted: Property) -> dict[str, float | str]:
    """Return what `predict` says of a property: its value, or its class with its probability.

    Args:
        prediction: Prediction that did not fail.
        wanted: The property.
    """
    if not wanted.classes:
        return {"value": prediction.values[wanted.name]}
    found = prediction.classes[wanted.name]
    return {"value": found.name, "probability": found.probability}
