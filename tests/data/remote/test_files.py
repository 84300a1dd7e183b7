"""Files and web interfaces of other computers, in recorded forms of their answers; and what may not be connected to."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from data.remote.servers import QUICK, Scripted, elastic, scripted, send

from cryskit.data.read import read
from cryskit.data.remote.cod import Cod
from cryskit.data.remote.fetch import fetch
from cryskit.data.remote.jarvis import Jarvis
from cryskit.data.remote.matbench import Matbench
from cryskit.data.remote.materials_project import MaterialsProject
from cryskit.data.sources import remote, require_source
from cryskit.errors import DataError, UnknownNameError

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
CELL = {"lattice_mat": [[4, 0, 0], [0, 4, 0], [0, 0, 4]], "coords": [[0, 0, 0]], "elements": ["Po"]}


def test_a_data_set_of_jarvis_is_unpacked(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.json", json.dumps([{"jid": "JVASP-1", "atoms": CELL, "optb88vdw_bandgap": 0.5}]))
    with scripted(lambda handler, _: send(handler, packed.getvalue())) as server:
        fetch(Jarvis("dft_3d", server.base), tmp_path / "x.parquet", limits=QUICK)
        assert server.asked == ["/files/64391379"]
    assert [row.id for row in read(tmp_path / "x.parquet")] == ["JVASP-1"]


def test_a_file_that_is_not_the_published_one_of_matbench_is_refused(tmp_path: Path) -> None:
    with scripted(lambda handler, _: send(handler, b"something else")) as server:
        with pytest.raises(DataError, match="is not the published file"):
            fetch(Matbench("jdft2d", server.base), tmp_path / "x.parquet", limits=QUICK)
        assert server.asked == ["/projects/matbench_jdft2d.json.gz"]
    assert not list(tmp_path.iterdir())


def test_json_that_is_too_large_to_be_held_in_memory_is_refused_before_it_is_fetched(tmp_path: Path) -> None:
    small = replace(QUICK, held_bytes=1000)
    with scripted(lambda handler, _: send(handler, b"\n" * 2000)) as server:
        for name in ("a.json", "a.json.gz", "a.json.zip"):
            with pytest.raises(
                DataError, match=r"sends more than 1,000 bytes at once\. Its format is read into memory"
            ):
                fetch(remote(f"{server.base}/{name}"), tmp_path / "x.parquet", limits=small)
            assert not list(tmp_path.iterdir()), "nothing is left to go on with"
        with pytest.raises(DataError, match="is empty"):  # lines are read one by one, however many
            fetch(remote(f"{server.base}/a.jsonl"), tmp_path / "x.parquet", limits=small)


def test_structures_of_cod_are_fetched_one_by_one(tmp_path: Path) -> None:
    content = (EXAMPLES / "NaCl.cif").read_bytes()
    with scripted(lambda handler, _: send(handler, content)) as server:
        fetch(Cod("1000041,1000042", server.base), tmp_path / "x.parquet", limits=QUICK)
        assert server.asked == ["/cod/1000041.cif", "/cod/1000042.cif"]
    assert [row.id for row in read(tmp_path / "x.parquet")] == ["1000041", "1000042"]


def test_the_materials_project_is_asked_with_the_key_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {
            "material_id": c.id,
            "structure": {
                "lattice": {"matrix": c.lattice.tolist()},
                "sites": [{"species": [{"element": "Fe", "occu": 1}], "abc": place} for place in c.fractional.tolist()],
            },
            "band_gap": 1.5,
        }
        for c in elastic(3)
    ]
    monkeypatch.setenv("MP_API_KEY", "secret")

    def answer(handler: object, server: Scripted) -> None:
        start = len(server.asked) * 2 - 2
        send(handler, {"data": rows[start : start + 2], "meta": {"total_doc": 3}})  # type: ignore[arg-type]

    with scripted(answer) as server:
        made = MaterialsProject("chemsys=Fe", page_limit=2, base=server.base)
        card = fetch(made, tmp_path / "x.parquet", limits=QUICK).card
        assert all(headers["X-API-KEY"] == "secret" for headers in server.headers)
        assert len(server.asked) == 2
    assert card["rows"] == 3
    assert "secret" not in json.dumps(dict(card))
    monkeypatch.delenv("MP_API_KEY")
    with pytest.raises(DataError, match="without a key"):
        fetch(made, tmp_path / "y.parquet", limits=QUICK)


@pytest.mark.parametrize(
    "name", ["optimade:mp?nelements=2", "mp:chemsys=Fe", "jarvis:dft_3d", "matbench:jdft2d", "cod:1000041"]
)
def test_offline_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_source(name)
    monkeypatch.setenv("CRYSKIT_OFFLINE", "1")
    with pytest.raises(DataError, match="connections are forbidden"):
        require_source(name)
    with pytest.raises(DataError, match="connections are forbidden"):
        read(name)


@pytest.mark.parametrize(
    "name",
    [
        "https://example.com/x.cif",
        "http://zenodo.org/x.cif",
        "optimade:https://example.com",
        "https://a:b@zenodo.org/x.cif",
    ],
)
def test_other_addresses_are_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"none of the hosts|not encrypted|user name"):
        remote(name)


def test_unknown_names_are_said() -> None:
    with pytest.raises(UnknownNameError, match="provider of OPTIMADE called 'mq'"):
        remote("optimade:mq")
