"""What an exported file says besides its network: the card of the model, and golden inputs and outputs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cryskit.errors import ModelError
from cryskit.exported.network import LAYOUT, OUTPUTS
from cryskit.predict.card import Card

if TYPE_CHECKING:
    from pathlib import Path

KEY = "cryskit"
"""Name of the facts in an exported file: an extra file `cryskit.json` of a pt2 file, the metadata property `cryskit` of ONNX."""
TOLERANCE = 1e-5
"""Largest deviation from eager predictions, relative to them where they are larger than 1."""


class Facts(BaseModel):
    """The facts of an exported file, as JSON.

    Attributes:
        format: Number of this format.
        card: Card of the model, without what judges predictions, which is not exported.
        inputs: Golden inputs: name of an array to its numbers (`network.LAYOUT`).
        predictions: Golden predictions of the model itself for them.
        layout: Axis, type and meaning of each input, in order.
        outputs: Names of the outputs, in order.
        versions: Versions of the packages that wrote it.
    """

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")  # a missing description is NaN

    format: str = Field(default="1", pattern="^1$")
    card: dict[str, Any]
    inputs: dict[str, list[Any]]
    predictions: list[list[float]]
    layout: dict[str, list[str]] = Field(default_factory=lambda: {name: list(array) for name, array in LAYOUT.items()})
    outputs: list[str] = Field(default_factory=lambda: list(OUTPUTS))
    versions: dict[str, str] = Field(default_factory=dict)

    def read_card(self) -> Card:
        """Return the card."""
        return Card.model_validate(self.card)


def parse(text: str, path: Path) -> Facts:
    """Return the facts in a text.

    Args:
        text: The facts as JSON.
        path: The file, for messages.

    Raises:
        ModelError: They are damaged, or of a newer format.
    """
    try:
        facts = Facts.model_validate(json.loads(text))
        facts.read_card()
    except (ValidationError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path} has no facts of cryskit that this version can read ({str(error)[:200]})", "Export the model again"
        ) from error
    return facts


def deviation(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest deviation of predictions, relative to the expected ones where these are larger than 1.

    Args:
        found: Predictions of an exported network.
        expected: Those of the model itself.
    """
    if found.shape != expected.shape:
        return float("inf")
    exact = expected.astype(np.float64)
    return float(np.max(np.abs(found - exact) / np.maximum(np.abs(exact), 1), initial=0.0))
