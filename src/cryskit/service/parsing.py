"""What clients send is read in processes with a limit on time and memory: one that dies costs a row, not the service.

They build the graphs, too: it takes as long as the network does in a batch, and may take long for a strange crystal.

Nothing that a client names is opened: the name of an upload tells its format alone, and a structure in JSON is a structure.
"""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from itertools import islice
from pathlib import PureWindowsPath
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cryskit.data.read import read
from cryskit.data.readers.dictionaries import read_record
from cryskit.data.readers.formats import with_path
from cryskit.errors import CryskitError, UnreadableError, one_line, shortened
from cryskit.parallel import Divided, Lost, Pool, restart_clock
from cryskit.service.graphs import Ready, with_graph
from cryskit.service.processes import PRELOADED, limit_process, settle_process
from cryskit.types import Failure, GraphSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryskit.types import Crystal

    Rows = list[Ready]

PIECE = 16
"""Most files, structures or crystals that a process is given at a time."""
_SAMPLES = {
    "x.cif": b"data_x\n_cell_length_a 3\n_cell_length_b 3\n_cell_length_c 3\n_cell_angle_alpha 90\n_cell_angle_beta 90\n_cell_angle_gamma 90\n"
    b"loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nFe 0 0 0\n",
    "POSCAR": b"Fe\n3\n1 0 0\n0 1 0\n0 0 1\nFe\n1\nDirect\n0 0 0\n",
    "x.xyz": b'1\nLattice="3 0 0 0 3 0 0 0 3" pbc="T T T"\nFe 0 0 0\n',
    "x.csv": b"id,structure\n1,2\n",
    "x.parquet": b"",
}
"""What a process reads before its limits hold, so that whatever else readers need is loaded."""


class Given(NamedTuple):
    """A file or a structure that a client sent.

    Attributes:
        kind: "file", "structure" (a dictionary or a text), "document" (a dictionary that holds several), or "crystal" (one that was read).
        name: Name of the file, or id of a structure that has none.
        content: Bytes of the file, or of the structure or document as JSON, or the crystal.
    """

    kind: Literal["file", "structure", "document", "crystal"]
    name: str
    content: Any


class Task(NamedTuple):
    """What a process is to read.

    Attributes:
        given: Files and structures.
        atoms: Atoms that a cell may have.
        rows: Rows of each of them beyond which it is not read; one more is given, so that it shows.
        spec: Which graph is built of structures and crystals; None for none. Files and documents may hold many crystals, whose graphs are asked for
            some at a time.
    """

    given: tuple[Given, ...]
    atoms: int
    rows: int
    spec: GraphSpec | None = None


_MANY = ("file", "document")


class _Upload(io.BytesIO):
    """An uploaded file with the name that tells its format."""

    name: str


def plain_name(name: str) -> str:
    """Return the name of an upload without folders, control characters and what is too long.

    Args:
        name: File name that a client gave, of whatever system.
    """
    base = PureWindowsPath(name.replace("\0", "")).name
    plain = "".join(character for character in base if character.isprintable())[-120:]
    return plain if plain.strip(". ") else "file"


def read_task(task: Task) -> list[Rows]:
    """Read files and structures, each with the whole time limit of this process.

    Args:
        task: What to read.
    """
    found = []
    for each in task.given:
        restart_clock()
        rows = islice(_rows(each, task.atoms), task.rows + 1)
        if task.spec is None or each.kind in _MANY:
            found.append([Ready(row) for row in rows])
        else:
            found.append([with_graph(row, task.spec) for row in rows])
    return found


def _rows(given: Given, atoms: int) -> Iterator[Crystal | Failure]:
    """Return the rows of a file or a structure; what cannot be read as a whole is one failure."""
    if given.kind == "crystal":
        return iter([given.content])
    if given.kind == "structure":
        content = json.loads(given.content)
        if not isinstance(content, dict | str):
            return iter([_failure(given, f"Something of the type {type(content).__name__} is no structure")])
        record = content if isinstance(content, dict) else {"structure": content}
        return iter([read_record(record, given.name, "structure", atoms)])
    upload = _Upload(given.content)
    upload.name = given.name
    rows = read([upload], limit=atoms)
    return (with_path(row, given.name) for row in rows) if given.kind == "file" else rows


def _failure(given: Given, problem: str) -> Failure:
    cure = "Give a dictionary, or the text of a CIF, POSCAR or XYZ file"
    return Failure(given.name, UnreadableError(problem, cure), _path(given))


def divided(task: Task) -> list[Task]:
    """Return a task in pieces of one file or structure."""
    return [task._replace(given=(each,)) for each in task.given]


@cache
def prepare_process(memory: int) -> None:
    """Load what readers need, then limit the memory of this process.

    Args:
        memory: Bytes that it may take on top of what it has then.
    """
    settle_process()
    for name, data in _SAMPLES.items():
        for row in _rows(Given("file", name, data), 10):
            with_graph(row, GraphSpec())
    limit_process(memory)


class Parsers:
    """Processes that read.

    Args:
        processes: Number of processes.
        seconds: Seconds that reading one file or structure may take.
        memory: Bytes that a process may take on top of what it needs to start.
        work: Function of a module that reads a task.
    """

    def __init__(self, processes: int, seconds: float, memory: int, work: Callable[[Task], list[Rows]]) -> None:
        self._work = work
        self._pools = [Pool(1, seconds, partial(prepare_process, memory), PRELOADED) for _ in range(processes)]
        self._free: SimpleQueue[Pool] = SimpleQueue()
        for pool in self._pools:
            self._free.put(pool)

    def read(self, given: Sequence[Given], atoms: int, rows: int, spec: GraphSpec | None = None) -> list[Rows]:
        """Return the rows of each file and structure, in order.

        Args:
            given: Files and structures.
            atoms: Atoms that a cell may have.
            rows: Rows of each beyond which it is not read.
            spec: Which graph is built of structures and crystals; None for none.
        """
        starts = range(0, len(given), PIECE)
        tasks = [Task(tuple(given[start : start + PIECE]), atoms, rows, spec) for start in starts]
        pool = self._free.get()
        try:
            return self._done(pool, tasks)
        finally:
            self._free.put(pool)

    def start(self) -> None:
        """Start the processes and load what they need."""
        task = Task((Given("structure", "0", b"{}"),), 1, 1)
        with ThreadPoolExecutor(len(self._pools)) as threads:
            list(threads.map(lambda pool: self._done(pool, [task]), self._pools))

    def close(self) -> None:
        """End the processes."""
        for pool in self._pools:
            pool.__exit__(None, None, None)

    def _done(self, pool: Pool, tasks: list[Task]) -> list[Rows]:
        return [found for result in pool.map_divisible(self._work, tasks, divided) for found in _results(result)]


def _results(found: list[Rows] | Lost[Task] | Divided[list[Rows], Task]) -> list[Rows]:
    """Return the rows of a task; in place of what a process ended with stands a failure."""
    if isinstance(found, Divided):
        return [rows for each in found.results for rows in _results(each)]
    if not isinstance(found, Lost):
        return found
    error = found.error
    known = isinstance(error, CryskitError)
    problem = error.problem if isinstance(error, CryskitError) else f"Reading it failed ({shortened(one_line(error))})"
    cure = error.cure if known and isinstance(error, CryskitError) else "Check the file"
    return [[Ready(Failure(each.name, UnreadableError(problem, cure), _path(each)))] for each in found.item.given]


def _path(given: Given) -> str:
    """Return the name of the file that a row is from, "" if it is from none."""
    return given.content.path if given.kind == "crystal" else given.name if given.kind == "file" else ""
