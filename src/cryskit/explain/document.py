"""Explanations as plain values: what `cryskit explain` writes as JSON and draws as a page. Numbers are not rounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit import elements
from cryskit.explain.atoms import Explanation
from cryskit.explain.classes import space_of_class, value_of
from cryskit.explain.parts import by_block, feature_name, feature_names, strengths_of
from cryskit.explain.usage import blocks_used, descriptions_used, elements_used, features_used

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryskit.explain.atoms import Explainer
    from cryskit.explain.usage import Use
    from cryskit.types import Prediction, Property

READING = (
    "prediction = base + sum of attributions + completeness_error, and base = mean + geometry, all in `space`. mean is the mean of the labels that the model"
    " was trained on (0, even odds, for a class); geometry is the share of where the atoms are. base is the prediction for the same"
    " geometry with every atom the mean of the elements that the model was trained on; an attribution says what it changes"
    " that an atom has, or lacks, an element feature, against that mean. The contribution of an atom is its attribution +"
    " base / atoms: contributions add up to the prediction, but for the completeness error. `value` is the prediction in"
    " `unit`, as `cryskit predict` gives it; of a class its name, with its probability. A model that reads descriptions reads the crystal's all along, base included;"
    " without_description is its prediction without one, null where none was read."
)


def space_of(wanted: Property) -> str:
    """Return the unit of the space in which a property is learned, for example "log10(GPa)", or "log-odds of metal"."""
    if wanted.classes:
        return space_of_class(wanted)
    return wanted.unit if wanted.transform == "none" else f"{wanted.transform}({wanted.unit})"


def document(explainer: Explainer, rows: Sequence[dict[str, Any]], digest: str = "") -> dict[str, Any]:
    """Return all there is to say of a model's explanations.

    Args:
        explainer: The explainer of a model and property.
        rows: Explanations of the crystals in order, each from `row`.
        digest: SHA-256 of the model file, hexadecimal.
    """
    card, wanted = explainer.predictor.card, explainer.wanted
    return {
        "model": {"name": card.name, "sha256": digest, "encoder": card.encoder["name"]},
        "property": wanted.name,
        "unit": wanted.unit,
        "kind": wanted.kind,
        "space": space_of(wanted),
        "method": "integrated gradients over the input vectors of the atoms, geometry and description kept",
        "baseline": {"elements": [elements.symbol(z) for z in card.elements] or "all"},
        "reading": READING,
        "use": _use(explainer, [row for row in rows if row["status"] != "failed"]),
        "rows": list(rows),
    }


def row(found: Explanation | Prediction) -> dict[str, Any]:
    """Return the explanation of one crystal, or why there is none.

    Args:
        found: An item of `Explainer.stream`.
    """
    if not isinstance(found, Explanation):
        return {"id": found.id, "status": found.status, "reason": found.reason}
    crystal, prediction = found.crystal, found.prediction
    return {
        "id": crystal.id,
        "status": prediction.status,
        "reason": prediction.reason,
        "formula": elements.formula(crystal.numbers),
        **value_of(prediction, found.wanted),
        "prediction": found.learned,
        "base": found.base,
        "mean": found.mean,
        "geometry": found.geometry,
        "without_description": found.undescribed,
        "completeness_error": found.residual,
        "completeness_error_relative": abs(found.residual) / found.scale,
        "steps": found.steps,
        "blocks": found.blocks,
        "elements": found.elements,
        "features": _named(found.features.sum(0)),
        "orbits": _orbits(found),
        "atoms": {
            "element": [elements.symbol(z) for z in crystal.numbers.tolist()],
            "orbit": found.orbit.tolist(),
            "attribution": found.atoms.tolist(),
            "contribution": found.contributions.tolist(),
        },
        "structure": {"lattice": crystal.lattice.tolist(), "fractional": crystal.fractional.tolist()},
    }


def _orbits(found: Explanation) -> list[dict[str, Any]]:
    """Return one entry for each set of atoms that symmetry makes equal; attributions are those of one atom."""
    firsts = np.unique(found.orbit, return_index=True, return_counts=True)[1:]
    return [
        {
            "element": elements.symbol(int(found.crystal.numbers[first])),
            "atoms": int(count),
            "attribution": float(found.atoms[first]),
            "contribution": float(found.contributions[first]),
            "has": [feature_name(int(feature)) for feature in np.flatnonzero(found.has[first])],
            "blocks": {name: float(value) for name, value in by_block(found.features[first]).items()},
            "features": _named(found.features[first]),
        }
        for first, count in zip(*firsts, strict=True)
    ]


def _named(features: np.ndarray) -> dict[str, float]:
    return dict(zip(feature_names(), features.tolist(), strict=True))


def _use(explainer: Explainer, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    features = [list(row["features"].values()) for row in rows]
    strengths = strengths_of(explainer.predictor.encoder)
    return {
        "crystals": len(rows),
        "description": _plain(descriptions_used(_changes(rows))),
        "blocks": _plain(blocks_used(features)),
        "features": _plain(features_used(features)),
        "elements": _plain(elements_used([row["elements"] for row in rows])),
        "selector": None
        if strengths is None
        else dict(zip(feature_names()[: len(strengths)], strengths.tolist(), strict=True)),
    }


def _changes(rows: Sequence[dict[str, Any]]) -> list[float]:
    """Return what their descriptions change of the predictions, for the crystals that have one."""
    return [row["prediction"] - row["without_description"] for row in rows if row["without_description"] is not None]


def _plain(uses: Sequence[Use]) -> list[dict[str, Any]]:
    return [use._asdict() for use in uses]
