"""Nodes of a Ray cluster give the bytes of one computer, whatever happens to the nodes."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from screen_tasks import noted

from benchmarks.studies.hostile_crystals import hostile
from cryskit.data.interchange import write
from cryskit.predict.load import load
from cryskit.screen.folder import Folder
from cryskit.screen.local import LocalEngine
from cryskit.screen.merge import merge
from cryskit.screen.network import Networks
from cryskit.screen.run import Asked, screen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cryskit.screen.engine import Engine
    from cryskit.types import Crystal

ray = pytest.importorskip("ray", reason="THE ENGINE RAY IS NOT TESTED: pip install ray")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning:ray")]

from cryskit.screen.ray import RayEngine  # noqa: E402 - needs ray

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without CPUs, and two nodes with one each: processes on loopback."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_ADDRESS", "")
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # where the nodes find what the tests let them do
        started = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            started.add_node(**NODE)
        patch.setenv("RAY_ADDRESS", started.address)
        yield started
        started.shutdown()


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("data.pieces", "screen.run"):
        monkeypatch.setattr(f"cryskit.{module}.PIECE", 8)


def run(
    out: Path, model: Path, data: Path, engine: Engine, progress: Callable[[int], object] = lambda _: None
) -> bytes:
    """Return the merged table."""
    folder, asked = Folder(out), Asked((str(data),), (str(model),), part_rows=64, timeout=3)
    screen(asked, Networks([load(model)]), folder, engine, progress=progress)
    merge(folder, out / "all.parquet")
    return (out / "all.parquet").read_bytes()


def test_a_node_that_is_killed_costs_no_row_and_no_byte(
    cluster: Any, model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cluster.add_node(**NODE)
    done, killed = 0, list[int]()

    def kill(rows: int) -> None:
        nonlocal done
        done += rows
        busy = [node for node in cluster.worker_nodes if list(tmp_path.glob(f"*.{_raylet(node)}"))]
        if done >= 80 and busy and not killed:
            killed.append(_raylet(busy[0]))
            cluster.remove_node(busy[0], allow_graceful=False)

    found = run(tmp_path / "ray", model, data, RayEngine(work=noted), kill)
    assert list(tmp_path.glob(f"*.{killed[0]}")), "it was killed while it worked"
    assert len(list(tmp_path.glob("*.done"))) >= 38
    assert found == run(tmp_path / "local", model, data, LocalEngine(1))
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_crystals_that_crash_or_hang_on_a_node_cost_the_rows_that_they_cost_here(
    cluster: Any, model: Path, crystals: list[Crystal], tmp_path: Path
) -> None:
    del cluster
    ids = {5: "crash", 12: "hang"}
    path = tmp_path / "set.parquet"
    write(path, [replace(crystal, id=ids.get(i, crystal.id)) for i, crystal in enumerate(crystals[:24])])
    found = run(tmp_path / "ray", model, path, RayEngine(timeout=6, work=hostile))
    assert found == run(tmp_path / "local", model, path, LocalEngine(1, 6, hostile))


def _raylet(node: Any) -> int:
    """Return the process of a node that its workers know as RAY_RAYLET_PID."""
    return int(node.all_processes["raylet"][0].process.pid)
