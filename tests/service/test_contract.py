"""What each route answers: one row per crystal, the numbers of the command line, the schema that /openapi.json publishes."""

from __future__ import annotations

import io
import json
import subprocess
from typing import TYPE_CHECKING, Any

import preloaded
import pyarrow.parquet as pq
import pytest
from service.conftest import EXAMPLES, IRON, SALT

import cryskit
from cryskit.service.schemas import Describe, Embed, Explain, Predict, Search

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi.testclient import TestClient

FILES = sorted(EXAMPLES.glob("*.cif"))[:3]


def uploads(paths: list[Path]) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (path.name, path.read_bytes())) for path in paths]


def test_rows_are_those_of_the_command_line(client: TestClient) -> None:
    command = [preloaded.command(), "predict", *map(str, FILES), "--json", "--accelerator", "cpu"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    there = json.loads(run.stdout)
    here = client.post("/v1/predict", files=uploads(FILES)).json()
    assert here["model"] == there["model"]
    assert here["units"] == there["units"]
    assert here["interval"] == there["interval"]
    assert len(here["rows"]) == len(FILES) == len(there["rows"])
    for ours, theirs in zip(here["rows"], there["rows"], strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["path"] == theirs["path"].rpartition("/")[2]
        for name in ours.keys() - {"path"}:
            assert ours[name] == (
                pytest.approx(theirs[name], abs=1e-4) if isinstance(ours[name], float) else theirs[name]
            )


def test_every_form_of_a_structure_is_a_row_in_its_place(client: TestClient) -> None:
    read = cryskit.read(FILES[0])
    (crystal,) = read
    structure = crystal.to_pymatgen() if hasattr(crystal, "to_pymatgen") else None
    given: list[Any] = [
        SALT | {"id": "salt"},
        IRON,
        FILES[0].read_text(),
        {"id": "row", "structure": IRON},
        structure.as_dict() if structure is not None else IRON,
        {"numbers": [55, 17], "positions": [[0, 0, 0], [2.06, 2.06, 2.06]], "cell": SALT["lattice"], "pbc": [1, 1, 1]},
        {"nothing": 1},
        7,
        None,
        [],
    ]
    found = client.post("/v1/predict", json={"structures": given, "properties": ["band_gap"]})
    assert found.status_code == 200, found.text
    rows = found.json()["rows"]
    assert [row["reason"] for row in rows[:6]] == [""] * 6
    assert [row["status"] for row in rows[6:]] == ["failed"] * 4
    assert all(row["reason"] for row in rows[6:])
    assert [row["id"] for row in rows][:2] == ["salt", "1"]
    assert rows[5]["band_gap"] == pytest.approx(rows[0]["band_gap"], abs=1e-4)


def test_a_dictionary_of_ids_holds_several(client: TestClient) -> None:
    found = client.post("/v1/predict", json={"structures": {"one": SALT, "two": SALT}}).json()
    assert [row["id"] for row in found["rows"]] == ["one", "two"]


def test_a_wrong_file_is_a_failed_row_among_the_others(client: TestClient) -> None:
    sent = [*uploads(FILES[:1]), ("files", ("notes.txt", b"hello")), ("files", ("empty.cif", b""))]
    rows = client.post("/v1/predict", files=sent).json()["rows"]
    assert [row["status"] for row in rows] == ["ok", "failed", "failed"]
    assert "no known format" in rows[1]["reason"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_is_the_same_in_every_form(client: TestClient, form: str) -> None:
    sent = {"structures": [SALT, IRON]}
    plain = client.post("/v1/predict", json=sent).json()
    other = client.post(f"/v1/predict?format={form}", json=sent)
    assert f'filename="cryskit.{form}"' in other.headers["content-disposition"]
    if form == "csv":
        assert other.text.splitlines()[0].split(",") == list(plain["rows"][0])
    else:
        table = pq.read_table(io.BytesIO(other.content))
        assert table.to_pylist() == plain["rows"]
        assert table.schema.metadata[b"model"].decode() == plain["model"]


def test_fields_of_a_form_are_the_options(client: TestClient) -> None:
    options = {"properties": "band_gap, bulk_modulus", "interval": "0.8", "structures": json.dumps([SALT])}
    found = client.post("/v1/predict", files=uploads(FILES[:1]), data=options).json()
    assert len(found["rows"]) == 2
    assert found["interval"] == 0.8
    assert "bulk_modulus_lo" in found["rows"][0]
    assert "formation_energy_per_atom" not in found["rows"][0]


def test_vectors_are_those_of_python(client: TestClient) -> None:
    found = client.post("/v1/embed", files=uploads(FILES[:2])).json()
    table = cryskit.load("cryskit-mp").embed([str(path) for path in FILES[:2]])
    for row, vector in zip(found["rows"], table["vector"], strict=True):
        assert row["vector"] == pytest.approx(vector, abs=1e-4)
    assert found["width"] == len(found["rows"][0]["vector"])


def test_contributions_add_up(client: TestClient) -> None:
    found = client.post("/v1/explain", json={"structures": [SALT, "nonsense"], "property": "band_gap"}).json()
    salt, nonsense = found["rows"]
    total = sum(salt["atoms"]["contribution"]) + salt["completeness_error"]
    assert total == pytest.approx(salt["prediction"], abs=1e-4)
    assert nonsense["status"] == "failed"
    assert found["model"]["name"].startswith("cryskit-mp@")
    assert found["property"] == "band_gap"


def test_the_nearest_crystal_is_the_same_one(client: TestClient) -> None:
    sent = {"structures": [SALT], "candidates": [IRON, SALT | {"id": "same"}, "nonsense"], "top": 3}
    found = client.post("/v1/search", json=sent).json()
    assert [row["id"] for row in found["rows"]] == ["same", "candidate 0", "candidate 2"]
    assert found["rows"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert found["rows"][2]["status"] == "failed"


def test_a_search_says_what_is_missing(client: TestClient) -> None:
    nowhere = client.post("/v1/search", json={"structures": [SALT]})
    assert nowhere.status_code == 422
    assert "elastic_tensor" in nowhere.json()["cure"]
    sent = {"words": "a cubic perovskite", "candidates": [SALT], "model": "crysae"}
    words = client.post("/v1/search", json=sent)
    assert words.status_code == 422
    assert "cryskit pretrain contrast" in words.json()["cure"]


def test_crystals_are_found_by_words_where_no_model_is_named(client: TestClient) -> None:
    sent = {"words": "body-centred cubic iron", "candidates": [SALT, IRON], "top": 2}
    found = client.post("/v1/search", json=sent).json()
    assert found["model"].startswith("cryskit-search@")
    assert [row["id"] for row in found["rows"]] == ["candidate 1", "candidate 0"]


@pytest.mark.parametrize(
    ("kind", "sent", "status", "said"),
    [
        ("predict", {"structures": [SALT], "model": "nothing"}, 422, "Known: "),
        ("predict", {"structures": [SALT], "properties": ["band_gapp"]}, 422, "Did you mean band_gap?"),
        ("predict", {"structures": [SALT], "model": "crysgnn"}, 422, "pre-trained"),
        ("predict", {"structures": [SALT], "interval": 2}, 422, "interval"),
        ("predict", {"structures": [SALT], "further": 2}, 422, "further"),
        ("predict", {"structures": []}, 422, "no crystals"),
        ("predict", {}, 422, "no crystals"),
        ("explain", {"structures": [SALT], "property": "x"}, 422, "no property"),
        ("search", {"structures": [SALT], "data": "elastic"}, 422, "Did you mean elastic_tensor?"),
    ],
)
def test_an_error_says_what_to_do(client: TestClient, kind: str, sent: Any, status: int, said: str) -> None:
    found = client.post(f"/v1/{kind}", json=sent)
    assert found.status_code == status
    assert found.headers["content-type"] == "application/problem+json"
    problem = found.json()
    assert said in problem["detail"]
    assert problem["cure"]
    assert problem["request_id"] == found.headers["x-request-id"]
    assert {"type", "title", "status", "detail"} <= problem.keys()


def test_what_is_published_has_versions_and_units(client: TestClient) -> None:
    found = client.get("/v1/models")
    models = {each["name"]: each for each in found.json()["models"]}
    assert models["cryskit-mp"]["default"]
    assert models["cryskit-mp"]["model"] == f"cryskit-mp@{models['cryskit-mp']['version']}"
    assert {"name", "unit", "kind"} <= models["cryskit-mp"]["properties"][0].keys()
    assert "# cryskit-mp" in client.get("/v1/models/cryskit-mp").json()["card"]
    again = client.get("/v1/models", headers={"If-None-Match": found.headers["etag"]})
    assert again.status_code == 304
    assert not again.content
    assert {each["name"] for each in client.get("/v1/data").json()["data"]} == set(cryskit.datasets())
    assert client.get("/v1/limits").json()["rows"] == 60


def test_tags_are_those_of_question_and_model(client: TestClient) -> None:
    asked = {"structures": [SALT], "properties": ["band_gap"]}
    first, second = (client.post("/v1/predict", json=asked).headers["etag"] for _ in range(2))
    other = client.post("/v1/predict", json=asked | {"model": "cryskit-mp@2026.11"}).headers["etag"]
    assert first == second != other


def test_the_schema_has_examples_that_work(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    for kind, form in [("predict", Predict), ("embed", Embed), ("explain", Explain)]:
        body = document["paths"][f"/v1/{kind}"]["post"]["requestBody"]["content"]
        example = body["application/json"]["examples"]["example 1"]["value"]
        assert form.model_validate(example)
        rows = client.post(f"/v1/{kind}", json=example).json()["rows"]
        assert [row["status"] for row in rows] == ["ok"] * len(example["structures"])
    for form in (Describe, Search):
        assert form.model_json_schema()["examples"]
    assert {"/healthz", "/readyz", "/metrics", "/v1/jobs/{job_id}"} <= document["paths"].keys()


def test_health_and_figures(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    client.post("/v1/predict", json={"structures": [SALT, "nonsense"]})
    text = client.get("/metrics").text
    assert 'cryskit_requests_total{method="POST",route="/v1/predict",status="200"}' in text
    assert 'cryskit_crystals_total{kind="predict",status="failed"}' in text
    assert "cryskit_model_bytes 7" in text or "cryskit_model_bytes 8" in text or "cryskit_model_bytes" in text
    client.get("/v1/../../secret-name")
    assert "secret-name" not in client.get("/metrics").text


def test_no_client_can_make_figures_without_end(client: TestClient) -> None:
    before = client.get("/metrics").text.count("\n")
    for i in range(20):
        client.request(f"ODD{i}", "/v1/predict")
        client.request("GET", f"/odd/{i}")
        client.get(f"/v1/models/odd{i}")
        client.get(f"/v1/jobs/odd{i}/result")
    after = client.get("/metrics").text
    assert "odd" not in after.lower()
    assert after.count("\n") - before < 100
