"""The speed benchmark runs on what comes with the package, and its card says what has to be known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
from pymatgen.core import Lattice, Structure

from benchmarks.speed import clock, count, machine, reference, run
from cryskit.benchmark.facts import processor

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_the_stages_are_timed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "peaks", lambda _: {"gflops": 1000.0, "gbytes": 100.0})
    threads = torch.get_num_threads()
    arguments = "--count 12 --few 4 --repeats 1 --threads 1 --host here --allocator glibc --stages read graph batch training inference"
    try:
        run.main([*arguments.split(), "--out", str(tmp_path)])
    finally:
        torch.set_num_threads(threads)
    card = json.loads((tmp_path / "speed-here-1t-bundled.json").read_text(encoding="utf-8"))
    stages = {record["stage"] for record in card["stages"]}
    assert stages == {
        "CIF to crystal",
        "CIF with symmetry to crystal",
        "crystal to graph",
        "batch",
        "training",
        "inference",
    }
    assert all(record["per_second"] > 0 and record["ratio"] > 0 for record in card["stages"])
    assert {"command", "date", "commit", "versions", "cpu", "threads", "load_before", "others_cores"} <= card.keys()
    assert card["data"]["crystals"] == 12
    assert card["seconds"][0]["wall_least"] <= card["seconds"][0]["wall_median"] <= card["seconds"][0]["wall_most"]
    assert all(0 < r["share_of_matrix_peak"] < 1 for r in card["stages"] if r["stage"] in {"training", "inference"})
    assert "training" in capsys.readouterr().out


def test_contenders_take_turns() -> None:
    order: list[str] = []
    times = clock.interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=2)
    assert order == ["a", "b"] * 3, "one untimed round, then two timed ones"
    assert len(times["a"].wall) == len(times["b"].cpu) == 2


def test_ratios_are_of_the_same_round() -> None:
    times = {
        clock.REFERENCE: clock.Times([2.0, 4.0, 8.0], [0.0, 0.0, 0.0]),
        "cryskit": clock.Times([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]),
    }
    (row,) = clock.rows("some stage", 10, times, "wall", 3.0)
    assert (row["ratio_least"], row["ratio"], row["ratio_most"]) == (2.0, 4.0, 8.0)
    assert (row["per_second"], row["reference_per_second"]) == (10.0, 2.5)


def test_a_training_step_costs_less_than_three_forward_passes_of_products() -> None:
    sizes = count.Sizes(nodes=2400, edges=30_000, crystals=256, grid=4096, features=41, width=64, layers=3, hidden=128)
    forward, both = count.inference(sizes), count.training(sizes)
    assert 2 * forward.flops < both.flops < 3 * forward.flops
    assert forward.flops == pytest.approx(3 * 8 * 2400 * 64**2 + 3 * 4 * 4096 * 41 * 64, rel=0.02)
    assert both.bytes > 5 * 3 * 30_000 * 128 * 4


def test_the_reference_pads_where_neighbours_are_missing() -> None:
    lonely = Structure(Lattice.cubic(7.9), ["Si"], [[0, 0, 0]])
    made = reference.graph(lonely)
    assert made.neighbours.shape == (1, 12)
    assert made.bonds[0, :6].max(dim=1).values == pytest.approx([0.7788] * 6, abs=1e-3)
    assert made.bonds[0, 6:].max() < 1e-10


def test_the_peaks_and_the_load_are_numbers_of_this_machine() -> None:
    watch = machine.Others()
    peaks = machine.peaks("wall", repeats=1)
    assert peaks["gflops"] > 1
    assert peaks["gbytes"] > 0.5
    assert watch.cores() >= 0
    assert processor()
