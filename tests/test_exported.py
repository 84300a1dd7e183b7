"""Exported models predict what the models predict, for sizes never traced, and what is unsafe in a file is refused."""

from __future__ import annotations

import json
import os
import subprocess
import zipfile
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import preloaded
import pytest
import torch
from ase.build import bulk

import cryskit
from cryskit.errors import ModelError, UnknownNameError
from cryskit.exported import load
from cryskit.exported.facts import TOLERANCE, deviation
from cryskit.exported.network import LAYOUT, Network, inputs_of
from cryskit.exported.write import FORMATS, export
from cryskit.predict.card import Card
from cryskit.predict.predictor import Predictor
from cryskit.properties import get
from cryskit.registry import ENCODERS
from cryskit.small_data.regressors import KINDS, Space

if TYPE_CHECKING:
    from collections.abc import Callable

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CRYSTALS = list(islice(cryskit.read("elastic_tensor"), 40))
CARD = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "export.json"


def exported(model: str | Path, out: Path) -> Path:
    """Export in another process, where no shapes are checked at run time."""
    call = [preloaded.command(), "export", str(model), "--out", str(out)]
    strict = os.environ | {"PYTHONWARNINGS": "error::DeprecationWarning"}
    done = subprocess.run(call, env=strict, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "golden predictions are reproduced within" in done.stderr
    return out


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CGCNN with random weights that predicts a class, a logarithm and a number."""
    torch.manual_seed(0)
    card = Card(
        name="tiny",
        encoder=ENCODERS.complete({"name": "cgcnn", "width": 8, "layers": 2}),
        spec=cryskit.GraphSpec(),
        properties=[get("bulk_modulus"), get("metal"), get("band_gap")],
        elements=[14],
        data={"source": "/home/somebody/secret/data.csv"},
    )
    path = tmp_path_factory.mktemp("exported") / "tiny.safetensors"
    Predictor.from_card(card).save(path)
    return path


@pytest.fixture(scope="session")
def files(small: Path) -> dict[str, Path]:
    return {kind: exported(small, small.with_suffix(f".{kind}")) for kind in FORMATS}


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model as `cryskit fit` writes it: an encoder, the composition, a regressor of every kind and a trained head."""
    torch.manual_seed(0)
    network = {"name": "steinhardt", "width": 8, "layers": 1, "channels": 4}
    members = [{"encoder": network, "levels": 2}, {"composition": 5}, {"encoder": network, "levels": 0}]
    encoder = ENCODERS.build(ENCODERS.complete({"name": "levels", "members": members})).eval()
    encoder.members[1].table.copy_(torch.randn(encoder.members[1].table.shape))
    graph = cryskit.build_graphs(CRYSTALS, encoder.needs)
    with torch.no_grad():
        vectors = encoder(graph).crystals.numpy()
    read = encoder.width - 8
    space = Space.of(vectors[:, :read])
    points = space(vectors[:, :read])
    labels = np.log10([crystal.targets["bulk_modulus"] for crystal in CRYSTALS])
    parts, modules = [], []
    for kind in KINDS.values():
        config, module = kind.module(kind.fitted(kind.grid(points)[0], points, labels), space)
        parts.append({**config, "start": 0, "stop": read, "share": 0.15})
        modules.append(module)
    parts.append({"name": "perceptrons", "start": read, "stop": encoder.width, "share": 1 - 0.15 * len(KINDS)})
    card = Card(
        name="fitted",
        encoder=ENCODERS.complete({"name": "levels", "members": members}),
        heads={"name": "regressors", "parts": parts},
        spec=encoder.needs,
        properties=[get("bulk_modulus")],
        elements=[14],
        data={},
    )
    predictor = Predictor.from_card(card)
    predictor.encoder.load_state_dict(encoder.state_dict())
    for part, module in zip(predictor.heads.parts, modules, strict=False):
        part.load_state_dict(module.state_dict())
    path = tmp_path_factory.mktemp("fitted") / "fitted.safetensors"
    predictor.save(path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_a_fitted_model_predicts_the_same(kind: str, fitted: Path) -> None:
    eager, found = cryskit.load(fitted), load(exported(fitted, fitted.with_suffix(f".{kind}")))
    graph = cryskit.build_graphs(CRYSTALS, eager.card.spec)
    values = eager.values(graph)
    assert np.ptp(values) > 1
    for size in (1, 9, 40):
        part = cryskit.build_graphs(CRYSTALS[:size], eager.card.spec)
        assert deviation(found.values(part), values[:size]) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_a_small_network_predicts_the_same(kind: str, small: Path, files: dict[str, Path]) -> None:
    eager, found = cryskit.load(small), load(files[kind])
    for size in (1, 5, 40):
        graph = cryskit.build_graphs(CRYSTALS[:size], eager.card.spec)
        assert deviation(found.values(graph), eager.values(graph)) <= TOLERANCE
    expected, table = eager.predict([bulk("Cu"), *CRYSTALS]), found.predict([bulk("Cu"), *CRYSTALS])
    assert table.columns.tolist() == expected.columns.tolist()
    assert table[["metal", "status", "reason", "formula"]].equals(expected[["metal", "status", "reason", "formula"]])
    assert np.allclose(table["bulk_modulus"], expected["bulk_modulus"], rtol=1e-5)
    assert table.attrs == expected.attrs
    assert found.predict(["none.cif"])["status"].tolist() == ["failed"]
    assert "band_gap" in repr(found)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "kind"), [("cryskit-mp", "pt2"), ("crysmmnet", "onnx")])
def test_published_models_predict_the_same_for_sizes_never_traced(model: str, kind: str, tmp_path: Path) -> None:
    eager, found = cryskit.load(model), load(exported(model, tmp_path / f"m.{kind}"))
    for size in (1, 9, 40):
        graph = cryskit.build_graphs(CRYSTALS[:size], eager.card.spec)
        assert deviation(found.values(graph), eager.values(graph)) <= TOLERANCE
    assert found.properties == eager.properties


def test_the_card_holds_every_published_model_that_predicts_numbers() -> None:
    rows = json.loads(CARD.read_text())["models"]
    known = {name: cryskit.load(name).card.properties for name in cryskit.models()}
    names = {name for name, found in known.items() if found and not any(each.tensor for each in found)}
    assert {(row["model"].partition("@")[0], row["format"]) for row in rows} == {
        (name, kind) for name in names for kind in FORMATS
    }
    for row in rows:
        assert max(row["golden_deviation"], *row["deviation_by_crystals"].values()) <= TOLERANCE


@pytest.mark.parametrize("model", ["cryskit-mp", "crysxpp"])
def test_plain_operations_compute_what_the_network_computes(model: str) -> None:
    eager = cryskit.load(model)
    graph = cryskit.build_graphs(CRYSTALS[:20], eager.card.spec)
    inputs = inputs_of(graph)
    assert list(inputs) == [name for name in LAYOUT if name != "text"]
    with torch.no_grad():
        plain, vectors = Network(eager)(**inputs)
        assert torch.allclose(vectors, eager.encoder(graph).crystals, atol=1e-5)
    assert deviation(plain.numpy(), eager.values(graph)) <= TOLERANCE


def test_models_that_cannot_be_exported_are_refused(small: Path) -> None:
    with pytest.raises(ModelError, match="pre-trained without labels"):
        export("crysae", "a.pt2")
    with pytest.raises(UnknownNameError, match="format of exported models"):
        export(small, "a.txt")
    torch.manual_seed(0)
    card = cryskit.load(small).card.model_copy(
        update={"encoder": ENCODERS.complete({"name": "megnet", "neighbours": "smooth"})}
    )
    card = card.model_copy(update={"spec": ENCODERS.needs(card.encoder)})
    with pytest.raises(ModelError, match="of the kind megnet cannot be exported yet"):
        export(Predictor.from_card(card), "a.pt2")
    outside = ENCODERS.complete({"name": "levels", "members": [{"outside": 3}]})
    card = card.model_copy(update={"encoder": outside, "spec": ENCODERS.needs(outside)})
    with pytest.raises(ModelError, match="vectors that another program made"):
        export(Predictor.from_card(card), "a.pt2")
    assert not Path("a.pt2").exists()


def changed(path: Path, out: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """Write a pt2 file with some parts changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    root = next(iter(members)).partition("/")[0]
    parts = {name.partition("/")[2]: content for name, content in members.items()}
    change(parts)
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(f"{root}/{name}", content)
    return out


def in_graph(edit: Callable[[dict], object]) -> Callable[[dict[str, bytes]], None]:
    """Return a change of the graph of a pt2 file."""

    def change(parts: dict[str, bytes]) -> None:
        graph = json.loads(parts["models/model.json"])
        edit(graph)
        parts["models/model.json"] = json.dumps(graph).encode()

    return change


def in_config(parts: dict[str, bytes]) -> None:
    name = "data/weights/model_weights_config.json"
    config = json.loads(parts[name])
    next(iter(config["config"].values()))["use_pickle"] = True
    parts[name] = json.dumps(config).encode()


def pickled() -> bytes:
    buffer = BytesIO()
    torch.save({"a": 1}, buffer)
    return buffer.getvalue()


def nodes(graph: dict) -> list[dict]:
    found: list[dict] = graph["graph_module"]["graph"]["nodes"]
    return found


CODE = "__import__('os').system('touch /tmp/never')"
UNSAFE = {
    "pickled inputs": lambda parts: parts.update({"data/sample_inputs/model.pt": pickled()}),
    "a pickled tensor": in_config,
    "a library": lambda parts: parts.update({"data/aotinductor/model/a.so": b"x"}),
    "a legacy pickle": lambda parts: parts.update({"data/weights/model.pt": pickled()}),
    "a pickled object": lambda parts: parts.update({"data/constants/custom_obj_0": b"x"}),
    "guards": in_graph(lambda graph: graph.update(guards_code=[CODE])),
    "a symbol": in_graph(
        lambda graph: next(iter(graph["graph_module"]["graph"]["sym_int_values"].values()))["as_expr"].update(
            expr_str=CODE
        )
    ),
    "a range": in_graph(lambda graph: graph["range_constraints"].update({CODE: {"min_val": 0, "max_val": None}})),
    "an operator": in_graph(lambda graph: nodes(graph)[0].update(target="torch.ops.aten.from_file.default")),
    "a function": in_graph(lambda graph: nodes(graph)[0].update(target="os.system")),
    "metadata": in_graph(lambda graph: nodes(graph)[0].update(metadata={"source_fn_stack": "a,torch.load"})),
    "a type": in_graph(
        lambda graph: graph["graph_module"]["module_call_graph"][0]["signature"].update(
            in_spec='[1, {"type": "collections.defaultdict", "context": "[\\"os\\", \\"system\\"]", "children_spec": []}]'
        )
    ),
    "an argument": in_graph(lambda graph: nodes(graph)[0]["inputs"][0]["arg"].update(as_custom_obj={"name": "a"})),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", UNSAFE)
def test_unsafe_pt2_files_are_refused_before_torch_sees_them(
    what: str, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = changed(files["pt2"], tmp_path / "a.pt2", UNSAFE[what])
    monkeypatch.setattr(torch.export, "load", lambda *_: pytest.fail("torch was given the file"))
    with pytest.raises(ModelError, match="is no pt2 file that `cryskit export` wrote"):
        load(path)


@pytest.mark.slow
def test_an_unchanged_copy_is_read_and_damaged_files_are_refused(files: dict[str, Path], tmp_path: Path) -> None:
    assert load(changed(files["pt2"], tmp_path / "a.pt2", lambda _: None)).deviation() <= TOLERANCE
    for kind, file in files.items():
        whole = file.read_bytes()
        path = tmp_path / f"b.{kind}"
        for content in (b"", whole[: len(whole) // 2], b"PK\x03\x04" + bytes(100)):
            path.write_bytes(content)
            with pytest.raises(ModelError):
                load(path)
    with pytest.raises(ModelError, match="There is no file"):
        load(tmp_path / "none.pt2")
    with pytest.raises(UnknownNameError):
        load(tmp_path / "none.txt")


@pytest.mark.slow
def test_a_file_that_gives_other_numbers_is_refused(files: dict[str, Path], tmp_path: Path) -> None:
    def change(parts: dict[str, bytes]) -> None:
        largest = max((name for name in parts if "weight_" in name), key=lambda name: len(parts[name]))
        parts[largest] = (np.frombuffer(parts[largest], np.float32) + 1).tobytes()

    with pytest.raises(ModelError, match="gives other numbers here than where it was written"):
        load(changed(files["pt2"], tmp_path / "a.pt2", change))


@pytest.mark.slow
def test_files_name_no_folder_of_the_computer_that_wrote_them(files: dict[str, Path]) -> None:
    for path in files.values():
        content = path.read_bytes()
        assert str(Path(cryskit.__file__).parent).encode() not in content
        assert b"site-packages" not in content


@pytest.mark.slow
def test_a_pt2_file_is_one_for_torch_alone(files: dict[str, Path], small: Path) -> None:
    eager = cryskit.load(small)
    graph = cryskit.build_graphs(CRYSTALS[:7], eager.card.spec)
    predictions, vectors = torch.export.load(files["pt2"]).module()(**inputs_of(graph))
    assert deviation(predictions.detach().numpy(), eager.values(graph)) <= TOLERANCE
    assert vectors.shape == (7, 8)
