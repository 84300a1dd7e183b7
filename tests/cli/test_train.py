"""`cryskit train` and `cryskit evaluate`: options and plan, and one small run from data to figures."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import yaml
from PIL import Image

from cryskit.cli import plans, train
from cryskit.cli.plans import check_labels, divide, inputs_of
from cryskit.data.interchange import manifest_of
from cryskit.data.splits import Split, make
from cryskit.errors import DataError, PlanError
from cryskit.explain.selector import strength_table
from cryskit.predict.load import load
from cryskit.training import sparsity
from cryskit.training import train as supervised
from cryskit.training.plan import Optimisation, Plan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal

    Call = Callable[..., Result]

NOTHING: dict[str, Any] = {"name": None, "width": None, "layers": None}
PLAN = {
    "properties": ["band_gap"],
    "encoder": {"name": "cgcnn", "width": 16, "inputs": "embedding"},
    "optimisation": {"epochs": 7, "rate": 0.01, "seed": 5},
}


def plan_of(*arguments: Any, **settings: Any) -> Plan:
    return plans.plan_of(*arguments, **settings).asked


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN), encoding="utf-8")
    return path


def test_options_win_over_the_file_and_the_rest_of_it_stays(config: Path) -> None:
    plan = plan_of(config, {"properties": None}, NOTHING | {"width": 32}, {"epochs": 3, "seed": None})
    assert plan.properties == ("band_gap",)
    assert plan.encoder == {"name": "cgcnn", "width": 32, "inputs": "embedding"}
    assert (plan.optimisation.epochs, plan.optimisation.rate, plan.optimisation.seed) == (3, 0.01, 5)
    assert plan_of(config, {"properties": ["K_VRH"]}, NOTHING, {}).properties == ("K_VRH",)


def test_another_encoder_does_not_inherit_arguments(config: Path) -> None:
    assert plan_of(config, {}, NOTHING | {"name": "megnet"}, {}).encoder == {"name": "megnet"}
    assert plan_of(config, {}, NOTHING | {"name": "cgcnn"}, {}).encoder == PLAN["encoder"]


def test_without_a_file_the_defaults_of_the_plan_hold() -> None:
    plan = plan_of(None, {"properties": ["band_gap"]}, NOTHING, {"epochs": None})
    assert plan.encoder == {"name": "cgcnn"}
    assert plan.optimisation == Optimisation()


@pytest.mark.parametrize(
    ("options", "inputs"),
    [
        ((False, None), None),
        ((True, None), "selector"),
        ((True, "0.3"), {"name": "selector", "penalty": 0.3}),
        ((False, "0.3"), {"name": "selector", "penalty": 0.3}),
        ((False, "auto"), "selector"),
    ],
)
def test_the_selector_is_an_input_of_the_encoder(config: Path, options: tuple[bool, str | None], inputs: Any) -> None:
    plan = plan_of(config, {}, NOTHING | {"inputs": inputs_of(*options)}, {})
    assert plan.encoder["inputs"] == (inputs or "embedding")


def test_another_objective_keeps_how_labels_are_learned(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(yaml.safe_dump(PLAN | {"objective": {"name": "property", "loss": "huber"}}), encoding="utf-8")
    teacher = {"teacher": {"file": "crysae"}}
    plan = plan_of(path, teacher, NOTHING, {}, objective={"name": "distill", "delta": 0.3})
    assert plan.objective == {"name": "distill", "loss": "huber", "delta": 0.3}
    assert plan.teacher is not None
    assert plan.teacher.file == "crysae"


@pytest.mark.parametrize(
    "text", ["encoder: cgcnn", "optimisation: 3", "colour: red", "- a", "encoder: {}\noptimisation: []"]
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError, match=r"plan\.yaml"):
        plan_of(path, {"properties": ["band_gap"]}, NOTHING | {"width": 8}, {"epochs": 1})


def test_crystals_without_labels_are_counted(crystals: list[Crystal], capsys: pytest.CaptureFixture[str]) -> None:
    check_labels(crystals, Plan(properties=("poisson_ratio",)))
    assert capsys.readouterr().err == "Left out: 20 of 60 crystals, which have no label of poisson_ratio\n"
    check_labels(crystals, Plan(properties=("poisson_ratio", "K_VRH")))
    assert not capsys.readouterr().err
    with pytest.raises(DataError, match=r"no label of band_gap\. It has bulk_modulus, poisson_ratio"):
        check_labels(crystals, Plan(properties=("band_gap",)))


def test_a_split_is_made_or_read(crystals: list[Crystal], tmp_path: Path) -> None:
    split = divide(crystals, "formula", 4, 1.0)
    assert split == make(crystals, "formula", seed=4)
    split.save(tmp_path / "split.json")
    assert divide(crystals, str(tmp_path / "split.json"), 0, 0.5).train == split.train[: len(split.train) // 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--property", "band_gap"], "The data has no label of band_gap"),
        ([], "name at least one property"),
        (["--property", "bulk_modulus", "--encoder", "gcn"], "There is no encoder called 'gcn'"),
        (["--property", "bulk_modulus", "--split", "colour"], "'colour' is neither random, formula, system nor a file"),
        (["--property", "bulk_modulus", "--split", "s" * 5000], f"'{'s' * 60}...' is neither random"),
        (["--property", "bulk_modulus", "--start", "data_x\n" * 900], "There is no model called 'data_x data_x"),
        (
            ["--property", "bulk_modulus", "--train-fraction", "0"],
            "0 is no fraction of the training crystals, a number above 0 and at most 1",
        ),
        (["--property", "bulk_modulus", "--train-fraction", "20"], "Did you mean 0.2?"),
        (
            ["--property", "bulk_modulus", "--train-fraction", "0.001"],
            "The fraction 0.001 of 48 training crystals keeps none",
        ),
        (["--property", "bulk_modulus", "--precision", "8"], "optimisation.precision"),
        (["--property", "bulk_modulus", "--delta", "0.5"], "name a teacher, too"),
        (["--property", "bulk_modulus", "--teacher", "absent"], "There is no model called 'absent'"),
        (["--property", "bulk_modulus", "--teacher", "absent.parquet"], "There is no table of vectors absent.parquet"),
        (["--property", "bulk_modulus", "--selector-penalty", "much"], "'much' is neither a number nor auto"),
        (["--property", "bulk_modulus", "--out", "model.pt"], "model.pt should be a file that ends in .safetensors"),
        (["--property", "bulk_modulus", "--config", "absent.yaml"], "absent.yaml cannot be read as YAML"),
        (["--property", "bulk_modulus", "--data", "absent"], "There is no data set, file or folder called 'absent'"),
    ],
)
def test_a_run_that_cannot_be_is_refused_before_it_begins(
    cryskit: Call, data: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    defaults = {"--data": str(data), "--out": "model.safetensors"}
    given = [part for name, value in defaults.items() if name not in arguments for part in (name, value)]
    result = cryskit("train", *given, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_train_evaluate_and_predict_say_the_same(
    cryskit: Call, data: Path, crystals: list[Crystal], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = cryskit(
        *("train", "--data", data, "--property", "K_VRH", "--property", "poisson_ratio", "--width", 8, "--layers", 1),
        *("--epochs", 2, "--split", "formula", "--seed", 1, "--accelerator", "cpu", "--out", "model.safetensors"),
    )
    folder = tmp_path / "model.safetensors.run"
    predictor = load(tmp_path / "model.safetensors")
    card = predictor.card
    assert result.exit_code == 0, result.output
    assert {"plan.yaml", "split.json", "log.jsonl", "curve.png", "parity-bulk_modulus.png"} <= {
        p.name for p in folder.iterdir()
    }
    assert f"{card.metrics['bulk_modulus']['mae']:#.4g}" in result.stdout
    assert "log10(GPa)" in result.stdout
    assert result.stdout.splitlines()[-2].split() == ["model", "model.safetensors"]
    assert result.stdout.endswith(f"plots; best epoch {card.epoch + 1} of 2)\n")
    assert card.encoder["width"] == 8
    split = Split.load(folder / "split.json")
    assert split == make(crystals, "formula", seed=1)
    assert card.split["hash"] == split.hash

    judged = cryskit(
        *("evaluate", "--model", "model.safetensors", "--data", data, "--split", folder / "split.json"),
        *("--part", "validation", "--out", "judged.json", "--plots", "plots", "--json"),
    )
    document = json.loads(judged.stdout)
    assert judged.exit_code == 0, judged.stderr
    assert document == json.loads((tmp_path / "judged.json").read_text(encoding="utf-8"))
    for name in card.metrics:
        assert document["metrics"][name] == pytest.approx(card.metrics[name], rel=1e-5)
    assert [row["id"] for row in document["table"]] == list(split.validation)
    for name in card.metrics:
        with Image.open(tmp_path / "plots" / f"parity-{name}.png") as picture:
            assert picture.format == "PNG"

    assert cryskit("predict", data, "--model", "model.safetensors", "--out", "all.csv").exit_code in {0, 1}
    predicted = pd.read_csv(tmp_path / "all.csv", index_col="id")
    for row in document["table"]:
        assert predicted.loc[row["id"], "bulk_modulus"] == pytest.approx(row["bulk_modulus"], rel=1e-5)

    monkeypatch.setattr(train, "on_terminal", lambda: True)
    again = cryskit(
        *("train", "--data", data, "--property", "K_VRH", "--property", "poisson_ratio", "--width", 8, "--layers", 1),
        *("--epochs", 2, "--split", folder / "split.json", "--seed", 1, "--accelerator", "cpu"),
        *("--folder", "other", "--out", "again.safetensors", "--json"),
    )
    assert json.loads(again.stdout)["validation"] == card.metrics, "and no progress bar among the output"
    assert "Epoch 2 of 2: 100%" in again.stderr


def test_a_student_learns_from_a_table_that_embed_wrote(cryskit: Call, data: Path, model: Path, tmp_path: Path) -> None:
    assert cryskit("embed", data, "--model", model, "--atoms", "--out", "vectors.parquet").exit_code == 0
    result = cryskit(
        *("train", "--data", data, "--property", "bulk_modulus", "--width", 8, "--layers", 1, "--epochs", 1),
        *("--teacher", "vectors.parquet", "--delta", 0.3, "--out", "student.safetensors"),
    )
    assert result.exit_code == 0, result.output
    plan = yaml.safe_load((tmp_path / "student.safetensors.run" / "plan.yaml").read_text(encoding="utf-8"))
    assert plan["objective"] == {"name": "distill", "preset": "standard", "delta": 0.3}
    assert (plan["encoder"]["neighbours"], plan["encoder"]["count"]) == ("smooth", 12)
    assert load(tmp_path / "student.safetensors").card.teacher["file"] == "vectors.parquet"


def test_a_run_that_is_stopped_says_how_it_goes_on(cryskit: Call, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        print("noise")  # noqa: T201
        sys.exit(1)  # as Lightning does

    monkeypatch.setattr(supervised, "train", stopped)
    result = cryskit("train", "--data", data, "--property", "K_VRH", "--out", "m.safetensors")
    assert result.exit_code == 130
    assert result.stdout == ""
    assert result.stderr == "noise\nStopped; the same command goes on from the last epoch in m.safetensors.run\n"


def test_evaluate_prints_one_line_per_property_and_one_for_its_logarithm(
    cryskit: Call, model: Path, data: Path, predictor: Predictor
) -> None:
    result = cryskit("evaluate", "--model", model, "--data", data, "--property", "bulk_modulus")
    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert lines[0] == ["property", "unit", "crystals", "MAE", "RMSE", "R2", "MAD"]
    assert [line[:3] for line in lines[1:]] == [["bulk_modulus", "GPa", "60"], ["bulk_modulus", "log10(GPa)", "60"]]
    assert not predictor.card.data
    assert not result.stderr


def test_evaluate_names_failed_rows_and_goes_on(cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path) -> None:
    folder = cifs[0].parent
    (folder / "broken.cif").touch()
    labels = {"Si": 98, "NaCl": 25, "broken": 10, "absent": 11}
    lines = ["id,bulk_modulus", *(f"{name},{value}" for name, value in labels.items())]
    (folder / "id_prop.csv").write_text("\n".join(lines), encoding="utf-8")
    result = cryskit("evaluate", "--model", model, "--data", folder, "--out", "out.json")
    document = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert result.exit_code == 1
    assert "2 of 4 rows cannot be used:" in result.stderr
    assert (document["rows"], document["failed"]) == (4, 2)
    assert document["metrics"]["bulk_modulus"]["n"] == 2
    assert sum(row["status"] == "failed" for row in document["table"]) == 2


def test_evaluate_says_when_it_judges_on_the_training_data(
    cryskit: Call, predictor: Predictor, crystals: list[Crystal], data: Path, tmp_path: Path
) -> None:
    own = make(crystals, "formula", train_fraction=0.5, seed=3)
    other = make(crystals, fractions=(0.3, 0.1, 0.6), seed=1)
    own.save(tmp_path / "own.json")
    other.save(tmp_path / "other.json")

    def said(model: str, *arguments: str, **facts: object) -> str:
        card = predictor.card.model_copy(update={"data": {"manifest": manifest_of(data)}, **facts})
        type(predictor)(predictor.encoder, predictor.heads, card).save(tmp_path / model)
        result = cryskit("evaluate", "--model", model, "--data", data, *arguments)
        assert result.exit_code == 0, result.stderr
        return str(result.stderr)

    named = {"name": own.name, "hash": own.hash}
    seen = {part: len(set(other.test) & set(getattr(own, part))) for part in ("train", "validation")}
    assert all(seen.values())
    expected = f"{seen['train']} of {len(other.test)} judged crystals trained tiny and {seen['validation']} of"
    assert said("a.safetensors", "--split", "other.json", split=named).startswith(expected)
    assert said("a.safetensors", split=named).startswith(f"{len(own.train)} of 60 judged crystals trained tiny and")
    assert said("a.safetensors", "--split", "own.json", split=named) == ""
    assert said("a.safetensors", "--split", "own.json", "--part", "validation", split=named).startswith(
        f"{len(own.validation)} of {len(own.validation)} chose its epoch"
    )

    folded = {"name": "by hand", "hash": replace(own, name="by hand").hash}
    unknown = said("b.safetensors", "--split", "other.json", split=folded)
    assert unknown.startswith("tiny was trained on another split (by hand), so some of the")
    assert unknown.count("\n") == 1
    assert said("b.safetensors").startswith(
        "tiny was trained on a part of this data, so some of the 60 judged crystals may"
    )
    fitted = said("d.safetensors", plan={"fit": {"seed": 0}})
    assert fitted.startswith("tiny was fitted to this data, so the figures flatter it")
    assert "--split" not in fitted, "a fit has no split"
    (tmp_path / "b.safetensors.run").mkdir()
    replace(own, name="by hand").save(tmp_path / "b.safetensors.run" / "split.json")
    found = said("b.safetensors", "--split", "other.json", split=folded)
    assert found.startswith(expected)
    assert found.endswith("--split b.safetensors.run/split.json\n")
    elsewhere = said("b.safetensors", "--split", "other.json", split=folded, data={"manifest": "another"})
    assert elsewhere.startswith(f"{seen['train']} of {len(other.test)} judged crystals have the ids of crystals that")
    assert said("c.safetensors", "--split", "other.json", split=folded, data={"manifest": "another"}) == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--part", "test"], "needs --split"),
        (["--property", "band_gap"], "There is no property of the model tiny called 'band_gap'"),
        (["--out", "out.csv"], "should be a file that ends in .json"),
    ],
)
def test_an_evaluation_that_cannot_be_is_a_wrong_call(
    cryskit: Call, model: Path, data: Path, arguments: list[str], message: str
) -> None:
    result = cryskit("evaluate", "--model", model, "--data", data, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]


def test_a_split_of_other_data_is_refused(
    cryskit: Call, model: Path, crystals: list[Crystal], data: Path, tmp_path: Path
) -> None:
    make(crystals[:30]).save(tmp_path / "split.json")
    result = cryskit("evaluate", "--model", model, "--data", data, "--split", "split.json")
    assert result.exit_code == 2
    assert "was made of other data" in result.stderr


def test_the_features_that_a_selector_leaves_are_shown(
    cryskit: Call, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = ("train", "--data", data, "--property", "K_VRH", "--width", 8, "--layers", 1, "--epochs", 1)
    result = cryskit(*call, "--accelerator", "cpu", "--selector", "--out", "s.safetensors")
    table = strength_table(load(tmp_path / "s.safetensors").encoder)
    assert f"element features left by the selector: {(table['strength'] > 0).sum()} of 92\n" in result.stdout
    train._show_features({"group": ["group 1", "group 13"], "block": [f"block {one}" for one in "spdf"], "period": []})
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    assert ["group", "2", "of", "19", "1,", "13"] in rows
    assert ["block", "4", "of", "4", "all"] in rows
    assert ["period", "0", "of", "7", "none"] in rows
    again = cryskit(*call, "--accelerator", "cpu", "--selector", "--out", "s.safetensors", "--json")
    assert json.loads(again.stdout)["features"] == table["name"][table["strength"] > 0].tolist()
    plain = cryskit(*call, "--accelerator", "cpu", "--out", "p.safetensors")
    assert "features" not in plain.stdout


@pytest.mark.slow
def test_penalties_are_tried_and_the_chosen_model_shown(
    cryskit: Call, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sparsity.train_sparsest, "__defaults__", ((0.1, 0.3),))
    result = cryskit(
        *("train", "--data", data, "--property", "K_VRH", "--width", 8, "--layers", 1, "--epochs", 1, "--json"),
        *("--accelerator", "cpu", "--selector-penalty", "auto", "--out", "model.safetensors"),
    )
    document = json.loads(result.stdout)
    found = json.loads((tmp_path / "model.safetensors.run" / "selector.json").read_text(encoding="utf-8"))
    assert result.exit_code == 0, result.stderr
    assert document["folder"] == f"model.safetensors.run/penalty-{sparsity.sparsest(found):g}"
    assert load(tmp_path / "model.safetensors").card.metrics == document["validation"]


def test_few_validation_crystals_are_said_once_and_in_words(cryskit: Call, data: Path) -> None:
    result = cryskit(
        *("train", "--data", data, "--property", "K_VRH", "--width", 8, "--layers", 1, "--epochs", 1),
        *("--accelerator", "cpu", "--out", "model.safetensors"),
    )
    assert result.exit_code == 0, result.output
    assert result.stderr.count("chosen by 6 validation crystals;") == 1
    assert "Warning" not in result.stderr
