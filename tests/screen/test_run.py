"""A screening gives the rows of `predict`, whatever happens while it runs, and goes on where it was left."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import preloaded
import pyarrow.parquet as pq
import pytest
from screen.conftest import tiny

from benchmarks.studies.hostile_crystals import hostile
from cryskit.data.interchange import write
from cryskit.errors import DataError, DiskFullError, PlanError
from cryskit.predict.load import load
from cryskit.screen.folder import Folder
from cryskit.screen.local import LocalEngine
from cryskit.screen.merge import merge
from cryskit.screen.network import Networks
from cryskit.screen.run import Asked, Share, screen
from cryskit.types import Crystal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ROWS = 64


def run(out: Path, model: Path, *sources: Path | str, workers: int = 1, share: str = "1/1", **asked: Any) -> Folder:
    given = Asked(tuple(map(str, sources)), (str(model),), part_rows=ROWS, **asked)
    networks = Networks([load(model)], given.properties, given.interval, vectors=given.vectors)
    folder = Folder(out)
    screen(given, networks, folder, LocalEngine(workers, given.timeout), Share.of_text(share))
    return folder


def files(folder: Folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.path.rglob("*")) if path.is_file()}


@pytest.fixture(scope="session")
def whole(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder of an undisturbed screening."""
    return run(tmp_path_factory.mktemp("whole") / "out", model, data)


def table(folder: Folder) -> list[dict[str, Any]]:
    return [row for part in folder.whole() for row in pq.read_table(part.path).to_pylist()]


def test_rows_are_those_of_predict(whole: Folder, model: Path, data: Path, crystals: Sequence[Crystal]) -> None:
    rows, expected = table(whole), load(model).predict(str(data))
    assert [part.rows for part in whole.whole()] == [64, 64, 64, 64, 44]
    assert [row["id"] for row in rows] == [crystal.id for crystal in crystals]
    for name in ("path", "formula", "status", "reason"):
        assert [row[name] for row in rows] == expected[name].tolist()
    for name in ("bulk_modulus", "band_gap"):
        np.testing.assert_allclose([row[name] for row in rows], expected[name], rtol=1e-5)
    assert [row["nsites"] for row in rows] == list(map(len, crystals))
    assert (rows[0]["formula"], rows[0]["elements"]) == ("AlCo2Si2", "Al-Co-Si")
    assert list(rows[0])[:8] == ["id", "path", "formula", "nsites", "spacegroup", "elements", "status", "reason"]
    manifest = json.loads((whole.path / "manifest.json").read_text())
    assert [part["rows"] for part in manifest["parts"]] == [[0, 64], [64, 128], [128, 192], [192, 256], [256, 300]]


@pytest.mark.slow
def test_the_number_of_processes_and_shares_change_no_byte(
    whole: Folder, model: Path, data: Path, tmp_path: Path
) -> None:
    assert files(run(tmp_path / "two", model, data, workers=2)) == files(whole)
    for share in ("2/3", "1/3"):
        shared = run(tmp_path / "shares", model, data, share=share)
    assert shared.count == 5
    assert [part.number for part in shared.parts()] == [0, 1, 3, 4]
    with pytest.raises(DataError, match="1 part missing or damaged"):
        shared.whole()
    assert files(run(tmp_path / "shares", model, data, share="3/3")) == files(whole)


def test_what_is_damaged_or_missing_is_done_again_and_nothing_else(
    whole: Folder, model: Path, data: Path, tmp_path: Path
) -> None:
    copy = Folder(shutil.copytree(whole.path, tmp_path / "copy"))
    flipped, noted, gone, half = (copy.path / "parts" / f"part-00000{i}.parquet" for i in range(4))
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 4
    flipped.write_bytes(bytes(content))
    noted.with_suffix(".json").write_text("{")
    gone.unlink()
    half.with_suffix(".json").unlink()
    kept = copy.path / "parts" / "part-000004.parquet"
    before = kept.stat().st_mtime_ns
    with pytest.raises(DataError, match="4 parts missing or damaged"):
        copy.whole()
    assert files(run(copy.path, model, data)) == files(whole)
    assert kept.stat().st_mtime_ns == before


def test_other_arguments_models_and_sources_are_refused_with_what_differs(
    whole: Folder, model: Path, data: Path, crystals: list[Crystal], tmp_path: Path
) -> None:
    copy = shutil.copytree(whole.path, tmp_path / "copy")
    with pytest.raises(PlanError, match=r"--interval was 0\.9 and is 0\.8\. Give"):
        run(copy, model, data, interval=0.8)
    with pytest.raises(PlanError, match=r"--property was not given and is band_gap\. Give"):
        run(copy, model, data, properties=("band_gap",))
    other = tmp_path / "other.safetensors"
    tiny("bulk_modulus", seed=1).save(other)
    with pytest.raises(PlanError, match=r"--model was .*tiny\.safetensors and is .*other\.safetensors\. Give"):
        run(copy, other, data)
    changed = tmp_path / "set.parquet"
    write(changed, crystals)
    run(tmp_path / "mine", model, changed)
    write(changed, crystals[1:])
    with pytest.raises(PlanError, match=r"set\.parquet holds something else than then\. Give"):
        run(tmp_path / "mine", model, changed)
    with pytest.raises(
        PlanError, match=r"SRC was .*set\.parquet and is .*, .*; --vectors was not given and is given\. Give"
    ):
        run(tmp_path / "mine", model, changed, data, vectors=True)
    tiny("bulk_modulus", seed=1).save(tmp_path / "same-name.safetensors")
    both = run(tmp_path / "both", tmp_path / "same-name.safetensors", data, changed)
    with pytest.raises(PlanError, match=r"SRC was .*data\d*/set\.parquet, .* and is "):
        run(both.path, tmp_path / "same-name.safetensors", changed, data)
    tiny("bulk_modulus", seed=2).save(tmp_path / "same-name.safetensors")
    with pytest.raises(PlanError, match=r"same-name\.safetensors is another model than then"):
        run(both.path, tmp_path / "same-name.safetensors", data, changed)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "thesis.tex").touch()
    with pytest.raises(DataError, match=r"other files: thesis\.tex"):
        run(tmp_path / "used", model, data)


def test_an_edit_of_the_same_size_in_a_folder_is_noticed(model: Path, tmp_path: Path) -> None:
    folder, texts = tmp_path / "files", tmp_path / "texts"
    for place in (folder, texts):
        place.mkdir()
    cell = "NaCl\n5.64\n0 0.5 0.5\n0.5 0 0.5\n0.5 0.5 0\nNa Cl\n1 1\ndirect\n0 0 0\n0.5 0.5 0.5\n"
    (folder / "POSCAR").write_text(cell)
    (texts / "a.vasp").write_text(cell)
    (tmp_path / "table.csv").write_text("id,structure_file\na,a.vasp\n")
    for kept, arguments in ((folder, {}), (texts, {"structures": texts})):
        source, out = (tmp_path / "table.csv" if arguments else folder), tmp_path / f"of-{kept.name}"
        before = run(out, model, source, **arguments)
        assert table(before)[0]["status"] != "failed"
        run(out, model, source, **arguments)
        for file in kept.iterdir():
            file.write_text(cell.replace("5.64", "5.65"))
        with pytest.raises(PlanError, match=rf"{kept.name} holds something else than then"):
            run(out, model, source, **arguments)


@pytest.mark.slow
def test_crystals_that_crash_hang_or_raise_cost_their_own_rows(
    whole: Folder, model: Path, crystals: list[Crystal], tmp_path: Path
) -> None:
    hostile_ids = {5: "crash", 70: "hang", 71: "raise", 299: "crash again"}
    path = tmp_path / "set.parquet"
    write(path, [replace(crystal, id=hostile_ids.get(i, crystal.id)) for i, crystal in enumerate(crystals)])
    folder, networks = Folder(tmp_path / "out"), Networks([load(model)])
    asked = Asked((str(path),), (str(model),), part_rows=ROWS, timeout=3)
    screen(asked, networks, folder, LocalEngine(2, 3, hostile))
    rows, expected = table(folder), table(whole)
    assert len(rows) == 300
    for i, (row, before) in enumerate(zip(rows, expected, strict=True)):
        if i in hostile_ids:
            assert (row["status"], row["bulk_modulus"], row["id"]) == ("failed", None, f"row {i}")
            assert ("ZeroDivisionError" if i == 71 else "longer than 3 s") in row["reason"]
        else:
            assert row["id"] == before["id"]
            assert row["bulk_modulus"] == pytest.approx(before["bulk_modulus"], rel=1e-5)


def test_bad_rows_of_any_kind_keep_their_places(model: Path, crystals: list[Crystal], tmp_path: Path) -> None:
    thin = Crystal("thin", np.diag([9.0, 9.0, 1e-3]), np.zeros((1, 3)), np.array([3]))
    squeezed = Crystal("squeezed", np.eye(3) * 0.7, np.zeros((1, 3)), np.array([3]))
    path, broken = tmp_path / "set.parquet", tmp_path / "broken.cif"
    write(path, [thin, *crystals[:3], squeezed])
    broken.write_text("nothing")
    rows = table(run(tmp_path / "out", model, broken, path))
    assert [row["status"] for row in rows] == ["failed", "failed", "ok", "ok", "ok", "warned"]
    assert rows[0]["id"] == "broken"
    assert rows[0]["path"] == str(broken)
    assert "thick" in rows[1]["reason"]
    assert rows[1]["nsites"] is None


@pytest.mark.slow
def test_processes_that_work_on_one_folder_at_a_time_give_the_same_bytes(
    whole: Folder, model: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    common = ["screen", str(data), "--model", str(model), "--out", str(out), "--workers", "1", "--part-rows", "64"]
    shares = ("1/2", "1/1")  # the second may do what the first does at the same moment
    started = [
        subprocess.Popen([preloaded.command(), *common, "--share", share], stderr=subprocess.PIPE, text=True)
        for share in shares
    ]
    said = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert files(Folder(out)) == files(whole)


CHILD = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from cryskit.cli import main
sys.argv = ["cryskit", *sys.argv[2:]]
main()
"""


def test_a_full_disk_is_one_clear_error_and_the_run_goes_on_later(
    whole: Folder, model: Path, data: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the disk: the system refuses to write in the same way."""
    size = (whole.path / "parts" / "part-000001.parquet").stat().st_size
    out = tmp_path / "out"
    arguments = ["screen", str(data), "--model", str(model), "--out", str(out), "--workers", "1", "--part-rows", "64"]
    ended = subprocess.run(
        [sys.executable, "-c", CHILD, str(size // 2), *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith(f"Error: There is no room left for {out}")
    assert "Traceback" not in ended.stderr
    assert not list(out.rglob("*.partial"))
    assert files(run(out, model, data)) == files(whole)
    assert issubclass(DiskFullError, Exception)


def test_several_models_fill_one_table(model: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    tiny("poisson_ratio", seed=1).save(other)
    predictors = [load(model), load(other)]
    schema = Networks(predictors).schema
    assert {"bulk_modulus", "band_gap", "poisson_ratio"} <= set(schema.names)
    assert len(schema.names) == len(set(schema.names))
    folder = Folder(tmp_path / "out")
    asked = Asked((str(data),), (str(model), str(other)), part_rows=ROWS)
    screen(asked, Networks(predictors, vectors=True), folder, LocalEngine(1))
    rows, expected = table(folder), load(other).predict(str(data))
    np.testing.assert_allclose([row["poisson_ratio"] for row in rows], expected["poisson_ratio"], rtol=1e-5)
    vectors = load(model).embed(str(data))["vector"]
    np.testing.assert_allclose(np.stack([row["vector"] for row in rows]), np.stack(vectors), rtol=2e-3, atol=1e-3)
    with pytest.raises(PlanError, match="Both tiny-0 and tiny-2 predict band_gap"):
        Networks([predictors[0], tiny("band_gap", seed=2)])


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_parts_are_merged_in_order(whole: Folder, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"all.{ending}"
    assert merge(whole, path) == 300
    if ending == "parquet":
        assert pq.read_table(path).to_pylist() == table(whole)
        assert pq.read_schema(path).metadata[b"model"] == b"tiny-0"
    else:
        lines = path.read_text().splitlines()
        assert len(lines) == 301
        assert [line.split(",")[0] for line in lines[1:]] == [row["id"] for row in table(whole)]


def test_shares_are_read_from_a_text() -> None:
    assert Share.of_text("2/8") == (2, 8)
    for wrong in ("0/8", "9/8", "8", "a/b", "1/0", "-1/2"):
        with pytest.raises(PlanError, match="no share"):
            Share.of_text(wrong)


PEAKS = """
import json, resource, sys
from cryskit.cli import app
peaks = []
for call in json.loads(sys.argv[1]):
    app(call, standalone_mode=False)
    peaks.append([resource.getrusage(who).ru_maxrss // 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)])
print(json.dumps(peaks))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read as Linux counts it")
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_rows(model: Path, tmp_path: Path) -> None:
    """Six thousand rows in one row group take hardly more memory than a thousand before them, in this process and in the workers."""
    calls = []
    for times in (10, 60):
        path, one = tmp_path / f"{times}.parquet", tmp_path / f"{times}-one.parquet"
        many = (
            Crystal(f"{i}-{z}", np.eye(3) * (4 + i % 50 / 50), np.zeros((1, 3)), np.array([z]))
            for i in range(times)
            for z in range(1, 101)
        )
        write(path, many, [])
        pq.write_table(pq.read_table(path), one, row_group_size=10**6)
        out = tmp_path / f"out{times}"
        calls.append(["screen", str(one), "--model", str(model), "--out", str(out), "--workers", "2"])
    ended = subprocess.run([sys.executable, "-c", PEAKS, json.dumps(calls)], capture_output=True, text=True, check=True)
    peaks = json.loads(ended.stdout)
    assert sum(part.rows for part in Folder(tmp_path / "out60").whole()) == 6_000
    for few, many_rows in zip(*peaks, strict=True):
        assert many_rows < few + 50, f"MB of this process and of a worker: {peaks}"
