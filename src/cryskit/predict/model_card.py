"""The card of a model as a page in Markdown with a YAML head, as model hubs show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from cryskit.predict.card import without_folders

if TYPE_CHECKING:
    from cryskit.predict.card import Card

_LICENCES = {"MIT": "mit", "Apache-2.0": "apache-2.0", "CC-BY-4.0": "cc-by-4.0", "CC0-1.0": "cc0-1.0"}
_TAGS = ("cryskit", "materials-science", "crystals", "graph-neural-network")
_METRICS = ("mae", "rmse", "r2", "share", "accuracy", "auc", "n")


def markdown(card: Card, digest: str = "", file: str = "model.safetensors") -> str:
    """Return a model card.

    Args:
        card: Card of the model.
        digest: SHA-256 of the model file; "" leaves it out.
        file: Name of the model file.
    """
    parts = [
        f"---\n{yaml.safe_dump(_head(card), sort_keys=False, allow_unicode=True)}---",
        f"# {card.full_name}",
        card.description or "A model of crystals, made with cryskit.",
        _predicts(card),
        f"## Use\n\n```python\nimport cryskit\n\nmodel = cryskit.load({file!r})\n{_call(card)}\n```",
        _trained(card),
    ]
    if digest:
        parts.append(f"## File\n\nSHA-256 of `{file}`: `{digest}`. It is a safetensors file: loading it runs no code.")
    if card.licence:
        parts.append(f"## Licence\n\n{card.licence}.")
    if card.citation:
        parts.append("## Cite\n\n" + "\n".join(f"- {each}" for each in card.citation))
    return "\n\n".join(parts) + "\n"


def judged_on(card: Card) -> str:
    """Return in words on which crystals the errors on a card were found, and what to expect on others.

    Args:
        card: Card of the model.
    """
    if card.was_fitted:
        return "Errors on formulas that a model had not seen (nested cross-validation)"
    return (
        "Errors on the validation crystals, which chose the epoch; on test crystals expect them to be a little larger"
    )


def _head(card: Card) -> dict[str, Any]:
    """Return the YAML head: what hubs sort and search by."""
    licence = _LICENCES.get(card.licence.split(" ")[0].rstrip(",;"))
    head: dict[str, Any] = {"license": licence or "other"}
    if not licence:
        head["license_name"] = card.licence or "not said"
    head |= {"library_name": "cryskit", "tags": [*_TAGS, *(each.name for each in card.properties)]}
    results = [_result(card, name, values) for name, values in card.metrics.items() if "mae" in values]
    if results:
        head["model-index"] = [{"name": card.full_name, "results": results}]
    return head


def _result(card: Card, name: str, values: dict[str, float]) -> dict[str, Any]:
    """Return the errors of one property as hubs list them."""
    source = without_folders(card.data).get("source", "not said")
    return {
        "task": {"type": "tabular-regression", "name": name},
        "dataset": {"name": f"{source}, {card.judged_part}", "type": "crystals"},
        "metrics": [{"type": "mae", "value": values["mae"], "name": f"mean absolute error, {card.judged_part}"}],
    }


def _predicts(card: Card) -> str:
    """Return a table of the properties with their errors, and what these are."""
    if not card.properties:
        return "It was pre-trained without labels: it embeds crystals and is a start for training, but predicts nothing itself."
    shown = [name for name in _METRICS if any(name in values for values in card.metrics.values())]
    head = ["property", "unit", "functional", *shown]
    rows = [
        [
            each.name,
            each.unit or ", ".join(each.classes),
            each.functional,
            *(_figure(card.metrics.get(each.name, {}).get(name)) for name in shown),
        ]
        for each in card.judged
    ]
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)]
    note = f"\n\n{judged_on(card)}."
    return "## Predicts\n\n" + "\n".join(lines) + note * bool(shown)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _call(card: Card) -> str:
    """Return the line that uses the model."""
    return 'table = model.predict("structures/")' if card.properties else 'vectors = model.embed("structures/")'


def _trained(card: Card) -> str:
    """Return what it was trained on, and where it should not be used."""
    facts = {
        "encoder": card.encoder.get("name", ""),
        "data": ", ".join(f"{key} {value}" for key, value in without_folders(card.data).items()),
        "split": ", ".join(f"{key} {value}" for key, value in card.split.items()),
        "crystals": ", ".join(f"{key} {value}" for key, value in card.rows.items()),
        "start": ", ".join(f"{key} {value}" for key, value in without_folders(card.start).items()),
        "elements": str(len(card.elements) or ""),
        "intervals": "calibrated" if card.calibration else "none",
        "versions": ", ".join(f"{key} {value}" for key, value in card.versions.items()),
    }
    lines = "\n".join(f"- {name}: {value}" for name, value in facts.items() if value)
    limits = "Expect larger errors for crystals unlike these: other elements, unrelaxed or generated structures, measured values."
    return f"## Trained on\n\n{lines}\n\n{limits}"
