"""Pre-training on a corpus that is read from disk: rates, and the peak memory at two sizes, which should be one.

    python -m benchmarks.speed.streaming --work FOLDER

Generates both corpora (`corpus.py`), builds their graphs in a process of its own, and trains for one epoch by the command
line on what was built. A run that was killed goes on where it stopped; the card is written in the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.speed import children, machine

if TYPE_CHECKING:
    from collections.abc import Sequence

_CARD = machine.RESULTS / "streaming.json"
_NETWORK = ("--encoder", "cgcnn", "--width", "16", "--layers", "1")


def main(work: Path, sizes: Sequence[int], seed: int, threads: int) -> dict[str, Any]:
    """Measure and return the card."""
    rows = [_measured(work, size, seed, threads) for size in sizes]
    ratios = {
        what: rows[-1][what]["peak_mib"] / rows[0][what]["peak_mib"] for what in ("building", "training") if rows[1:]
    }
    return {
        "title": "Pre-training from disk",
        **machine.facts(threads),
        "seed": seed,
        "network": " ".join(_NETWORK),
        "corpora": rows,
        "peak_of_last_over_first": ratios,
    }


def _measured(work: Path, size: int, seed: int, threads: int) -> dict[str, Any]:
    corpus, cache, note = work / f"corpus-{size}", work / "graphs", work / f"shards-{size}.jsonl"
    children.start("benchmarks.speed.corpus", str(corpus), "--count", str(size), "--seed", str(seed), quiet=False)
    children.start("benchmarks.speed.streaming", "--build", str(corpus), str(cache), str(note), quiet=False)
    shards = [json.loads(line) for line in note.read_text(encoding="utf-8").splitlines()]
    built = [shard for shard in shards if shard["built"]]
    crystals = sum(shard["crystals"] for shard in built)
    return {
        "crystals": size,
        "gigabytes_read": sum(path.stat().st_size for path in corpus.iterdir()) / 1e9,
        "building": {
            "crystals": crystals,
            "crystals_per_cpu_second": crystals / sum(shard["cpu"] for shard in built),
            "peak_mib": max(shard["peak_mib"] for shard in shards),
        },
        "gigabytes_of_graphs": sum({shard["graph"]: shard["bytes"] for shard in shards}.values()) / 1e9,
        "training": _trained(work, corpus, cache, size, threads),
    }


def _trained(work: Path, corpus: Path, cache: Path, size: int, threads: int) -> dict[str, Any]:
    """Train for an epoch, or return what an earlier run measured."""
    note = work / f"trained-{size}.json"
    if note.exists():
        return dict(json.loads(note.read_text(encoding="utf-8")))
    out = work / f"model-{size}.safetensors"
    fixed = ["--cache", str(cache), "--workers", "1", "--epochs", "1", "--accelerator", "cpu", "--json"]
    start = time.perf_counter()
    command = ["pretrain", "crysae", "--data", str(corpus), *_NETWORK, *fixed, "--out", str(out)]
    made = children.run(*command, threads=threads)
    seconds = time.perf_counter() - start
    counted = json.loads(made["printed"])["crystals"]
    log = (work / f"{out.name}.run" / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    epoch = json.loads(log)["seconds"]
    seen = counted["training"] + counted["validation"]
    measured = {
        "crystals": counted,
        "seconds": seconds,
        "epoch_seconds": epoch,
        "epoch_crystals_per_second": seen / epoch,
        "peak_mib": round(made["peak_mib"]),
        "manifest_bytes_per_crystal": (work / f"model-{size}.manifest.parquet").stat().st_size / seen,
    }
    note.write_text(json.dumps(measured), encoding="utf-8")
    return measured


def _build(corpus: Path, cache: Path, note: Path) -> None:
    """Build the graphs of a corpus, and write a line for each shard as soon as it is on disk."""
    import resource  # noqa: PLC0415 - not on every system

    from cryskit.data.corpus import Corpus  # noqa: PLC0415 - a child's libraries are no business of its parent
    from cryskit.data.read import read  # noqa: PLC0415
    from cryskit.encoders.cgcnn import CGCNN  # noqa: PLC0415
    from cryskit.graphs.shards import shards  # noqa: PLC0415
    from cryskit.types import Crystal  # noqa: PLC0415

    rows = (row for row in read(corpus) if isinstance(row, Crystal))
    listed = Corpus([str(corpus)]).listed(str(corpus), rows)
    cpu, begun = time.process_time(), time.time()
    for shard in shards(listed, CGCNN().needs, cache):
        now = time.process_time()
        line = {
            "crystals": len(shard.crystals),
            "graph": shard.path.name,
            "bytes": shard.path.stat().st_size,
            "built": shard.path.stat().st_mtime > begun,
            "cpu": now - cpu,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        with note.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        cpu, begun = now, time.time()


if __name__ == "__main__":
    if sys.argv[1] == "--build":
        _build(*map(Path, sys.argv[2:]))
        raise SystemExit
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="for corpora, graphs and runs; about 4 GB")
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 500_000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--card", type=Path, default=_CARD)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    card = main(arguments.work, arguments.sizes, arguments.seed, arguments.threads)
    arguments.card.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(card, indent=1))
