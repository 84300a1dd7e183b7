"""What the few-label benchmarks share: the rows of every size and seed, and a card to which runs are added.

The training rows of a size are drawn from the training part of the split, anew for each seed and the same for every arm;
epochs are chosen on validation rows, an eighth as many; every run is judged on the whole test part.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import numpy as np
import torch

from cryskit.atomic_write import replacing
from cryskit.data.interchange import manifest
from cryskit.data.read import read
from cryskit.data.splits import Split
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryskit.types import Property

RESULTS = Path(__file__).resolve().parent / "results"
PROPERTIES = (
    "formation_energy_per_atom",
    "band_gap",
    "fermi_energy",
    "total_magnetization",
    "bulk_modulus",
    "shear_modulus",
    "poisson_ratio",
)
PERCENT = (2, 5, 10, 20, 40, 80)
_LEAST = 100  # validation crystals


def options(description: str, arguments: Sequence[str] | None, **more: dict[str, Any]) -> argparse.Namespace:
    """Return what the command line asks for.

    Args:
        description: Of the script.
        arguments: Of the command line.
        more: Further options and what argparse is told of them.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--percent", nargs="+", type=int, default=PERCENT, help="of the crystals, that train")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the card")
    for name, settings in more.items():
        parser.add_argument(f"--{name}", **settings)
    return parser.parse_args(arguments)


def data(asked: argparse.Namespace) -> tuple[list[Crystal], Split]:
    """Return the crystals and their split."""
    crystals = [item for item in read(asked.data) if isinstance(item, Crystal)]
    split = Split.load(asked.split)
    split.divide(crystals)  # refuses a split of other data
    return crystals, split


def sizes(asked: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """Return every percentage with every seed: all sizes of a seed before the next."""
    for seed in asked.seeds:
        for percent in asked.percent:
            yield percent, seed


def part(split: Split, percent: int, seed: int) -> Split:
    """Return the split with the training and validation rows of a size and seed.

    Args:
        split: 80 % of its crystals train.
        percent: Of all crystals, that train.
        seed: Of their choice; a smaller part lies within a larger one of the same seed.
    """
    everything = len(split.train) + len(split.validation) + len(split.test)
    count = min(round(everything * percent / 100), len(split.train))
    chance = np.random.default_rng(seed)
    train, validation = (chance.permutation(np.array(rows)) for rows in (split.train, split.validation))
    least = max(_LEAST, count // 8)
    return replace(
        split,
        name=f"{split.name}-{percent}percent-draw{seed}",
        train=tuple(map(str, train[:count])),
        validation=tuple(map(str, validation[:least])),
    )


def learned(wanted: Property, values: Any) -> np.ndarray:
    """Return values in the space where a property is learned; NaN where they have no logarithm."""
    found = np.asarray(values, float)
    return np.log10(np.where(found > 0, found, np.nan)) if wanted.transform == "log10" else found


def open_card(path: Path, title: str, asked: argparse.Namespace, split: Split, crystals: Sequence[Crystal]) -> Any:
    """Return the card of an earlier call of the same benchmark, or a new one.

    Raises:
        SystemExit: The card is of other data or another split.
    """
    if path.exists():
        card = json.loads(path.read_text(encoding="utf-8"))
        if card["split"]["hash"] != split.hash:
            message = f"{path} is of another split; give another --out"
            raise SystemExit(message)
        return card
    return {
        "title": title,
        **machine.facts(torch.get_num_threads()),
        "data": {"file": Path(asked.data).name, "manifest": manifest(crystals), "crystals": len(crystals)},
        "split": {"file": asked.split.name, "hash": split.hash, "kind": split.kind, "test": len(split.test)},
        "runs": [],
    }


def add_run(path: Path, card: Any, run: dict[str, Any]) -> None:
    """Add a run to a card; runs that another process added in the meantime stay."""
    if path.exists():
        card["runs"] = json.loads(path.read_text(encoding="utf-8"))["runs"]
    card["runs"].append(run)
    card["runs"].sort(key=lambda run: (run["percent"], run["arm"], run["seed"]))
    save_card(card, path)


def save_card(card: Any, path: Path) -> None:
    """Write a card, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def find(card: Any, arm: str, percent: int, seed: int) -> dict[str, Any] | None:
    """Return the run of an arm, size and seed, if the card has it."""
    wanted = (arm, percent, seed)
    return next((run for run in card["runs"] if (run["arm"], run["percent"], run["seed"]) == wanted), None)
