"""One page of the documentation as a newcomer goes through it: its commands in a shell, its programs in one Python session, each of them timed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.speed import machine

sys.path.insert(0, str(machine.ROOT / "tools"))
from page_steps import Step, agree, steps

if TYPE_CHECKING:
    from pathlib import Path

_KEPT = 4000  # last characters of an output that are kept
_SESSION = """
import contextlib, io, json, os, sys, time, traceback

questions, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
namespace = {"__name__": "__main__"}
for question in questions:
    printed, status = io.StringIO(), 0
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(json.loads(question), "page", "exec"), namespace)
        except BaseException:
            status = 1
            printed.write(traceback.format_exc())
    print(json.dumps([status, printed.getvalue(), sum(os.times()[:4])]), file=answers, flush=True)
"""


class Done(NamedTuple):
    """What became of a step: seconds of the clock and of the processor, exit status (1 for an exception), and what it printed."""

    wall: float
    cpu: float
    status: int
    printed: str
    said: str = ""


class Session:
    """A Python process that runs one program after another in one namespace; it starts with the first of them."""

    def __init__(self, python: Path, folder: Path, environment: dict[str, str]) -> None:
        self._command = [str(python), "-c", _SESSION]
        self._folder = folder
        self._environment = environment
        self._process: subprocess.Popen[str] | None = None
        self._cpu = 0.0

    def run(self, source: str) -> Done:
        """Run a program; the seconds of the first are with those of Python's start."""
        start = time.perf_counter()
        if self._process is None:
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                self._command, cwd=self._folder, env=self._environment, stdin=pipe, stdout=pipe, stderr=None, text=True
            )
        assert self._process.stdin  # noqa: S101 - for the type checker
        assert self._process.stdout  # noqa: S101
        with suppress(BrokenPipeError):
            print(json.dumps(source), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        wall = time.perf_counter() - start
        if not answer:
            return Done(wall, 0.0, self._process.wait() or 1, "", "Python ended")
        status, printed, cpu = json.loads(answer)
        cpu, self._cpu = cpu - self._cpu, cpu
        return Done(wall, cpu, status, printed)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()


def run(page: Path, environment: Path, folder: Path, home: Path, threads: int | None = None) -> dict[str, Any]:
    """Go through a page and return a record of every step.

    Args:
        page: The page.
        environment: The virtual environment whose `python` and commands are used.
        folder: The folder to work in, with what the page expects there.
        home: The home folder, where libraries keep their caches.
        threads: Number of threads of torch; as many as it takes by default.

    Returns:
        `steps`, one record for each with its seconds, exit status, the end of what it printed, and whether that is what the page shows (None where
        it shows nothing); `others_cores`, how many cores other programs kept busy.
    """
    variables = plain_environment(home) | {"COLUMNS": "120"}
    variables |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    variables["PATH"] = os.pathsep.join((str(environment / "bin"), variables["PATH"]))
    others = machine.Others()
    session = Session(environment / "bin" / "python", folder, variables)
    found = []
    for step in steps(page):
        done = session.run(step.source) if step.language == "python" else _command(step.source, folder, variables)
        found.append(_record(step, done))
        print(f"    {done.wall:6.1f} s  {found[-1]['what']}{_complaint(found[-1])}", flush=True)
    session.close()
    return {"steps": found, "others_cores": round(others.cores(), 2)}


def timed(command: list[str], folder: Path, variables: dict[str, str]) -> Done:
    """Run a command to its end.

    Args:
        command: The command and its arguments.
        folder: The folder to run it in.
        variables: Its environment.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Done(time.perf_counter() - start, cpu, done.returncode, done.stdout, done.stderr)


def plain_environment(home: Path | None = None) -> dict[str, str]:
    """Return this process's environment without what a developer has set for Python, threads and plots.

    Args:
        home: Another home folder; the present one by default.
    """
    own = {"VIRTUAL_ENV", "MPLBACKEND", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "XDG_CACHE_HOME"}
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in own and not name.startswith(("PYTHON", "CRYSKIT", "HF_"))
    }
    return variables | ({"HOME": str(home)} if home else {})


def _command(command: str, folder: Path, variables: dict[str, str]) -> Done:
    return timed(["/bin/sh", "-c", command], folder, variables)


def _record(step: Step, done: Done) -> dict[str, Any]:
    """Return the record of a step."""
    what = step.source if step.language == "console" else f"Python, line {step.line}"
    agrees = None if step.shown is None else agree(step.shown, done.printed)
    return {
        "what": what,
        "line": step.line,
        "wall_seconds": round(done.wall, 2),
        "cpu_seconds": round(done.cpu, 2),
        "status": done.status,
        "agrees": agrees,
        "printed": done.printed[-_KEPT:],
        "said": done.said[-_KEPT:],
    }


def _complaint(record: dict[str, Any]) -> str:
    """Return what is wrong with a step, for the terminal."""
    if record["status"]:
        return f"  FAILED ({record['status']})"
    return "  OTHER OUTPUT" if record["agrees"] is False else ""
