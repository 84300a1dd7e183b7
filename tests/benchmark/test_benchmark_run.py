"""Rows are done once, go on when stopped, fail alone, and cannot see their test labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from benchmark.small import CRYSTALS, data, plan, row_card, spoiled

from cryskit.atomic_write import write_json
from cryskit.benchmark import run
from cryskit.benchmark.card import FORMAT, Place, read_row, row_path
from cryskit.benchmark.draw import DataSet, Drawn, draw
from cryskit.benchmark.run import Benchmark
from cryskit.data.corpus import manifest_path, short_fingerprint
from cryskit.errors import PlanError
from cryskit.predict import descriptions
from cryskit.predict.card import Card
from cryskit.predict.load import load
from cryskit.predict.predictor import Predictor
from cryskit.registry import ENCODERS
from cryskit.text.terms import Terms
from cryskit.training.train import train
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pydantic import BaseModel

    from cryskit.benchmark.card import Result, RowCard
    from cryskit.benchmark.plan import BenchmarkPlan
    from cryskit.benchmark.run import Task
    from cryskit.training.plan import Plan


def quiet(number: int, task: Task, card: RowCard) -> None:
    del number, task, card


def result_of(card: RowCard) -> Result:
    assert card.result, card.reason
    return card.result


def changed(one: BaseModel, other: BaseModel) -> set[str]:
    """Return the fields in which two cards differ."""
    return {name for name in type(one).model_fields if getattr(one, name) != getattr(other, name)}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Benchmark, list[RowCard]]:
    benchmark = Benchmark(plan(), data(), tmp_path_factory.mktemp("benchmark"), command="cryskit benchmark small.yaml")
    return benchmark, benchmark.run(quiet)


def drawn(fraction: float, seed: int, **changes: Any) -> Drawn:
    asked = plan(fractions=[fraction], seeds=[seed], **changes)
    return draw(data()["elastic"], data()["elastic"].splits[0], next(asked.rows()), asked)


def test_a_card_says_what_was_done_on_what_and_what_came_out(
    done: tuple[Benchmark, list[RowCard]],
) -> None:
    benchmark, cards = done
    (split,) = benchmark.data["elastic"].splits
    assert [card.row.regime for card in cards] == ["scratch", "squared"]
    for card in cards:
        assert read_row(benchmark.out / "rows" / f"{card.hash}.json") == card
        assert (card.format, card.status) == (FORMAT, "done")
        assert card.command == "cryskit benchmark small.yaml"
        assert card.split.hash == split.hash
        assert card.memory_mib["process"] > 100
        assert card.leakage
        assert set(card.leakage.counts) == {"training and test"}
        result = result_of(card)
        assert result.crystals == {"training": 48, "validation": 6, "test": 6, "test failed": 0}
        assert result.epochs == 2
        assert {"cryskit", "torch"} <= set(result.versions)
        table = pd.read_parquet(benchmark.out / "predictions" / result.predictions)
        assert sorted(table["id"]) == sorted(split.test)
        shifts = np.log10(table["bulk_modulus"]) - np.log10(table["bulk_modulus_true"])
        assert result.properties[0].figure == "mae_log10"
        assert result.properties[0].error == pytest.approx(float(shifts.abs().mean()))


def test_what_has_a_card_is_not_done_again(
    done: tuple[Benchmark, list[RowCard]], monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark, cards = done
    monkeypatch.setattr(run, "train", None)
    assert benchmark.run(quiet) == cards


def test_jobs_side_by_side_do_each_draw_once_and_all_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = Benchmark(plan(seeds=[0, 1, 2]), data(), tmp_path)
    monkeypatch.setattr(Benchmark, "_do", lambda _, task, *__, **___: row_card(task.row))
    rows = [Place(**task.row._asdict()) for task in benchmark.tasks]
    first = [card.row for card in benchmark.run(quiet, run.Share.parse("1/2"))]
    assert first == [row for row in rows if row.seed != 1]
    assert [card.row for card in benchmark.run(quiet, run.Share.parse("2/2"))] == rows
    monkeypatch.setattr(Benchmark, "_do", None)
    assert [card.row for card in benchmark.run(quiet)] == rows


def test_what_other_jobs_finish_meanwhile_is_in_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmark = Benchmark(plan(seeds=[0, 1]), data(), tmp_path)
    tasks = list(benchmark.tasks)

    def while_others_work(_: Benchmark, task: Task, *__: Any, **___: Any) -> RowCard:
        for other in tasks:
            if other.row.seed == 0:
                write_json(row_card(other.row).model_dump(mode="json"), row_path(tmp_path, other.hash))
        return row_card(task.row)

    monkeypatch.setattr(Benchmark, "_do", while_others_work)
    found = [card.row for card in benchmark.run(quiet, run.Share.parse("2/2"))]
    assert found == [Place(**task.row._asdict()) for task in tasks]


@pytest.mark.parametrize("text", ["3", "0/2", "3/2", "a/b", "1/", "-1/2", "1/2/3"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="is no share of the rows"):
        run.Share.parse(text)


def test_a_regime_with_words_is_trained_and_judged_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {crystal.id: f"A crystal of {len(crystal)} atoms, {crystal.id}." for crystal in CRYSTALS}
    Terms.fit(texts.values(), width=6, rarest=1).save(tmp_path / "terms.safetensors")
    table = tmp_path / "texts.parquet"
    pd.DataFrame(texts.items(), columns=["id", "text"]).to_parquet(table)
    around = {"name": "fused", "graph": "{network}", "text": str(tmp_path / "terms.safetensors"), "text_width": 6}
    asked = plan(regimes={"scratch": {}, "described": {"text": str(table), "encoder": around}})
    benchmark = Benchmark(asked, data(), tmp_path / "out")
    monkeypatch.setattr(descriptions, "_made", None)  # nothing is described: all have been
    scratch, described = benchmark.run(quiet)
    result = result_of(described)
    assert result.encoder["graph"]["name"] == "cgcnn"
    assert result.properties[0].validation != result_of(scratch).properties[0].validation
    monkeypatch.setattr(Terms, "encode", None)  # nothing is read again
    predictor = load(tmp_path / "out" / result.model, tmp_path / "out" / run.GRAPHS)
    assert predictor.text_input.vectors(list(texts.values())).any()
    pd.DataFrame({"id": list(texts), "text": "The same."}).to_parquet(table)
    before = [scratch.hash, described.hash]
    assert [
        task.hash == old for task, old in zip(Benchmark(asked, data(), tmp_path / "out").tasks, before, strict=True)
    ] == [True, False]


def test_another_plan_is_another_row(done: tuple[Benchmark, list[RowCard]]) -> None:
    benchmark, cards = done
    for changes in ({"budget": {"epochs": 3}}, {"plan": {"optimisation": {"edges": 900}}}, {"validation": 0.1}):
        hashes = {task.hash for task in Benchmark(plan(**changes), benchmark.data, benchmark.out).tasks}
        assert not hashes & {card.hash for card in cards}


def test_labels_of_test_crystals_change_nothing_but_the_test_figures(
    done: tuple[Benchmark, list[RowCard]], tmp_path: Path
) -> None:
    benchmark, cards = done
    (split,) = benchmark.data["elastic"].splits
    other = Benchmark(benchmark.plan, data(spoiled(CRYSTALS, split.test)), tmp_path)
    for card, twin in zip(cards, other.run(quiet), strict=True):
        result, other_result = result_of(card), result_of(twin)
        assert changed(card, twin) <= {"hash", "data", "command", "date", "seconds", "memory_mib", "result"}
        assert changed(result, other_result) <= {"properties", "model", "predictions", "training_seconds"}
        assert changed(result.properties[0], other_result.properties[0]) == {"test"}
        both = (benchmark.out, card.hash), (tmp_path, twin.hash)
        left, right = (load(out / "runs" / name / "0" / "model.safetensors").state_dict() for out, name in both)
        assert all(left[name].equal(right[name]) for name in left)
        left, right = (pd.read_parquet(out / "predictions" / f"{name}.parquet")["bulk_modulus"] for out, name in both)
        assert left.equals(right)


def test_what_trains_holds_no_test_crystal() -> None:
    parts = drawn(1.0, 0)
    hidden = {crystal.id for crystal in parts.test}
    assert len(hidden) == 6
    assert not hidden & {crystal.id for crystal in parts.seen}
    assert not parts.split.test
    assert not hidden & {*parts.split.train, *parts.split.validation}


def test_a_smaller_fraction_lies_within_a_larger_one_of_its_seed() -> None:
    small, large, other = (set(drawn(*what).split.train) for what in ((0.25, 1), (0.5, 1), (0.5, 2)))
    assert small < large
    assert (len(small), len(large)) == (12, 24)
    assert large != other
    assert len(drawn(0.4, 0, of="all").split.train) == 24
    assert len(drawn(0.25, 0, validation=0.125).split.validation) == 5


def test_a_row_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    benchmark = Benchmark(plan(regimes={"scratch": {}}), data(), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(run, "evaluate", stop)
        with pytest.raises(KeyboardInterrupt):
            benchmark.run(quiet)
    assert not list((tmp_path / "rows").glob("*"))
    (log,) = tmp_path.glob("runs/*/0/log.jsonl")
    before = log.read_text(encoding="utf-8")
    (card,) = benchmark.run(quiet)
    assert card.status == "done"
    assert log.read_text(encoding="utf-8") == before


def test_a_row_that_fails_says_why_and_the_others_go_on(tmp_path: Path) -> None:
    regimes = {"broken": {"start": {"file": str(tmp_path / "none.safetensors")}}, "scratch": {}}
    said: list[str] = []
    benchmark = Benchmark(plan(regimes=regimes), data(), tmp_path / "out")
    cards = benchmark.run(lambda number, _, card: said.append(f"{number} {card.status}"))
    assert said == ["1 failed", "2 done"]
    assert "There is no model file" in cards[0].reason
    assert read_row(row_path(benchmark.out, cards[0].hash)) == cards[0]
    assert not cards[0].traceback


class Fault(Exception):  # noqa: N818 - a fault of the program is of no family of errors that a list could name
    pass


def test_a_fault_of_the_program_keeps_its_traceback_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at_fault(plan: Plan, *arguments: Any, **more: Any) -> Card:
        if plan.objective.get("loss") != "squared":
            raise Fault
        return train(plan, *arguments, **more)

    benchmark = Benchmark(plan(), data(), tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(run, "train", at_fault)
        first, second = benchmark.run(quiet)
    assert (first.status, second.status) == ("failed", "done")
    assert first.reason == "Fault: Fault"
    file = tmp_path / "rows" / first.traceback
    assert "in at_fault" in file.read_text(encoding="utf-8")
    again, _ = benchmark.run(quiet)
    assert (again.status, again.traceback) == ("done", "")
    assert not file.exists()


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("no memory is left")])
def test_a_machine_without_memory_is_no_fault_of_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def out_of_memory(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(run, "train", out_of_memory)
    (card,) = Benchmark(plan(regimes={"scratch": {}}), data(), tmp_path).run(quiet)
    assert (card.status, card.traceback) == ("failed", "")
    assert card.reason == (str(error) or "MemoryError")


def test_a_training_that_diverges_is_a_failed_row(tmp_path: Path) -> None:
    asked = plan(regimes={"scratch": {}}, plan={"optimisation": {"rate": 1e30, "edges": 1000, "accelerator": "cpu"}})
    (card,) = Benchmark(asked, data(), tmp_path).run(quiet)
    assert (card.status, card.traceback) == ("failed", "")
    assert "diverged" in card.reason
    assert "lower rate" in card.reason


def test_labels_are_hashed_once_however_often_rows_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Sequence[str]] = []
    true = DataSet.label_hash

    def counted(dataset: DataSet, properties: Sequence[str]) -> str:
        calls.append(properties)
        return true(dataset, properties)

    monkeypatch.setattr(DataSet, "label_hash", counted)
    benchmark = Benchmark(plan(seeds=[0, 1]), data(), tmp_path)
    assert len(benchmark.tasks) == 4
    monkeypatch.setattr(Benchmark, "_do", lambda _, task, *__, **___: row_card(task.row))
    benchmark.run(quiet)
    assert calls == [("bulk_modulus",)]


def chained(file: Path, **changes: Any) -> BenchmarkPlan:
    """A teacher that starts from a file and is taught by labels, and a pupil that is shown what the file has seen."""
    taught = {
        "objective": {"name": "distill"},
        "teacher": {
            "row": {"encoder": "teacher", "regime": "tuned"},
            "unlabelled": ["elastic_tensor"],
            "labels": True,
        },
    }
    small = {"name": "cgcnn", "width": 8, "count": 6, "radius": 5.0}
    return plan(
        encoders={"teacher": {**small, "layers": 2}, "cgcnn": {**small, "layers": 1}},
        regimes={"scratch": {}, "tuned": {"start": {"file": str(file)}}, "taught": taught},
        fractions=[0.25],
        skip=[
            {"encoder": "teacher", "regime": "scratch"},
            {"encoder": "teacher", "regime": "taught"},
            {"encoder": "cgcnn", "regime": "tuned"},
        ],
        plan={"optimisation": {"edges": 300, "accelerator": "cpu"}},
        **changes,
    )


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-trained model that has seen all crystals but those that test."""
    file: Path = tmp_path_factory.mktemp("seen") / "seen.safetensors"
    encoder = ENCODERS.build({"name": "cgcnn", "width": 8, "layers": 2, "count": 6, "radius": 5.0})
    Predictor(
        encoder, None, Card(name="seen", encoder=ENCODERS.config_of(encoder), spec=encoder.needs, properties=[])
    ).save(file)
    (split,) = data()["elastic"].splits
    row = {"source": "elastic_tensor", "part": "train"}
    rows = [row | {"id": c.id, "fingerprint": short_fingerprint(c)} for c in CRYSTALS if c.id not in split.test]
    pd.DataFrame(rows).to_parquet(manifest_path(file))
    return file


def test_a_row_learns_from_the_model_of_an_earlier_one_in_as_many_steps(seen: Path, tmp_path: Path) -> None:
    benchmark = Benchmark(chained(seen), data(), tmp_path)
    cards = benchmark.run(quiet)
    tuned, scratch, taught = map(result_of, cards)
    assert taught.plan.values["teacher"]["file"] == str(tmp_path / tuned.model)
    assert taught.crystals["training"] == scratch.crystals["training"] == 12
    assert taught.crystals["unlabelled"] == len(CRYSTALS) - 6 - 12 - 6
    steps = [
        json.loads((tmp_path / result.model).with_name("log.jsonl").read_text("utf-8").splitlines()[-1])["step"]
        for result in (scratch, taught)
    ]
    assert taught.epochs < scratch.epochs or steps[0] == steps[1]
    assert steps[1] == pytest.approx(steps[0], abs=steps[1] / taught.epochs / 2)
    assert cards[2].leakage
    assert len(cards[2].leakage.counts) == 3
    assert not cards[2].leakage.unknown


def test_another_teacher_is_another_row_and_so_is_its_pupil(seen: Path, tmp_path: Path) -> None:
    hashes = [
        [task.hash for task in Benchmark(chained(seen, **changes), data(), tmp_path).tasks]
        for changes in ({}, {"budget": {"epochs": 3}})
    ]
    assert not set(hashes[0]) & set(hashes[1])


def test_a_pupil_says_that_its_teacher_failed_and_one_above_its_teacher_is_refused(seen: Path, tmp_path: Path) -> None:
    cards = Benchmark(chained(tmp_path / "none.safetensors"), data(), tmp_path).run(quiet)
    assert [card.status for card in cards] == ["failed", "done", "failed"]
    assert "no model of the row elastic bulk_modulus teacher tuned 0.25 0 (it failed)" in cards[2].reason
    asked = chained(seen)
    turned = asked.model_copy(update={"encoders": dict(reversed(asked.encoders.items()))})
    with pytest.raises(PlanError, match="does not come before"):
        assert not Benchmark(turned, data(), tmp_path).tasks


def test_validation_chooses_among_the_grid(tmp_path: Path) -> None:
    asked = plan(regimes={"scratch": {}}, grid={"optimisation.rate": [1e-6, 0.02]}, budget={"steps": 6})
    (card,) = Benchmark(asked, data(), tmp_path).run(quiet)
    result = result_of(card)
    errors = [one.validation for one in result.grid]
    assert errors == sorted(errors)
    assert result.properties[0].validation_error == errors[0]
    assert result.plan.values["optimisation"]["rate"] == 0.02
    (log,) = tmp_path.glob("runs/*/1/log.jsonl")
    last = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    assert last["step"] == pytest.approx(6, abs=last["step"] / (last["epoch"] + 1))


def test_starts_that_were_seen_are_compared_with_their_manifest(tmp_path: Path) -> None:
    asked = plan(
        encoders={"steinhardt": {"name": "steinhardt"}},
        regimes={"scratch": {}, "start": {"start": {"file": "crysae"}}},
        budget={"epochs": 1},
        skip=[{"regime": "scratch"}],
    )
    (card,) = Benchmark(asked, data(), tmp_path).run(quiet)
    assert result_of(card).start["file"] == "crysae"
    assert card.leakage
    counts = card.leakage.counts
    assert set(counts) == {"training and test", "crysae and test", "crysae and training"}
    assert (counts["crysae and test"]["seen"] or 0) > 40_000
    assert counts["crysae and test"]["near_duplicates"] is None


def test_a_part_without_labels_is_a_failure(tmp_path: Path) -> None:
    bare = [Crystal(c.id, c.lattice, c.fractional, c.numbers) for c in CRYSTALS]
    (card, _) = Benchmark(plan(), data(bare), tmp_path).run(quiet)
    assert card.status == "failed"
    assert "0 training, 0 validation and 0 test crystals" in card.reason
