"""Time every stage against the plain reference; print a table and write a card.

    python -m benchmarks.speed

Without --data the crystals are the examples and the bundled sets; the published cards are of Materials Project crystals.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.speed import children, machine
from benchmarks.speed.crystals import BUNDLED, chosen
from benchmarks.speed.pretraining import pretraining_stage
from benchmarks.speed.stages import STAGES as PREDICTING
from benchmarks.speed.stages import Workload
from benchmarks.speed.zoo import zoo_stage
from cryskit.cli.memory import keep_pages
from cryskit.data.interchange import manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

STAGES = {**PREDICTING, "pretraining": pretraining_stage, "zoo": zoo_stage}
_CHILDREN = ("allocator", "startup", "memory")
_ALLOCATOR = "as glibc has it, or keeping its pages as the commands of cryskit do; the same for reference and cryskit"
_PLAN = machine.ROOT / "benchmarks" / "plans" / "training" / "cryskit-mp.yaml"
_NETWORKS = {
    "cgcnn 64 x 3": ["--property", "formation_energy_per_atom", "--encoder", "cgcnn", "--width", "64", "--layers", "3"],
    "the published model's": ["--config", str(_PLAN)],
}


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", default=BUNDLED, help="a bundled set or a file (default: the examples and all bundled sets)"
    )
    parser.add_argument("--count", type=int, default=512, help="crystals, chosen with a fixed seed; 0 for all")
    parser.add_argument("--few", type=int, default=128, help="crystals where the reference is slow")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--clock", choices=("cpu", "wall"), help="clock of rates and ratios (default: cpu for one thread, else wall)"
    )
    parser.add_argument("--stages", nargs="+", choices=(*STAGES, *_CHILDREN), default=[*STAGES, *_CHILDREN[:2]])
    parser.add_argument("--allocator", choices=("glibc", "keep"), default="keep", help=_ALLOCATOR)
    parser.add_argument("--compile", action="store_true", help="also time torch.compile")
    parser.add_argument("--note", default="", help="what else the machine was doing, for the card")
    parser.add_argument("--host", default=machine.host_class(), help="the class of machine, for the card's name")
    parser.add_argument("--out", type=Path, default=machine.RESULTS, help="folder of the card")
    return parser.parse_args(arguments)


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Run the stages that were asked for and return their card."""
    torch.set_num_threads(asked.threads)
    card: dict[str, Any] = {"title": f"Speed on {asked.host}, {asked.threads} thread{'s'[: asked.threads > 1]}"}
    card |= machine.facts(asked.threads)
    card["keeps_pages"] = asked.allocator == "keep" and keep_pages()
    others = machine.Others()
    crystals, name = chosen(asked.data, asked.count)
    card["data"] = {"source": name, "crystals": len(crystals), "manifest": manifest(crystals)}
    card["data"]["atoms_per_crystal"] = round(sum(map(len, crystals)) / len(crystals), 2)
    card["clock"] = asked.clock or ("cpu" if asked.threads == 1 else "wall")
    card["peak"] = machine.peaks(card["clock"])
    with tempfile.TemporaryDirectory() as folder:
        load = Workload(
            crystals, Path(folder), asked.repeats, card["clock"], card["peak"], compiled=asked.compile, few=asked.few
        )
        records: list[dict[str, Any]] = []
        for stage, timed in STAGES.items():
            if stage in asked.stages:
                print(f"{stage} ...", file=sys.stderr, flush=True)
                records += timed(load)
    card |= {"stages": records, "seconds": load.seconds}
    del load
    gc.collect()
    card |= _children(asked)
    card |= {"others_cores": round(others.cores(), 2), "load_after": os.getloadavg()[0], "note": asked.note}
    return card


def _children(asked: argparse.Namespace) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    if "allocator" in asked.stages:
        measured["allocator"] = children.allocators(asked.data, asked.count, asked.threads, min(asked.repeats, 5))
    if "startup" in asked.stages:
        measured["start_up_seconds"] = children.start_up(asked.repeats)
    if "memory" in asked.stages:
        measured["memory_of_training"] = children.memory(asked.data, _NETWORKS, asked.threads)
    return measured


def show(card: dict[str, Any]) -> str:
    """Return the records of a card as a table in plain text."""
    lines = [
        f"{card['title']}; {card['data']['crystals']} crystals of {card['data']['source']}; by {card['clock']} time"
    ]
    lines.append(
        f"peak: {card['peak']['gflops']:.0f} GFLOP/s, {card['peak']['gbytes']:.1f} GB/s; others: {card['others_cores']} cores"
    )
    header = (
        "stage",
        "variant",
        "crystals/s",
        "reference/s",
        "ratio",
        "range",
        "target",
        "of matrix peak",
        "of copy peak",
    )
    lines.append("{:29} {:21} {:>10} {:>11} {:>6} {:>13} {:>6} {:>14} {:>12}".format(*header))
    for r in card["stages"]:
        ranged = f"{r['ratio_least']:.1f}-{r['ratio_most']:.1f}" if "ratio" in r else ""
        lines.append(
            f"{r['stage']:29} {r['variant']:21} {r['per_second']:10.0f} {r.get('reference_per_second', 0):11.1f} "
            f"{r.get('ratio', 0):6.1f} {ranged:>13} {r.get('target') or '':>6} "
            f"{_percent(r, 'share_of_matrix_peak'):>14} {_percent(r, 'share_of_copy_peak'):>12}"
        )
    for part in ("allocator", "start_up_seconds", "memory_of_training"):
        lines += [f"{part}: {_plain(record)}" for record in card.get(part, [])]
    return "\n".join(lines)


def write(card: dict[str, Any], folder: Path, host: str) -> Path:
    """Write a card, whole or not at all, and return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    source = f"-{BUNDLED}" if card["data"]["source"] == BUNDLED else ""
    path = folder / f"speed-{host}-{card['threads']}t{source}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def _percent(record: dict[str, Any], key: str) -> str:
    return f"{100 * record[key]:.1f} %" if key in record else ""


def _plain(record: dict[str, Any]) -> str:
    return ", ".join(
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in record.items()
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    asked = options(arguments)
    card = measure(asked)
    print(show(card))
    print(f"card: {write(card, asked.out, asked.host)}")
