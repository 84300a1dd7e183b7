"""Several processes, which share every batch, learn the weights of one process."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import preloaded
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from cryskit.data.interchange import write
from cryskit.data.sources import open_source
from cryskit.errors import PlanError
from cryskit.training.batches import share
from cryskit.types import Crystal

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = "--property bulk_modulus --property band_gap --epochs 2 --width 8 --layers 2 --accelerator cpu --no-intervals"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crystals of which each process has other labels."""
    path = tmp_path_factory.mktemp("data") / "set.parquet"
    found = [item for item in open_source("elastic_tensor") if isinstance(item, Crystal) and len(item) < 8][:60]
    known = [{"bulk_modulus": c.targets["bulk_modulus"], "band_gap": float(i % 7)} for i, c in enumerate(found)]
    for i, targets in enumerate(known):
        if i % 3:
            del targets["band_gap"]
    write(path, [replace(c, targets=t) for c, t in zip(found, known, strict=True)])
    return path


def command(data: Path, out: Path, *more: str, edges: int = 600) -> list[str | Path]:
    plan = out.with_name("plan.yaml")
    plan.write_text(f"optimisation: {{edges: {edges}}}")
    return [
        *(preloaded.command(), "train", "--data", str(data), "--out", str(out), "--json"),
        *("--config", str(plan)),
        *OPTIONS.split(),
        *more,
    ]


def log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path.with_name(f"{path.name}.run") / "log.jsonl").read_text().splitlines()]


def assert_same(out: Path, one: Path) -> None:
    """Compare weights and losses; a bias in front of a norm changes nothing, and its gradient is nothing but rounding, which AdamW enlarges."""
    expected = load_file(one)
    for name, values in load_file(out).items():
        if not re.search(r"convolutions\.\d\.(bias|edge_norm\.running_mean)$", name):
            np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5, err_msg=name)
    for here, there in zip(log(out), log(one), strict=True):
        assert here["step"] == there["step"]
        assert here["training"] == pytest.approx(there["training"], rel=1e-4)
        assert here["validation"] == pytest.approx(there["validation"], rel=0.05)


@pytest.fixture(scope="module")
def one(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one") / "model.safetensors"
    subprocess.run(command(data, out), check=True, capture_output=True, timeout=300)
    return out


@pytest.mark.slow
def test_two_devices_learn_the_weights_of_one(data: Path, one: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    ended = subprocess.run(
        command(data, out, "--devices", "2"), check=False, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["crystals"], "one process reports"
    assert_same(out, one)


@pytest.mark.slow
def test_two_nodes_learn_the_weights_of_one(data: Path, one: Path, tmp_path: Path) -> None:
    out = tmp_path / "model.safetensors"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    nodes = [
        subprocess.Popen(
            command(data, out, "--nodes", "2"),
            env=os.environ | where | {"NODE_RANK": str(node)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for node in range(2)
    ]
    said = [node.communicate(timeout=120) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert [bool(stdout.strip()) for stdout, _ in said] == [True, False]
    assert_same(out, one)


@given(st.lists(st.integers(1, 99), min_size=1, max_size=30), st.integers(1, 6))
def test_shares_make_up_the_batch_and_none_is_empty(costs: list[int], of: int) -> None:
    batch = np.arange(len(costs)) + 100
    if len(costs) < of:
        with pytest.raises(PlanError, match="cannot be shared"):
            share(batch, np.array(costs), 0, of)
        return
    shares = [share(batch, np.array(costs), number, of) for number in range(of)]
    assert all(map(len, shares))
    assert np.concatenate(shares).tolist() == batch.tolist()
