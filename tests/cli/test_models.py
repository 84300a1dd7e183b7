"""`cryskit models`: what cards say."""

from __future__ import annotations

import json
import shutil
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cryskit import elements
from cryskit.data.read import read_one
from cryskit.predict import published
from cryskit.predict.card import Card
from cryskit.predict.from_cgcnn import from_published_cgcnn
from cryskit.predict.load import load
from cryskit.properties import get

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from cryskit.predict.predictor import Predictor

    Call = Callable[..., Result]


def test_show_prints_the_card(cryskit: Call, model: Path, predictor: Predictor) -> None:
    shown = cryskit("models", "show", model)
    card = Card.model_validate(json.loads(cryskit("models", "show", model, "--json").stdout))
    words = [line.split() for line in shown.stdout.splitlines()]
    assert shown.exit_code == 0
    assert card == predictor.card
    assert ["bulk_modulus", "GPa", "5", "12.50", "20.00", "0.5000", "30.00"] in words
    assert ["poisson_ratio"] in words
    assert any(line[:3] == ["encoder", "name", "cgcnn,"] for line in words)


def test_errors_of_a_fitted_model_are_those_of_nested_cross_validation(
    cryskit: Call, predictor: Predictor, tmp_path: Path
) -> None:
    changed = {"plan": {"fit": {"seed": 0}}, "metrics": {predictor.properties[0]: {"mae": 0.1, "n": 60}}}
    card = predictor.card.model_copy(update=changed)
    type(predictor)(predictor.encoder, predictor.heads, card).save(tmp_path / "fitted.safetensors")
    assert "mean absolute error, unseen formulas" in card._repr_html_()
    for verb in ("show", "card"):
        shown = cryskit("models", verb, tmp_path / "fitted.safetensors").stdout
        assert "nested cross-validation" in shown
        assert "validation crystals" not in shown


def test_show_says_on_what_the_errors_are_and_names_no_folder_of_the_training(
    cryskit: Call, predictor: Predictor, tmp_path: Path
) -> None:
    facts = {
        "start": {"file": "runs/first.safetensors", "freeze": 0},
        "teacher": {"file": "C:\\runs\\teacher.parquet"},
        "data": {"source": "../shared/data/mp.parquet, elastic_tensor", "manifest": "0123"},
    }
    path = tmp_path / "m.safetensors"
    type(predictor)(predictor.encoder, predictor.heads, predictor.card.model_copy(update=facts)).save(path)
    shown = cryskit("models", "show", path).stdout
    assert "Errors on the validation crystals" in shown
    assert "start     file first.safetensors, freeze 0\n" in shown
    assert "teacher   file teacher.parquet\n" in shown
    assert "data      source mp.parquet, elastic_tensor, manifest 0123\n" in shown
    bare = predictor.card.model_copy(update={"metrics": {}})
    type(predictor)(predictor.encoder, predictor.heads, bare).save(path)
    assert "validation crystals" not in cryskit("models", "show", path).stdout


@pytest.mark.parametrize("name", published.models())
def test_no_folder_of_another_computer_is_shown(cryskit: Call, name: str) -> None:
    shown = cryskit("models", "show", name).stdout
    assert "shared" not in shown
    assert "runs/" not in shown


def test_list_shows_every_published_model(
    cryskit: Call, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(model, tmp_path / "first.safetensors")
    there = {"tiny": dict.fromkeys(["2026.11", "2027.1"], tmp_path / "first.safetensors")}
    monkeypatch.setattr(published, "versions", lambda: there)
    table = cryskit("models", "list").stdout.splitlines()
    assert table[1].split() == ["tiny", "2026.11", "cgcnn", "bulk_modulus,", "poisson_ratio"]
    assert json.loads(cryskit("models", "list", "--json").stdout)["tiny@2026.11"]["name"] == "tiny"


def test_list_shows_the_versions_there_are(cryskit: Call) -> None:
    rows = [line.split() for line in cryskit("models", "list").stdout.splitlines()]
    assert rows[0][:2] == ["name", "version"]
    assert ["cryskit-mp", "2026.11"] in [row[:2] for row in rows]
    shown = cryskit("models", "show", "cryskit-mp@2026.11").stdout
    assert shown.splitlines()[0] == "cryskit-mp@2026.11"


def test_an_unknown_version_is_a_wrong_call(cryskit: Call) -> None:
    result = cryskit("models", "show", "cryskit-mp@1999.1")
    assert result.exit_code == 2
    assert "There is no version '1999.1' of the model cryskit-mp. Known: 2026.11" in result.stderr


def test_a_model_that_is_not_there(cryskit: Call) -> None:
    result = cryskit("models", "show", "nobody")
    assert result.exit_code == 2
    assert "There is no model called 'nobody'" in result.stderr


def published_state() -> dict[str, torch.Tensor]:
    """A state dictionary with the names and shapes of the published CGCNN: 92 features, 41 distances, width 8."""
    torch.manual_seed(0)
    shapes = {
        "embedding.weight": (8, 92),
        "embedding.bias": (8,),
        "convs.0.fc_full.weight": (16, 57),
        "convs.0.fc_full.bias": (16,),
        "conv_to_fc.weight": (4, 8),
        "conv_to_fc.bias": (4,),
        "fc_out.weight": (1, 4),
        "fc_out.bias": (1,),
    }
    state = {name: torch.randn(shape) for name, shape in shapes.items()}
    for norm, width in (("bn1", 16), ("bn2", 8)):
        values = {"weight": torch.ones, "bias": torch.zeros, "running_mean": torch.zeros, "running_var": torch.ones}
        state |= {f"convs.0.{norm}.{name}": made(width) for name, made in values.items()}
        state[f"convs.0.{norm}.num_batches_tracked"] = torch.tensor(1)
    return state


def test_a_published_cgcnn_becomes_a_model_file(cryskit: Call, cifs: list[Path], tmp_path: Path) -> None:
    state, crystal = published_state(), read_one(cifs[1])
    scale = {"normalizer.mean": torch.tensor(-1.5), "normalizer.std": torch.tensor([0.8])}
    save_file(state | scale, tmp_path / "cgcnn.safetensors")
    convert = ("models", "convert-cgcnn", "cgcnn.safetensors", "--property", "formation_energy_per_atom", "--out")
    made = cryskit(*convert, "m.safetensors")
    assert made.exit_code == 0, made.stderr
    expected = from_published_cgcnn(state, get("formation_energy_per_atom"), -1.5, 0.8).predict(crystal)
    model = load("m.safetensors")
    assert model.card.name == "m"
    assert model.predict(crystal)[model.properties[0]].tolist() == expected[model.properties[0]].tolist()
    cryskit(*convert, "n.safetensors", "--mean", 0)
    shifted = load("n.safetensors").predict(crystal)[model.properties[0]]
    np.testing.assert_allclose(shifted, expected[model.properties[0]] + 1.5, rtol=1e-5)


@pytest.mark.parametrize(("given", "missing"), [((), "mean"), (("--mean", "0"), "deviation")])
def test_a_published_cgcnn_without_the_scale_of_its_targets_is_refused(
    cryskit: Call, tmp_path: Path, given: tuple[str, ...], missing: str
) -> None:
    save_file(published_state(), tmp_path / "cgcnn.safetensors")
    convert = ("models", "convert-cgcnn", "cgcnn.safetensors", "--property", "band_gap", "--out", "m.safetensors")
    refused = cryskit(*convert, *given)
    assert refused.exit_code == 2
    assert f"does not say the {missing} of the targets" in refused.stderr
    assert not (tmp_path / "m.safetensors").exists()
    assert cryskit(*convert, "--mean", "0", "--deviation", "1").exit_code == 0


def test_the_element_table_of_a_published_cgcnn_is_read(cryskit: Call, cifs: list[Path], tmp_path: Path) -> None:
    save_file(published_state(), tmp_path / "cgcnn.safetensors")
    rows = np.roll(elements.features(), 1, axis=0)
    table = {number: rows[number].tolist() for number in range(1, len(rows))}
    (tmp_path / "atom_init.json").write_text(json.dumps(table), encoding="utf-8")
    call = "models convert-cgcnn cgcnn.safetensors --property band_gap --table atom_init.json --out m.safetensors"
    call += " --mean 0 --deviation 1"
    assert cryskit(*call.split()).exit_code == 0
    expected = from_published_cgcnn(published_state(), get("band_gap"), 0, 1, table=torch.from_numpy(rows))
    assert load("m.safetensors").predict(cifs).equals(expected.predict(cifs))
    (tmp_path / "atom_init.json").write_text("[1, 2]", encoding="utf-8")
    refused = cryskit(*call.split())
    assert refused.exit_code == 2
    assert "atom_init.json is no table of element features" in refused.stderr


def test_a_pickle_is_refused_unopened(cryskit: Call, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    code = f"cposix\nsystem\n(S'touch {touched}'\ntR."
    (tmp_path / "old.pth.tar").write_text(code, encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "new.pth.tar", "w") as archive:
        archive.writestr("archive/data.pkl", code)
    for name in ("old.pth.tar", "new.pth.tar"):
        result = cryskit(*f"models convert-cgcnn {name} --property band_gap --out m.safetensors".split())
        assert result.exit_code == 2
        assert "pickles are not opened" in result.stderr
        assert "weights_only=True" in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"old.pth.tar", "new.pth.tar"}


def test_another_network_is_no_cgcnn(cryskit: Call, model: Path) -> None:
    scale = ("--mean", "0", "--deviation", "1")
    result = cryskit("models", "convert-cgcnn", model, "--property", "band_gap", "--out", "m.safetensors", *scale)
    assert result.exit_code == 2
    assert "no state of the published CGCNN" in result.stderr
