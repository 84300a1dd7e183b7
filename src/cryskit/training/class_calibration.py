"""Temperature and prediction sets of the classes of a model that has been trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cryskit.predict.classes import calibrate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.predict.classes import ClassCalibration
    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal, Property


def class_calibrations(
    predictor: Predictor, validation: Sequence[Crystal], calibration: Sequence[Crystal]
) -> dict[str, ClassCalibration]:
    """Return what turns the logits of each class into probabilities and sets.

    Args:
        predictor: The trained model, whose card has no calibration.
        validation: Crystals that chose the epoch, with targets; they are used where a property has no label among the others.
        calibration: Crystals that neither trained nor chose the epoch, with targets; none if the split has no such part.
    """
    wanted = [prop for prop in predictor.card.properties if prop.classes]
    parts = {"calibration": _labelled(calibration, wanted), "validation": _labelled(validation, wanted)}
    found: dict[str, ClassCalibration] = {}
    for part, crystals in parts.items():
        left = [prop for prop in wanted if prop.name not in found]
        if left and crystals:
            found |= {name: one for name, one in _of_part(predictor, crystals, left, part).items() if one.crystals}
    return found


def _of_part(
    predictor: Predictor, crystals: Sequence[Crystal], wanted: Sequence[Property], part: str
) -> dict[str, ClassCalibration]:
    """Return the calibration of some properties on the crystals of one part."""
    predictions = list(predictor.stream(crystals))
    found = {}
    for prop in wanted:
        both = [
            (one.classes[prop.name].probabilities, int(crystal.targets[prop.name]))
            for crystal, one in zip(crystals, predictions, strict=True)
            if prop.name in one.classes and crystal.targets.get(prop.name, -1) >= 0
        ]
        probabilities = np.array([each for each, _ in both]).reshape(len(both), len(prop.classes))
        logits = np.log(
            np.maximum(probabilities, np.finfo(np.float64).tiny)
        )  # without a temperature these are the logits
        found[prop.name] = calibrate(logits, np.array([label for _, label in both], dtype=int), part)
    return found


def _labelled(crystals: Sequence[Crystal], wanted: Sequence[Property]) -> list[Crystal]:
    return [crystal for crystal in crystals if any(crystal.targets.get(prop.name, -1) >= 0 for prop in wanted)]
