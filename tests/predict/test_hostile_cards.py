"""Model files whose card and tensors contradict each other: refused with a typed error before a network is built."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import torch
from contracts.settings import SMALL
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from cryskit.errors import CryskitError, DataError, ModelError, PlanError, UnknownNameError
from cryskit.layers.inputs import INPUTS
from cryskit.predict.card import CARD, Card
from cryskit.predict.load import load
from cryskit.predict.network import matching_card
from cryskit.predict.predictor import Predictor
from cryskit.predict.published import models
from cryskit.properties import get
from cryskit.registry import ENCODERS
from cryskit.training.plan import Plan, Teacher
from cryskit.training.start import manifest_of, with_start_resolved
from cryskit.training.teacher import Vectors

if TYPE_CHECKING:
    from collections.abc import Callable

HUGE = [10**6, 10**9, 10**18, 10**40]
VALUES = [
    "64",
    -1,
    0,
    float("nan"),
    float("inf"),
    -0.5,
    [64],
    [],
    {},
    {"name": "os:system"},
    None,
    True,
    "",
    1e300,
    *HUGE,
]
SECONDS = 5.0


def damaged(model: Path, path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a model with a changed card."""
    with safe_open(model, framework="pt") as file:
        card = json.loads(file.metadata()[CARD])
    change(card)
    save_file(load_file(model), path, {CARD: json.dumps(card)})
    return path


def refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> CryskitError:
    """Return the error with which a file is refused, soon, and without a predictor having been made."""

    def built(*_arguments: Any, **_named: Any) -> None:
        raise AssertionError("a network was built")

    start = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(Predictor, "from_card", built)
        with pytest.raises(CryskitError) as raised:
            load(path)
    assert time.monotonic() - start < SECONDS
    return raised.value


@pytest.mark.parametrize("name", models())
def test_a_published_model_fits_its_card(name: str) -> None:
    assert matching_card(models()[name]).name == name


@pytest.mark.parametrize("name", models())
def test_sizes_of_a_published_model_that_are_none_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(argument: str, value: Any) -> Callable[[dict[str, Any]], None]:
        def change(card: dict[str, Any]) -> None:
            network = card["encoder"].get("graph", card["encoder"])
            network[argument] = value

        return change

    for argument in ("width", "layers", "channels", "radius", "neighbours", "inputs", "memory"):
        for value in VALUES:
            if (argument, value) == ("memory", True):
                continue
            path = damaged(models()[name], tmp_path / "m.safetensors", put(argument, value))
            error = refused(path, monkeypatch)
            assert isinstance(error, ModelError | UnknownNameError), (argument, value)


@pytest.mark.parametrize("name", models())
@pytest.mark.parametrize(
    "changes",
    [
        {"heads": {"hidden": 10**9}},
        {"heads": {"depth": 10**9}},
        {"heads": {"activation": "relu"}},
        {"heads": {"width": 64}},
        {"heads": {"hidden": "64"}},
        {"encoder": {"name": "cgcnn"}},
        {"encoder": {"name": "alignn"}},
        {"encoder": {"name": ["steinhardt"]}},
        {"encoder": {}},
        {"encoder": []},
        {"spec": {"radius": 7.5}},
        {"spec": {"count": 13}},
        {"spec": {"count": 10**9}},
        {"spec": {"radius": "wide"}},
        {"spec": {"neighbours": "radius"}},
        {"spec": {"undirected": True}},
        {"spec": {"translations": True}},
        {"spec": {"text": "matscibert"}},
        {"text": {"name": "minilm"}},
        {"start": {"digest": "0"}},
    ],
    ids=repr,
)
def test_other_parts_of_the_card_of_a_published_model_are_refused(
    name: str, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(card: dict[str, Any]) -> None:
        for part, values in changes.items():
            known = card.get(part) if part in {"heads", "spec"} else {}
            card[part] = {**(known or {}), **values} if isinstance(values, dict) else values

    error = refused(damaged(models()[name], tmp_path / "m.safetensors", change), monkeypatch)
    assert isinstance(error, ModelError | UnknownNameError)


@pytest.mark.parametrize("depth", [2, 150, 5000])
def test_networks_within_networks_are_refused(depth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "{" + '"name":"fused","graph":{' * depth + '"name":"cgcnn"' + "}" * (depth + 1)
    path = tmp_path / "m.safetensors"
    with safe_open(models()["crysmmnet"], framework="pt") as file:
        card = json.loads(file.metadata()[CARD])
    whole = json.dumps(card | {"encoder": "HERE"}).replace('"HERE"', text)
    save_file(load_file(models()["crysmmnet"]), path, {CARD: whole})
    assert isinstance(refused(path, monkeypatch), ModelError)


@pytest.mark.parametrize("what", ["missing", "left over", "transposed"])
def test_tensors_that_do_not_fit_are_named(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = models()["cryskit-mp"], tmp_path / "m.safetensors"
    tensors = load_file(model)
    if what == "missing":
        del tensors["heads.last"]
    elif what == "left over":
        tensors["heads.more"] = torch.zeros(2)
    else:
        tensors["heads.last"] = tensors["heads.last"].t().contiguous()
    with safe_open(model, framework="pt") as file:
        save_file(tensors, path, file.metadata())
    assert "heads." in refused(path, monkeypatch).args[0]


@pytest.fixture(scope="module", params=[(name, layer) for name in ENCODERS for layer in (None, *INPUTS)], ids=str)
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of each encoder with each input layer."""
    name, layer = request.param
    encoder = deepcopy({"name": name, **SMALL[name]})
    inner = {"fused": lambda: encoder["graph"], "levels": lambda: encoder["members"][0]["encoder"]}
    if layer is not None:
        inner.get(name, lambda: encoder)()["inputs"] = layer
    card = Card(
        name="x", encoder=encoder, spec=ENCODERS.needs(encoder), properties=[get("band_gap")], heads={"depth": 2}
    )
    path: Path = tmp_path_factory.mktemp("model") / "m.safetensors"
    Predictor.from_card(card).save(path)
    return path


def test_every_network_of_the_registry_fits_its_own_card(small: Path) -> None:
    load(small)


ANYTHING = st.one_of(
    st.sampled_from(VALUES), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5), st.booleans(), st.none()
)


@pytest.mark.parametrize("name", ENCODERS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_an_argument_of_any_value_is_refused_or_makes_a_network_of_the_same_tensors(
    name: str, data: st.DataObject
) -> None:
    encoder = ENCODERS.complete({"name": name, **SMALL[name]})
    card = Card(name="x", encoder=encoder, spec=ENCODERS.needs(encoder), properties=[get("band_gap")])
    predictor = Predictor.from_card(card)
    changed = data.draw(st.sampled_from(sorted(encoder.keys() - {"tuned"})))
    value = data.draw(ANYTHING)
    start = time.monotonic()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.safetensors"
        fields = card.model_dump(mode="json")
        fields["encoder"][changed] = value
        save_file(predictor.state_dict(), path, {CARD: json.dumps(fields)})
        with suppress(CryskitError):
            load(path)
    assert time.monotonic() - start < SECONDS


def test_an_argument_of_a_plan_is_checked_where_it_is_named() -> None:
    for value in ("64", -1, 0, [64], True):
        with pytest.raises(PlanError, match="The argument width of encoder cgcnn is"):
            ENCODERS.complete({"name": "cgcnn", "width": value})


def test_a_file_to_start_from_and_a_teacher_are_checked_too(tmp_path: Path) -> None:
    def widen(card: dict[str, Any]) -> None:
        card["encoder"]["width"] = 10**6

    path = damaged(models()["crysae"], tmp_path / "m.safetensors", widen)
    with pytest.raises(ModelError, match="do not fit its card"):
        with_start_resolved(Plan.make({"properties": ["band_gap"], "start": {"file": str(path)}}))
    with pytest.raises(ModelError, match="do not fit its card"):
        Vectors(Teacher(file=str(path)))


def test_a_model_that_started_from_itself_has_no_manifest(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"

    def circle(card: dict[str, Any]) -> None:
        card["start"] = {"file": str(path)}

    with pytest.raises(DataError, match="There is no manifest"):
        manifest_of(damaged(models()["crysxpp"], path, circle))


def test_sketching_imports_no_compiler() -> None:
    """Operations on torch's meta device would: it takes seconds."""
    code = (
        "import sys; from cryskit.predict.network import matching_card; from cryskit.predict.published import models; "
        "[matching_card(path) for path in models().values()]; assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
