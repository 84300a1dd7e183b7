"""Faults on purpose while `cryskit screen` runs: nothing may be lost, nothing may be there twice -> a result card.

    python -m benchmarks.studies.faults --kills 20

Every crystal of a bundled data set is screened undisturbed, and then with faults: the command is killed at random moments until it has ended by itself
(again and again, in new folders, until there were so many kills), the disk is full (a tmpfs of half the size that is needed, made larger
afterwards, which needs root; without root it is a limit on the size of files), a bit of each third part is flipped, a worker process is
killed again and again, crystals crash a worker, or keep it busy for ever. Each time the merged table is compared with the undisturbed one: ids that
are missing, ids that are there twice, and whether the bytes are the same; where crystals are at fault, all rows but theirs, to rounding, as
they are computed in other batches.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.speed import machine
from benchmarks.studies.hostile_crystals import hostile
from cryskit.atomic_write import write_json
from cryskit.data.interchange import write
from cryskit.data.sources import open_source
from cryskit.errors import DataError
from cryskit.predict.load import load
from cryskit.screen.folder import Folder
from cryskit.screen.local import LocalEngine
from cryskit.screen.merge import merge
from cryskit.screen.network import Networks
from cryskit.screen.run import Asked, screen
from cryskit.types import Crystal

_PART_ROWS = 64
_LIMIT = 5.0  # seconds of a crystal that keeps its worker busy for ever
_WORKER_KILLS = 5
_PATIENCE = 10  # times an undisturbed run, after which one hangs
_EVERY = 400  # of so many crystals one crashes its worker, and the next keeps it busy
_ROUNDING = 1e-5
_REMOUNT = 32  # MS_REMOUNT


def main() -> None:
    """Do all of it and write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--data", default="elastic_tensor", help="name of a bundled data set")
    parser.add_argument("--model", default="cryskit-mp")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=machine.RESULTS / "faults.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        study = _Study(Path(temporary), options)
        faults = {
            "kills of the command": study.kills(options.kills),
            "full disk": study.full_disk(),
            "flipped bits": study.flipped_bits(),
            "kills of a worker": study.worker_kills(_WORKER_KILLS),
            "crystals that crash or hang": study.hostile(),
        }
        card = {
            "title": "Faults while crystals are screened",
            **machine.facts(1),
            "data": options.data,
            "crystals": len(study.ids),
            "parts": study.parts,
            "model": options.model,
            "seconds_undisturbed": round(study.took, 1),
            "seed": options.seed,
            "faults": faults,
        }
    write_json(card, options.out)


class _Study:
    """An undisturbed screening, and what it is compared with.

    Args:
        work: Folder to work in.
        options: Arguments of the command line.

    Attributes:
        ids: Ids of the crystals, in order.
        parts: Number of parts.
        took: Seconds that the undisturbed run took.
    """

    def __init__(self, work: Path, options: argparse.Namespace) -> None:
        self._work, self._model, self._chance = work, options.model, random.Random(options.seed)  # noqa: S311 - moments, no secrets
        self._source = work / "crystals.parquet"
        self._crystals = [replace(c, targets={}) for c in open_source(options.data) if isinstance(c, Crystal)]
        write(self._source, self._crystals, [])
        self.ids = [crystal.id for crystal in self._crystals]
        start = time.perf_counter()
        self._run(work / "whole")
        self.took = time.perf_counter() - start
        self._whole, self.parts = self._merged(work / "whole"), len(Folder(work / "whole").whole())

    def kills(self, count: int) -> dict[str, Any]:
        """Kill the command, and give it again, until there were so many kills and it has ended."""
        killed, screenings, same = 0, 0, True
        while killed < count:
            out = self._work / f"killed-{screenings}"
            screenings += 1
            while True:
                with subprocess.Popen(self._command(out), env=_ENVIRONMENT, stderr=subprocess.DEVNULL) as run:
                    try:
                        run.wait(self._chance.uniform(0, self.took) if killed < count else None)
                        break
                    except subprocess.TimeoutExpired:
                        run.kill()
                        killed += 1
            same &= self._merged(out) == self._whole
        return {"kills": killed, "screenings": screenings} | self._compared(out, same=same)

    def full_disk(self) -> dict[str, Any]:
        """Screen into a folder without room, make room, and go on."""
        needed = sum(file.stat().st_size for file in (self._work / "whole").rglob("*"))
        out = self._work / "full"
        out.mkdir()
        mounted = _mount(out, needed // 2)
        command = self._command(out / "screened")
        limit = None if mounted else partial(resource.setrlimit, resource.RLIMIT_FSIZE, (needed // self.parts // 2, -1))
        ended = subprocess.run(command, env=_ENVIRONMENT, check=False, capture_output=True, text=True, preexec_fn=limit)
        if mounted:
            _mount(out, 4 * needed, remount=True)
        self._run(out / "screened")
        found = self._compared(out / "screened", same=self._merged(out / "screened") == self._whole)
        if mounted:
            subprocess.run(["umount", str(out)], check=True)  # noqa: S607 - whichever the system has
        clear = ended.returncode == 2 and ended.stderr.splitlines()[-1].startswith("Error: There is no room left")
        return {"disk": "tmpfs" if mounted else "limit on the size of files", "one clear error": clear} | found

    def flipped_bits(self) -> dict[str, Any]:
        """Flip a bit of each third part: merging has to refuse, and the same command has to mend."""
        out = Path(shutil.copytree(self._work / "whole", self._work / "flipped"))
        damaged = Folder(out).whole()[::3]
        for part in damaged:
            content = bytearray(part.path.read_bytes())
            content[self._chance.randrange(len(content))] ^= 1 << self._chance.randrange(8)
            part.path.write_bytes(bytes(content))
        try:
            merge(Folder(out), self._work / "refused.parquet")
            refused = False
        except DataError:
            refused = True
        self._run(out)
        return {"parts": len(damaged), "refused": refused} | self._compared(out, same=self._merged(out) == self._whole)

    def worker_kills(self, count: int) -> dict[str, Any]:
        """Kill a worker process at random moments while the command goes on."""
        out, killed, begun, hung = self._work / "workers", 0, time.perf_counter(), False
        with subprocess.Popen(self._command(out), env=_ENVIRONMENT, stderr=subprocess.DEVNULL) as run:
            while run.poll() is None and not hung:
                time.sleep(self._chance.uniform(0.1, self.took / 4))
                workers = [process for process in _children(run.pid) if _is_worker(process)]
                if workers and killed < count and run.poll() is None:
                    os.kill(self._chance.choice(workers), signal.SIGKILL)
                    killed += 1
                hung = time.perf_counter() - begun > _PATIENCE * self.took
            run.kill()
        self._run(out)
        return {"kills": killed, "hung": hung, "ended": run.returncode} | self._compared(
            out, same=self._merged(out) == self._whole
        )

    def hostile(self) -> dict[str, Any]:
        """Screen crystals that crash their worker, and crystals that keep it busy for ever: each costs its own row."""
        bad = {i + j for i in range(_EVERY // 2, len(self.ids), _EVERY) for j in (0, 1)}
        names = {i: f"{'crash' if i % _EVERY == _EVERY // 2 else 'hang'} {i}" for i in bad}
        source, out = self._work / "hostile.parquet", self._work / "hostile"
        every = enumerate(self._crystals)
        write(source, (Crystal(names.get(i, c.id), c.lattice, c.fractional, c.numbers) for i, c in every), [])
        asked = Asked((str(source),), (self._model,), part_rows=_PART_ROWS, timeout=_LIMIT)
        screen(asked, Networks([load(self._model)]), Folder(out), LocalEngine(2, _LIMIT, hostile))
        path = self._work / "hostile-all.parquet"
        merge(Folder(out), path)
        found, whole = pq.read_table(path).to_pylist(), pq.read_table(self._work / "whole.parquet").to_pylist()
        for row in (*found, *whole):
            row.pop("path")
        others = [i for i in range(len(self.ids)) if i not in bad]
        return {
            "crystals at fault": len(bad),
            "failed rows": sum(row["status"] == "failed" for row in found),
            "rows": len(found),
            "other rows the same": all(_alike(found[i], whole[i]) for i in others),
        }

    def _command(self, out: Path) -> list[str]:
        command = [sys.executable, "-m", "cryskit", "screen", str(self._source), "--model", self._model]
        return [*command, "--out", str(out), "--workers", "2", "--part-rows", str(_PART_ROWS)]

    def _run(self, out: Path) -> None:
        subprocess.run(self._command(out), env=_ENVIRONMENT, check=True, stderr=subprocess.DEVNULL)

    def _merged(self, out: Path) -> bytes:
        path = self._work / f"{out.name}.parquet"
        merge(Folder(out), path)
        return path.read_bytes()

    def _compared(self, out: Path, *, same: bool) -> dict[str, Any]:
        found = Counter(pq.read_table(self._work / f"{out.name}.parquet", columns=["id"])["id"].to_pylist())
        expected = Counter(self.ids)
        return {"rows lost": (expected - found).total(), "rows twice": (found - expected).total(), "same bytes": same}


_ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def _alike(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two rows are the same, numbers to rounding."""
    pairs = [(row[name], other[name]) for name in row]
    return row.keys() == other.keys() and all(
        math.isclose(a, b, rel_tol=_ROUNDING) if isinstance(a, float) and isinstance(b, float) else a == b
        for a, b in pairs
    )


def _mount(folder: Path, size: int, *, remount: bool = False) -> bool:
    """Mount a tmpfs of a size on a folder, or change the size of one; return whether this process may."""
    mount = ctypes.CDLL(None, use_errno=True).mount
    flags = _REMOUNT if remount else 0
    return mount(b"tmpfs", str(folder).encode(), b"tmpfs", flags, f"size={size}".encode()) == 0


def _children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task")
    try:
        return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]
    except OSError:
        return []


def _is_worker(process: int) -> bool:
    try:
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return False


if __name__ == "__main__":
    main()
