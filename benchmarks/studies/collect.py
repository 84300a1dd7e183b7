"""Put what a benchmark left in its folder into one result card: errors, gains, ranks, and what was trained.

    python benchmarks/collect.py runs/distillation

The card is named after the folder. It holds every row that is done, so that a benchmark that goes on later can be collected again.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import labels
import pandas as pd

from cryskit.benchmark.compare import Gain, errors, gains, ranks, results
from cryskit.benchmark.run import PREDICTIONS, ROWS
from cryskit.evaluate.records import records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DIGITS = 5


def main(arguments: Sequence[str] | None = None) -> None:
    """Collect and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of a benchmark")
    parser.add_argument("--base", default="scratch", help="the regime to compare with")
    parser.add_argument("--out", type=Path, default=labels.RESULTS)
    asked = parser.parse_args(arguments)
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in (asked.folder / ROWS).glob("*.json")]
    cards.sort(key=lambda card: card["date"])  # as the plan has them
    labels.save_card(collected(cards, asked.folder, asked.base), asked.out / f"{asked.folder.name}.json")


def collected(cards: Sequence[Mapping[str, Any]], folder: Path, base: str) -> dict[str, Any]:
    """Return the card of a benchmark.

    Args:
        cards: Of its rows.
        folder: Where it left its predictions.
        base: The regime to compare with.
    """
    done = [card for card in cards if card["status"] == "done"]
    table = results(done)
    gained = [dict(zip(Gain._fields, gain, strict=True)) for gain in gains(done, folder / PREDICTIONS, base)]
    first = done[0]
    return {
        "title": first["benchmark"],
        "command": first["command"],
        "date": max(card["date"] for card in done),
        "versions": first["versions"],
        "machines": _machines(done),
        "data": {card["row"]["data"]: card["data"]["manifest"] for card in done},
        "split": {card["row"]["data"]: card["split"]["hash"] for card in done},
        "failed": len(cards) - len(done),
        "errors": _rounded(errors(table)),
        "gains": _rounded(pd.DataFrame(gained)),
        "ranks": _rounded(ranks(errors(table))),
        "rows": [_row(card) for card in done],
    }


def _machines(done: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the machines that worked on it, with their torch and how many rows are theirs."""
    kinds = Counter(json.dumps({**card["machine"], "torch": card["versions"]["torch"]}) for card in done)
    return [{**json.loads(kind), "rows": rows} for kind, rows in kinds.items()]


def _row(card: Mapping[str, Any]) -> dict[str, Any]:
    figure = card["figure"]
    return {
        **card["row"],
        "hash": card["hash"],
        "plan": card["plan"]["hash"],
        "training": card["crystals"]["training"],
        "unlabelled": card["crystals"].get("unlabelled", 0),
        "test": card["crystals"]["test"],
        "epoch": card["epoch"],
        "epochs": card["epochs"],
        "validation_error": round(card["validation"][figure], _DIGITS),
        "test_error": round(card["test"][figure], _DIGITS),
        "seconds": card["seconds"]["training"],
        "memory_mib": card["memory_mib"].get("process"),
    }


def _rounded(table: pd.DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = records(table.round(_DIGITS))
    return found


if __name__ == "__main__":
    main()
