"""Pieces are prepared by the nodes of a Ray cluster (extra `ray`).

On each node there is one actor with a pool of processes for each of its CPUs, the pool of the local engine: a crystal that crashes or
hangs costs its row there, as on one computer. Ray carries pieces to the nodes and results back. Whatever was given to a node that
is lost goes to the others; a node that joins is used from then on. Ray Data was not taken: it neither reads pieces as they are needed nor
knows which row a process has ended with.
"""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from cryskit.errors import CryskitError, PlanError, ProcessEndedError, counted, one_line
from cryskit.parallel import Pool
from cryskit.screen.engine import Engine
from cryskit.screen.local import AHEAD, prepared_in
from cryskit.screen.prepare import start, versions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cryskit.data.pieces import Piece
    from cryskit.screen.prepare import Prepared, Recipe

_LOOK = 2.0  # seconds between two looks at the nodes of the cluster
_PATIENCE = 300.0  # seconds to wait for a node that can work
_TRIES = 5  # nodes that may be lost with one piece, or failures to begin on one node
_STORE = 1 << 28  # bytes of the object store of a cluster that is started here
_STATISTICS = "RAY_USAGE_STATS_ENABLED"


class RayEngine(Engine):
    """An engine of the nodes of a Ray cluster: the one at RAY_ADDRESS, or one that is started here.

    All nodes have to see the same files under the same names, and to have the same versions of what graphs depend on.

    Raises:
        PlanError: Ray is not installed.
    """

    @cached_property
    def _ray(self) -> Any:
        return _library()

    def prepared(self, pieces: Iterable[Piece], recipe: Recipe) -> Iterator[list[Prepared]]:
        """Prepare pieces, as every engine does.

        Args:
            pieces: Pieces, taken as they are needed.
            recipe: How to prepare them.

        Raises:
            DataError: A source has vanished or changed.
            PlanError: No node can work, or one has other versions.
            ProcessEndedError: Node after node was lost with the same crystals.
        """
        with _connected(self._ray, self._workers):
            nodes = _Nodes(self._ray, self._workers, (self._timeout, recipe, self._work))
            try:
                yield from self._in_order(iter(pieces), nodes)
            finally:
                nodes.close()

    def _in_order(self, pieces: Iterator[Piece], nodes: _Nodes) -> Iterator[list[Prepared]]:
        waiting: deque[_Given] = deque()
        nodes.wait_for_one()
        while True:
            nodes.look()
            while len(waiting) < max(1, AHEAD * nodes.processes) and (piece := next(pieces, None)) is not None:
                waiting.append(_Given(piece))
            if not waiting:
                return
            for given in waiting:
                if given.found is None and given.node is None:
                    nodes.give(given)
            if waiting[0].found is not None:
                yield waiting.popleft().found or []
            elif working := [given for given in waiting if given.reference is not None]:
                self._collect(working, nodes)
            else:
                nodes.wait_for_one()

    def _collect(self, working: list[_Given], nodes: _Nodes) -> None:
        """Take what is ready; whatever was on a node that is lost is to be given out again."""
        ready, _ = self._ray.wait([given.reference for given in working], timeout=_LOOK)
        for given in working:
            if given.reference not in ready or given.node is None:
                continue
            node = given.node
            try:
                given.found = [_own(each) for each in self._ray.get(given.reference)]
            except self._ray.exceptions.RayTaskError as error:
                raise _cause(error) from error
            except self._ray.exceptions.RayError as error:
                given.lost += 1
                if given.lost == _TRIES:
                    raise ProcessEndedError(
                        f"{_TRIES} nodes were lost with the same crystals ({one_line(error)})",
                        "Give the nodes more memory, or fewer --workers; the same command goes on",
                    ) from error
                nodes.lose(node)
                for other in working:
                    if other.node is node and other.found is None:
                        other.node = other.reference = None
            else:
                node.busy -= 1
                given.node = given.reference = None


class _Given:
    """A piece and what has become of it.

    Attributes:
        piece: The piece.
        node: The node that works on it, None if there is none.
        reference: Ray's promise of the result, None if no node works on it.
        found: The result, None as long as there is none.
        lost: Number of nodes that were lost with it.
    """

    def __init__(self, piece: Piece) -> None:
        self.piece = piece
        self.node: _Node | None = None
        self.reference: Any = None
        self.found: list[Prepared] | None = None
        self.lost = 0


class _Node:
    """A node of the cluster, seen from here.

    Attributes:
        actor: What works there.
        versions: Ray's promise of the versions there; None once it was kept.
        processes: Number of its processes.
        busy: Number of pieces that it was given and has not answered.
    """

    def __init__(self, actor: Any, processes: int) -> None:
        self.actor, self.processes, self.busy = actor, processes, 0
        self.versions: Any = actor.versions.remote()


class _Nodes:
    """The nodes of the cluster that work, or are about to.

    Args:
        ray: The library.
        workers: Number of processes on each node; None for one per CPU.
        settings: Time limit, recipe and function of the work.
    """

    def __init__(self, ray: Any, workers: int | None, settings: tuple[float, Recipe, Any]) -> None:
        self._ray, self._workers, self._settings = ray, workers, settings
        self._nodes: dict[str, _Node] = {}
        self._failures: dict[str, int] = {}
        self._looked = -_LOOK
        self._actor = ray.remote(_Worker)

    @property
    def processes(self) -> int:
        """Number of processes of the nodes that work."""
        return sum(node.processes for node in self._ready)

    @property
    def _ready(self) -> list[_Node]:
        return [node for node in self._nodes.values() if node.versions is None]

    def give(self, given: _Given) -> None:
        """Give a piece to the node that has the least to do, if one has not enough to do.

        Args:
            given: The piece.
        """
        node = min(self._ready, key=lambda each: each.busy / each.processes, default=None)
        if node is not None and node.busy < 2 * node.processes:
            given.node, given.reference = node, node.actor.prepare.remote(given.piece)
            node.busy += 1

    def lose(self, node: _Node) -> None:
        """Forget a node; if it is only its actor that is gone, it gets another.

        Args:
            node: The node.
        """
        self._nodes = {name: each for name, each in self._nodes.items() if each is not node}
        self._ray.kill(node.actor)
        self._looked = -_LOOK

    def look(self) -> None:
        """Begin on nodes that have joined, now and then, and take note of those that are ready."""
        if time.monotonic() - self._looked < _LOOK:
            return
        self._looked = time.monotonic()
        for node in self._ray.nodes():
            name, cpus = node["NodeID"], int(node["Resources"].get("CPU", 0))
            if node["Alive"] and cpus and name not in self._nodes:
                self._begin(name, cpus)
        for name, each in list(self._nodes.items()):
            if each.versions is not None and self._ray.wait([each.versions], timeout=0)[0]:
                self._take_note(name, each)

    def _begin(self, name: str, cpus: int) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: PLC0415

        processes = self._workers or cpus
        there = self._actor.options(
            num_cpus=min(processes, cpus),
            max_concurrency=processes + 1,
            scheduling_strategy=NodeAffinitySchedulingStrategy(name, soft=False),
        )
        self._nodes[name] = _Node(there.remote(str(Path.cwd()), processes, *self._settings), processes)

    def _take_note(self, name: str, node: _Node) -> None:
        try:
            there = self._ray.get(node.versions)
        except self._ray.exceptions.RayError as error:
            self._failures[name] = self._failures.get(name, 0) + 1
            self.lose(node)
            if self._failures[name] == _TRIES:
                raise PlanError(
                    f"A node of the Ray cluster cannot prepare crystals ({one_line(error)})",
                    "Install the same cryskit on all nodes, and let all of them see the folder of this command",
                ) from error
            return
        if there != versions():
            differing = ", ".join(f"{name} {there[name]}, here {here}" for name, here in versions().items())
            raise PlanError(f"A node has other versions ({differing})", "Use one environment on all nodes")
        node.versions = None

    def wait_for_one(self) -> None:
        """Wait until a node can work.

        Raises:
            PlanError: There is none for too long.
        """
        begun = time.monotonic()
        while not self._ready:
            if time.monotonic() - begun > _PATIENCE:
                raise PlanError(
                    f"No node of the Ray cluster could be used for {_PATIENCE:g} s, of {counted(len(self._nodes), 'node')} with CPUs",
                    "Look at `ray status`: other work may have all of its CPUs",
                )
            self._looked = -_LOOK
            self.look()
            time.sleep(0.1)

    def close(self) -> None:
        """End all that works on the nodes."""
        for node in self._nodes.values():
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(node.actor)


class _Worker:
    """What works on a node: a pool of one process for each piece that it works on at a time.

    Args:
        folder: Folder that relative paths start from.
        processes: Number of processes.
        timeout: Seconds that reading, and building, one crystal may take.
        recipe: How to prepare pieces.
        work: Function of a module that prepares a piece.
    """

    def __init__(self, folder: str, processes: int, timeout: float, recipe: Recipe, work: Any) -> None:
        os.chdir(folder)
        self._recipe, self._work = recipe, work
        self._idle: SimpleQueue[Pool] = SimpleQueue()
        for _ in range(processes):
            self._idle.put(Pool(1, timeout, start))

    def versions(self) -> dict[str, str]:
        """Return the versions of what graphs depend on."""
        return versions()

    def prepare(self, piece: Piece) -> list[Prepared]:
        """Prepare a piece.

        Args:
            piece: The piece.
        """
        pool = self._idle.get()
        try:
            return next(prepared_in(pool, [piece], self._recipe, self._work))
        finally:
            self._idle.put(pool)


def _own(found: Prepared) -> Prepared:
    """Return a result with graphs that torch may have: what Ray hands over cannot be written."""
    built = [
        each._replace(fields={name: np.array(values) for name, values in each.fields.items()}) for each in found.built
    ]
    return found._replace(built=built)


def _cause(error: Any) -> BaseException:
    return error.cause if isinstance(error.cause, CryskitError) else error


def _library() -> Any:
    """Return Ray, which then sends nothing about its use.

    Raises:
        PlanError: It is not installed.
    """
    os.environ[_STATISTICS] = "0"
    try:
        import ray  # noqa: PLC0415
    except ImportError as error:
        raise PlanError("The engine ray needs Ray, which is not installed", "pip install 'cryskit[ray]'") from error
    return ray


@contextmanager
def _connected(ray: Any, workers: int | None) -> Iterator[None]:
    """Connect to a cluster for as long as the context lasts, unless this process is connected already."""
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": "WARNING"}
    if address := os.environ.get("RAY_ADDRESS"):
        try:
            ray.init(address, **quiet)
        except ConnectionError as error:
            raise PlanError(
                f"No Ray cluster at {address} lets this command in",
                "Correct RAY_ADDRESS, or unset it; give the same RAY_AUTH_TOKEN here as to `ray start`",
            ) from error
    else:
        ray.init("local", num_cpus=workers, include_dashboard=False, object_store_memory=_STORE, **quiet)
    try:
        yield
    finally:
        ray.shutdown()
