"""What only the page asks for: its files, structures as JSON, structure types, rows as files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gemmi
import moyopy
import numpy as np
import pytest
from service.conftest import EXAMPLES, SALT, bare

from cryskit.service.prototypes import PROTOTYPES, built
from cryskit.service.settings import Settings

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

SYMMETRY = {"rock-salt": ("Fm-3m", 8), "spinel": ("Fd-3m", 56), "diamond": ("Fd-3m", 8), "wurtzite": ("P6_3mc", 4)}
MEASURED = {"rock-salt": 5.64, "fluorite": 5.46, "perovskite": 3.905, "spinel": 8.08, "zincblende": 5.41, "fcc": 3.61}


def test_the_page_runs_its_own_files_alone_and_needs_no_token() -> None:
    client = bare(Settings(token="a secret that is long"))  # noqa: S106 - it guards nothing
    page = client.get("/")
    assert page.status_code == 200
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert "style=" not in page.text
    assert client.get("/page/app.js").headers["content-type"].startswith("text/javascript")
    assert client.get("/", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
    assert client.get("/v1/prototypes").status_code == 401


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "nothing.js", "%2e%2e/page_routes.py"])
def test_no_other_file_can_be_asked_for(name: str) -> None:
    assert bare(Settings()).get(f"/page/{name}").status_code == 404


def test_structures_are_predicted_as_their_files_are(client: TestClient) -> None:
    files = [("files", (path.name, path.read_bytes())) for path in sorted(EXAMPLES.glob("*.cif"))[:3]]
    files.append(("files", ("notes.txt", b"hello")))
    rows = client.post("/v1/structures", files=files).json()["rows"]
    assert [row["status"] for row in rows] == ["ok", "ok", "ok", "failed"]
    names = ("id", "lattice", "frac_coords", "atomic_numbers")
    sent = [{name: row[name] for name in names} for row in rows[:3]]
    again = client.post("/v1/predict", json={"structures": sent}).json()["rows"]
    there = client.post("/v1/predict", files=files[:3]).json()["rows"]
    assert [row["band_gap"] for row in again] == pytest.approx([row["band_gap"] for row in there], abs=1e-4)


@pytest.mark.parametrize("name", PROTOTYPES)
def test_a_structure_type_has_its_space_group(name: str) -> None:
    made = built(name)
    cell = moyopy.Cell(made["lattice"], made["frac_coords"], made["atomic_numbers"])
    assert moyopy.MoyoDataset(cell, symprec=1e-3).number == gemmi.SpaceGroup(PROTOTYPES[name].group).number
    group, atoms = SYMMETRY.get(name, (PROTOTYPES[name].group, len(made["atomic_numbers"])))
    assert (PROTOTYPES[name].group, len(made["atomic_numbers"])) == (group, atoms)


@pytest.mark.parametrize(("name", "length"), MEASURED.items())
def test_a_lattice_from_radii_is_near_the_measured_one(name: str, length: float) -> None:
    assert built(name)["a"] == pytest.approx(length, rel=0.05)


def test_elements_and_lattice_are_chosen(client: TestClient) -> None:
    asked: dict[str, Any] = {"prototype": "rutile", "elements": {"A": "Sn"}, "a": 4.74, "ratio": 0.67}
    made = client.post("/v1/prototypes", json=asked).json()
    assert sorted(made["atomic_numbers"]) == [8] * 4 + [50] * 2
    assert np.linalg.norm(made["lattice"], axis=1) == pytest.approx([4.74, 4.74, 4.74 * 0.67])
    for wrong in ({"prototype": "rutil"}, asked | {"elements": {"A": "Xx"}}, asked | {"elements": {"Q": "O"}}):
        assert client.post("/v1/prototypes", json=wrong).status_code == 422
    assert client.post("/v1/prototypes", json=asked | {"a": -1}).status_code == 422


def test_rows_become_a_file_in_their_order(client: TestClient) -> None:
    row = client.post("/v1/predict", json={"structures": [SALT]}).json()["rows"][0]
    rows = [{"id": "=1+1", "status": "failed", "reason": "nothing"}, row]
    table = client.post("/v1/export?format=csv", json={"rows": rows, "properties": ["band_gap"]}).text.splitlines()
    assert table[0].startswith("id,formula,band_gap,")
    assert table[1].startswith("'=1+1,"), "a spreadsheet runs nothing"
    assert float(table[2].split(",")[2]) == row["band_gap"]
    wrong = client.post("/v1/export?format=parquet", json={"rows": [{"id": "a", "band_gap": "b"}]})
    assert wrong.status_code == 422
