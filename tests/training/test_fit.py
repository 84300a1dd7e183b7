"""The loop chooses by validation, resumes exactly, and keeps foreign runs apart."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from damage import damaged
from torch.nn.functional import dropout

from cryskit import batching
from cryskit.batching import Batcher
from cryskit.data.sources import open_source
from cryskit.encoders.cgcnn import CGCNN
from cryskit.errors import ModelError, PlanError
from cryskit.graphs.build import build
from cryskit.layers.heads import PropertyHeads
from cryskit.objectives.property import PropertyObjective
from cryskit.training.batches import EdgeBatches
from cryskit.training.checkpoint import SafetensorsIO
from cryskit.training.fit import fit
from cryskit.training.identity import Identity, claim
from cryskit.training.plan import Optimisation
from cryskit.types import Graph, Property

QUICK = Optimisation(epochs=6, edges=800, accelerator="cpu", averaging=0.9)
SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[2], str(Path(sys.argv[2]).parent)]
from test_fit import RATES, run
run(Path(sys.argv[1]), rates=RATES)
"""
RATES = {"encoder.inputs.linear.weight": 0.1, "encoder.convolutions.0.bond": 0.5, "encoder.convolutions.0.bias": 0.1}


def data() -> tuple[Graph, Graph]:
    crystals = [crystal for crystal in open_source("elastic_tensor") if len(crystal) <= 12][:48]
    targets = np.array([[c.targets["bulk_modulus"], np.nan if i % 3 else i] for i, c in enumerate(crystals)])
    whole = Batcher(batching.with_targets(build(crystals, CGCNN(width=8).needs), targets))
    return whole.take(np.arange(40)), whole.take(np.arange(40, 48))


def objective(training: Graph) -> PropertyObjective:
    torch.manual_seed(3)
    encoder = CGCNN(width=8, layers=2)
    heads = PropertyHeads(8, [Property("bulk_modulus", "K", "GPa", transform="log10"), Property("other", "x", "")])
    heads.fit_scale(training.targets)
    return PropertyObjective(encoder, heads)


def run(folder: Path, optimisation: Optimisation = QUICK, rates: dict[str, float] | None = None) -> PropertyObjective:
    training, validation = data()
    fitted = objective(training)
    fit(fitted, training, validation, optimisation, folder, identity=Identity({"data": "same"}), rates=rates)
    return fitted


def lines(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_it_learns_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    training, validation = data()
    fitted = objective(training)
    best = fit(fitted, training, validation, Optimisation(epochs=20, edges=800, accelerator="cpu"), tmp_path)
    log = lines(tmp_path)
    assert [line["epoch"] for line in log] == list(range(20))
    assert log[-1]["training"]["bulk_modulus"] < 0.8 * log[0]["training"]["bulk_modulus"]
    assert best == min(log, key=lambda line: line["validation_loss"])["epoch"]
    fitted.eval()
    with torch.no_grad():
        losses = fitted(validation)
    assert sum(map(float, losses.values())) == pytest.approx(log[best]["validation_loss"], rel=1e-4)


def test_the_same_run_gives_the_same_weights(tmp_path: Path) -> None:
    left, right = run(tmp_path / "a").state_dict(), run(tmp_path / "b").state_dict()
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "killed"), str(Path(__file__).parent)])
    log = tmp_path / "killed" / "log.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count("\n") >= 2) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert log.read_text().count("\n") >= 2
    left, right = (run(tmp_path / name, rates=RATES).state_dict() for name in ("killed", "whole"))
    assert all(torch.equal(left[name], right[name]) for name in left)
    epochs = {line["epoch"]: line["validation_loss"] for line in lines(tmp_path / "killed")}
    assert epochs == {line["epoch"]: line["validation_loss"] for line in lines(tmp_path / "whole")}


def test_what_is_dropped_at_random_is_so_in_a_resumed_run_too(tmp_path: Path) -> None:
    training, validation = data()

    def dropping(folder: str, calls: float = np.inf) -> dict[str, torch.Tensor]:
        made = objective(training)
        left = iter(range(int(min(calls, 10_000))))

        def drop(_module: object, _given: object, out: torch.Tensor) -> torch.Tensor:
            if next(left, None) is None:
                raise InterruptedError
            return dropout(out, 0.5, made.training)

        made.encoder.convolutions[0].register_forward_hook(drop)
        fit(made, training, validation, QUICK, tmp_path / folder, identity=Identity({"data": "same"}))
        return made.state_dict()

    whole = dropping("whole")
    with pytest.raises(InterruptedError):
        dropping("stopped", calls=14)
    assert lines(tmp_path / "stopped")
    torch.rand(7)
    again = dropping("stopped")
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    left = run(tmp_path).state_dict()
    count = len(lines(tmp_path))
    right = run(tmp_path).state_dict()
    assert len(lines(tmp_path)) == count
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_modules_are_trained_whatever_mode_they_are_in(tmp_path: Path) -> None:
    training, validation = data()
    fitted = objective(training).eval()
    fit(fitted, training, validation, QUICK, tmp_path)
    assert all(statistic.abs().max() > 0 for name, statistic in fitted.named_buffers() if name.endswith("running_mean"))
    assert not any(module.training for module in fitted.modules())


def test_what_is_frozen_stays_and_keeps_its_statistics(tmp_path: Path) -> None:
    training, validation = data()
    fitted = objective(training)
    fitted.encoder.convolutions[0].requires_grad_(requires_grad=False)
    before = {name: tensor.clone() for name, tensor in fitted.state_dict().items()}
    fit(fitted, training, validation, QUICK, tmp_path)
    same = {name for name, tensor in fitted.state_dict().items() if torch.equal(tensor, before[name])}
    frozen = {name for name in before if name.startswith("encoder.convolutions.0.")}
    assert same == frozen | {"encoder.inputs.bits", "supervision.heads.mean", "supervision.heads.deviation"}


def test_parameters_have_their_own_rates(tmp_path: Path) -> None:
    fast, slow = run(tmp_path / "a"), run(tmp_path / "b", rates={"encoder.convolutions.1.centre": 1e-6})
    fresh = objective(data()[0])
    moved = [
        float((o.encoder.convolutions[1].centre - fresh.encoder.convolutions[1].centre).abs().max().detach())
        for o in (fast, slow)
    ]
    assert moved[0] > 1e-3
    assert moved[1] < 1e-4
    assert [line["rate"] for line in lines(tmp_path / "a")] == [line["rate"] for line in lines(tmp_path / "b")]


def test_early_stop_ends_the_run(tmp_path: Path) -> None:
    run(tmp_path, Optimisation(epochs=200, edges=800, rate=0.5, patience=2, accelerator="cpu"))
    assert len(lines(tmp_path)) < 100


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    training, validation = data()
    with pytest.raises(PlanError, match="holds another run"):
        fit(objective(training), training, validation, QUICK, tmp_path, identity=Identity({"data": "other"}))


SAME = Identity({"data": "same"})
NO_NOTES = [b"", b"{", b"[]", b"3", b"null", b'{"other": 1}', b"\xff\xfe", b"[" * 100_000, b"\0" * 9]


@pytest.mark.parametrize("content", NO_NOTES, ids=lambda content: repr(content[:12]))
def test_a_damaged_identity_is_no_other_run_and_is_written_again_where_nothing_was_trained(
    content: bytes, tmp_path: Path
) -> None:
    note = tmp_path / "identity.json"
    note.write_bytes(content)
    claim(tmp_path, SAME)
    assert json.loads(note.read_bytes()) == {"identity": "", "facts": {"data": "same"}}
    (tmp_path / "last.safetensors").write_bytes(b"what was learned")
    note.write_bytes(content)
    with pytest.raises(PlanError, match=r"identity\.json is damaged.*[Dd]elete the folder") as raised:
        claim(tmp_path, SAME)
    assert "only that file" in raised.value.cure
    assert note.read_bytes() == content
    assert (tmp_path / "last.safetensors").read_bytes() == b"what was learned"


def test_a_run_whose_identity_was_damaged_goes_on_without_that_file(tmp_path: Path) -> None:
    left = run(tmp_path).state_dict()
    count, note = len(lines(tmp_path)), tmp_path / "identity.json"
    for content in damaged(note.read_bytes(), 20, 10):
        note.write_bytes(content)
        with pytest.raises(PlanError):
            claim(tmp_path, SAME)
    note.unlink()
    right = run(tmp_path).state_dict()
    assert len(lines(tmp_path)) == count
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    training, validation = data()
    with pytest.raises(PlanError, match="There are 0 training"):
        fit(objective(training), Batcher(training).take(np.arange(0)), validation, QUICK, tmp_path)


def test_processes_share_the_batches_of_an_epoch() -> None:
    training, _ = data()
    batches = EdgeBatches(Batcher(training), 500, 1, 2)
    assert sorted(row for batch in batches._batches() for row in batch) == list(range(40))
    assert len(batches._batches()) == len(batches) == len(EdgeBatches(Batcher(training), 500, 1, 1))
    first = [batch.tolist() for batch in batches._batches()]
    batches.set_epoch(1)
    assert first != [batch.tolist() for batch in batches._batches()]


def test_a_checkpoint_gives_back_nested_state(tmp_path: Path) -> None:
    state = {
        "a": {1: torch.arange(3), "b": [1.5, None, (True, "x")]},
        "inf": float("inf"),
        "shared": [torch.ones(2)] * 2,
    }
    SafetensorsIO().save_checkpoint(state, tmp_path / "c.safetensors")
    found = SafetensorsIO().load_checkpoint(tmp_path / "c.safetensors")
    assert torch.equal(found["a"][1], torch.arange(3))
    assert found["a"]["b"] == [1.5, None, (True, "x")]
    assert found["inf"] == float("inf")


def test_a_checkpoint_of_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds a"):
        SafetensorsIO().save_checkpoint({"f": print}, tmp_path / "c.safetensors")
    (tmp_path / "d.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="no checkpoint"):
        SafetensorsIO().load_checkpoint(tmp_path / "d.safetensors")


def test_mixed_precision_learns_too(tmp_path: Path) -> None:
    run(tmp_path, Optimisation(epochs=3, edges=800, accelerator="cpu", precision="bf16-mixed"))
    log = lines(tmp_path)
    assert log[-1]["training"]["bulk_modulus"] < log[0]["training"]["bulk_modulus"]
