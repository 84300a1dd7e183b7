r"""How fast `cryskit screen` is, stage by stage and from end to end, in how much memory, with how many bytes on disk -> a result card.

    python -m benchmarks.studies.screening --data runs/corpus/labelled.parquet --crystals 20000 --workers 2 --peers 2000

A million crystals, in a folder that keeps what was done, so that the same command goes on after a kill:

    python -m benchmarks.studies.screening --data ../shared/data/mp_large.parquet ../shared/data/mp.parquet ../shared/data/flla_2015.parquet \
        --crystals 1000000 --workers 2 --points 50 --peers 2000 --work runs/million --out runs/million.json

The stages are timed in this process, with one thread, by CPU time: what each costs a core. From end to end the command line runs as a user calls it;
its memory (proportional set size of all its processes together) is read whenever a share of the crystals is done. Crystals are those of the data, repeated in
shifts until there are enough; each further shift is strained by a seeded factor, so that no two are equal. With `--ray` the same is done once more with
`--engine ray` on this computer, and the merged tables are compared. Peers read CIF files one after the other in one process, as people do today: pymatgen's
`Structure.from_file`, the graph and the network of CGCNN (`benchmarks.speed.reference`), which gives one property and no intervals; the same files
are then screened.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.speed import machine
from benchmarks.studies import peers
from cryskit.atomic_write import write_json
from cryskit.checksum import sha256_of
from cryskit.data.interchange import write
from cryskit.data.pieces import Rows, read_piece
from cryskit.data.read import read
from cryskit.graphs.build import build_usable
from cryskit.graphs.structure_hash import structure_hashes
from cryskit.predict.compute import compute
from cryskit.predict.load import load
from cryskit.predict.outcome import predictions_of
from cryskit.predict.tables import arrow_table, prediction_row
from cryskit.screen.folder import Folder
from cryskit.screen.merge import merge
from cryskit.symmetry import space_group
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryskit.predict.predictor import Predictor

_SAMPLE = 1024  # crystals for the stages
_PIECE = 64
_LIMIT = 500  # atoms of a cell
_SOME_FAILED = 1  # exit status where rows have failed
_STRAIN = 0.02
_PATIENCE = 0.2  # seconds between two looks at a run


def main() -> None:
    """Measure and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="crystals to screen")
    parser.add_argument("--crystals", type=int, default=20_000)
    parser.add_argument("--model", default="cryskit-mp")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--part-rows", type=int, default=8192)
    parser.add_argument("--points", type=int, default=10, help="how often memory is read")
    parser.add_argument("--peers", type=int, default=0, help="number of CIF files that peers predict, too")
    parser.add_argument("--ray", action="store_true", help="also screen with --engine ray")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--work",
        type=Path,
        help="folder for the screened table, in which a killed run goes on; a temporary one by default",
    )
    parser.add_argument("--out", type=Path, default=machine.RESULTS / "screening.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine.facts(1)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        source = work / f"crystals-{options.crystals}.parquet"
        if not source.exists():
            write(source, islice(_crystals(options.data, options.seed), options.crystals), [])
        predictor = load(options.model)
        screened = _end_to_end(source, options, work / "screened")
        card = {
            "title": f"{options.crystals:,} crystals screened by {options.model}",
            **facts,
            "data": [Path(name).name for name in options.data],
            "crystals": options.crystals,
            "workers": options.workers,
            "stages": {"first rows": _stages(source, predictor, 0)},
            "end_to_end": screened,
        }
        if options.crystals > 2 * _SAMPLE:
            card["stages"]["last rows"] = _stages(source, predictor, options.crystals - _SAMPLE - 1)
        if options.ray:
            card["ray"] = _end_to_end(source, options, work / "screened-ray", "--engine", "ray")
            folders = [Folder(work / name) for name in ("screened", "screened-ray")]
            same = len({_merged(folder) for folder in folders}) == 1
            card["ray"] |= {"same_bytes": same, "ratio": round(screened["seconds"] / card["ray"]["seconds"], 2)}
        if options.peers:
            card["peers"] = peers.compare(source, options.peers, options.model, options.workers)
    write_json(card, options.out)
    print(*(f"{name}: {value}" for name, value in card.items()), sep="\n")


def _merged(folder: Folder) -> str:
    """Return the SHA-256 of the merged table."""
    path = folder.path.with_suffix(".parquet")
    merge(folder, path)
    return sha256_of(path)


def _crystals(data: list[str], seed: int) -> Iterator[Crystal]:
    """Yield the crystals of the data again and again, from the second time on strained."""
    for shift in count():
        chance = np.random.default_rng((seed, shift))
        for item in read(data):
            if isinstance(item, Crystal):
                strain = np.eye(3) + (chance.uniform(-_STRAIN, _STRAIN, (3, 3)) if shift else 0.0)
                yield Crystal(f"{item.id}-{shift}", item.lattice @ strain, item.fractional, item.numbers)


def _stages(source: Path, predictor: Predictor, start: int) -> dict[str, Any]:
    """Return microseconds of CPU time that each stage takes for a crystal, from a row of the source on."""
    crystals: list[Crystal] = []
    taken: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = work()
        taken[name] = taken.get(name, 0.0) + time.process_time() - start
        return found

    rows = read_piece(Rows(str(source), start, start + _SAMPLE + 1), _LIMIT)
    next(rows)  # what is imported, and the way to the row, are not timed
    crystals = timed("read", lambda: [item for item in rows if isinstance(item, Crystal)])
    _rows_of(predictor, crystals[:_PIECE], lambda _, work: work())
    for place in range(0, len(crystals), _PIECE):
        _rows_of(predictor, crystals[place : place + _PIECE], timed)
    each = {name: round(1e6 * seconds / len(crystals), 1) for name, seconds in taken.items()}
    sizes = {"atoms": float(np.mean([len(crystal) for crystal in crystals]))}
    return {"microseconds_a_crystal": each, "sum": round(sum(each.values()), 1), "crystals": len(crystals), **sizes}


def _rows_of(predictor: Predictor, crystals: list[Crystal], timed: Callable[[str, Callable[[], Any]], Any]) -> None:
    """Do with a piece what a screening does, stage by stage."""
    graph, errors = timed("graphs with symmetry", lambda: build_usable(crystals, predictor.card.spec))
    timed("space groups", lambda: [space_group(crystal) for crystal in crystals])
    timed("structure hashes", lambda: structure_hashes(graph))
    usable = [crystal for place, crystal in enumerate(crystals) if place not in errors]
    graph, remarks = timed("doubts", lambda: predictor.complete(graph, usable))
    judged = partial(predictor.judged, interval=0.9)
    values, _ = timed("network with intervals", lambda: compute(graph, judged, predictor.batch_edges, predictor.device))
    domain = predictor.reliability.domain if predictor.reliability else None
    made = timed("predictions", lambda: predictions_of(predictor.card, usable, values, remarks, domain))
    timed("table", lambda: arrow_table([prediction_row(each) for each in made], predictor.schema()))


def _end_to_end(source: Path, options: argparse.Namespace, out: Path, *more: str) -> dict[str, Any]:
    """Return what the command line takes; what earlier sessions of a killed study took is noted next to its folder."""
    command = [sys.executable, "-c", "from cryskit.cli import main; main()", "screen", str(source), "--model"]
    command += [options.model, "--out", str(out), "--workers", str(options.workers)]
    command += ["--part-rows", str(options.part_rows), *more]
    folder, notes = Folder(out), out.with_name(f"{out.name}-sessions.json")
    noted = json.loads(notes.read_text()) if notes.exists() else {"sessions": 0, "seconds": 0.0, "points": []}
    before, points, start = noted["seconds"], noted["points"], time.perf_counter()
    noted["sessions"] += 1
    with subprocess.Popen(command) as run:
        while run.poll() is None:
            time.sleep(_PATIENCE)
            noted["seconds"] = before + time.perf_counter() - start
            done = sum(part.rows for part in folder.parts()) if (out / "run.json").exists() else 0
            if done >= (points[-1]["rows"] if points else 0) + options.crystals / options.points:
                megabytes = _memory(run.pid)
                points.append({"rows": done, "seconds": round(noted["seconds"], 1), "mib": round(megabytes)})
                write_json(noted, notes)
    seconds = before + time.perf_counter() - start
    if run.returncode not in {0, _SOME_FAILED}:
        raise SystemExit(run.returncode)
    write_json({**noted, "seconds": seconds}, notes)
    parts = folder.whole()
    rows = sum(part.rows for part in parts)
    first = points[0] if points else {"rows": 0, "seconds": 0.0}
    return {
        "rows": rows,
        "failed": sum(part.counts["failed"] for part in parts),
        "sessions": noted["sessions"],
        "seconds": round(seconds, 1),
        "crystals_per_second": round(rows / seconds, 1),
        "crystals_per_second_after_the_first_point": round(
            (rows - first["rows"]) / max(seconds - first["seconds"], 1e-9), 1
        ),
        "largest_mib": max((point["mib"] for point in points), default=None),
        "points": points,
        "bytes_a_row": round(sum(part.bytes for part in parts) / max(rows, 1), 1),
    }


def _memory(process: int) -> float:
    """Return the proportional set size of a process and of those that it started, MiB; what several share counts once."""
    kilobytes, left = 0, [process]
    while left:
        here = Path(f"/proc/{left.pop()}")
        try:
            lines = (here / "smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            left += [
                int(child) for task in (here / "task").iterdir() for child in (task / "children").read_text().split()
            ]
        except OSError:
            continue
    return kilobytes / 1024


if __name__ == "__main__":
    main()
