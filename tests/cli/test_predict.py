"""`cryskit predict` and `cryskit embed`: the same numbers as in Python, one row per structure, whatever is among them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cryskit.data.interchange import write
from cryskit.predict import readout, writers
from cryskit.predict.load import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from cryskit.predict.predictor import Predictor
    from cryskit.types import Crystal

    Call = Callable[..., Result]

NAMES = ["bulk_modulus", "poisson_ratio"]


def read_table(path: Path) -> pd.DataFrame:
    """Read what --out wrote as any user would."""
    if path.suffix == ".json":
        return pd.DataFrame(json.loads(path.read_text(encoding="utf-8"))["rows"])
    return (
        pd.read_csv(path, dtype={"reason": str}, keep_default_na=False, float_precision="round_trip")
        if path.suffix == ".csv"
        else pd.read_parquet(path)
    )


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_command_line_python_and_reloaded_file_agree(
    cryskit: Call, model: Path, predictor: Predictor, cifs: list[Path], tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"table.{ending}"
    result = cryskit("predict", *cifs, "--model", model, "--out", out, "--accelerator", "cpu")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "5 rows, 0 failed" in result.stderr
    written = read_table(out)
    python = predictor.predict(cifs)
    assert list(written.columns) == ["id", "path", "formula", *NAMES, "status", "reason"]
    assert written["id"].tolist() == ["Si", "NaCl", "MgO", "GaAs", "Fe"]
    for other in (python, load(model).predict(cifs)):
        pd.testing.assert_frame_equal(written, other, check_dtype=False, check_exact=True)


def test_rows_follow_the_order_of_all_paths(
    cryskit: Call, model: Path, predictor: Predictor, cifs: list[Path], crystals: list[Crystal], tmp_path: Path
) -> None:
    parquet = tmp_path / "some.parquet"
    write(parquet, crystals[:3])
    paths = [cifs[0], parquet, cifs[0].parent, cifs[1]]
    result = cryskit("predict", *paths, "--model", model, "--out", "out.csv")
    written = pd.read_csv(tmp_path / "out.csv")
    expected = ["Si", *(c.id for c in crystals[:3]), "Fe", "GaAs", "MgO", "NaCl", "Si", "NaCl"]
    assert result.exit_code == 0
    assert written["id"].tolist() == expected
    assert written[NAMES].to_numpy() == pytest.approx(predictor.predict(paths)[NAMES].to_numpy(), rel=1e-6)


def test_bad_files_keep_their_rows_and_stop_nobody(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path
) -> None:
    good = cryskit("predict", *cifs, "--model", model, "--json")
    broken, other = tmp_path / "broken.cif", tmp_path / "notes.md"
    broken.write_text(cifs[0].read_text(encoding="utf-8")[:200], encoding="utf-8")
    other.write_text("no structure", encoding="utf-8")
    mixed = cryskit("predict", broken, *cifs[:2], other, *cifs[2:], "--model", model, "--json")
    rows = json.loads(mixed.stdout)["rows"]
    assert (good.exit_code, mixed.exit_code) == (0, 1)
    assert [row["id"] for row in rows if row["status"] == "failed"] == ["broken", "notes.md"]
    assert all(row["reason"] and row["bulk_modulus"] is None for row in (rows[0], rows[3]))
    assert [row for row in rows if row["status"] != "failed"] == json.loads(good.stdout)["rows"]


def test_the_printed_table_has_units_in_its_heading_and_no_empty_column(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path
) -> None:
    lines = cryskit("predict", *cifs, "--model", model).stdout.splitlines()
    assert [line.split() for line in lines[:2]] == [["id", *NAMES, "status"], ["GPa"]]
    assert lines[1].index("GPa") + 3 == lines[0].index("bulk_modulus") + len("bulk_modulus")
    assert len(lines) == 2 + len(cifs)
    (tmp_path / "empty.cif").touch()
    result = cryskit("predict", "empty.cif", "--model", model)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].split()[-1] == "reason"
    assert "empty.cif: The file is empty." in result.stdout


def test_a_property_may_be_asked_for_by_an_alias(cryskit: Call, model: Path, cifs: list[Path]) -> None:
    result = cryskit("predict", cifs[0], "--model", model, "--property", "K_VRH", "--json")
    document = json.loads(result.stdout)
    assert document["model"] == "tiny"
    assert document["units"] == {"bulk_modulus": "GPa"}
    assert list(document["rows"][0]) == ["id", "path", "formula", "bulk_modulus", "status", "reason"]


def test_parquet_keeps_the_units(cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path) -> None:
    cryskit("predict", *cifs, "--model", model, "--out", "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet").attrs["units"] == {"bulk_modulus": "GPa", "poisson_ratio": ""}


def test_cells_beyond_the_limit_fail(cryskit: Call, model: Path, cifs: list[Path]) -> None:
    result = cryskit("predict", *cifs, "--model", model, "--limit", 2, "--json")
    status = {row["id"]: row["status"] for row in json.loads(result.stdout)["rows"]}
    assert result.exit_code == 1
    assert status["Si"] == "failed"
    assert status["Fe"] == "ok"


def test_a_bundled_data_set_is_a_source(cryskit: Call, model: Path, cifs: list[Path]) -> None:
    for verb in (("predict", "--json"), ("embed", "--out", "vectors.json"), ("explain", "--out", "why.json")):
        result = cryskit(verb[0], cifs[0], "elastic_tensors", "--model", model, *verb[1:])
        assert result.exit_code == 2
        assert result.stderr.endswith(
            "called 'elastic_tensors'. Did you mean elastic_tensor or piezoelectric_tensor?\n"
        )
    result = cryskit("predict", cifs[0], "elastic_tensor", "--model", model, "--json", "--limit", "12")
    ids = [row["id"] for row in json.loads(result.stdout)["rows"]]
    assert ids[:2] == ["Si", "mp-10003"]
    assert len(ids) == 953


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.cif"], "There is no data set, file or folder called 'absent.cif'"),
        (["data_NaCl\n" * 900], "called '" + " ".join(["data_NaCl"] * 6) + "...'. To read the content of a file"),
        (["here.cif", "--model", "absent.safetensors"], "There is no model file absent.safetensors"),
        (["here.cif", "--model", "cryskitt"], "There is no model called 'cryskitt'"),
        (["here.cif", "--model", "here.cif"], "here.cif is no model file of cryskit"),
        (["here.cif", "--property", "colour"], "There is no property of the model tiny called 'colour'"),
        (["here.cif", "--out", "table.txt"], "table.txt should be a file that ends in .csv or .json or .parquet"),
        (["here.cif", "--out", "folder.csv"], "folder.csv should be a file"),
        (["here.cif", "--out", "here.cif/table.csv"], "is no folder that you may write to"),
        (["here.cif", "--limit", "0"], "Invalid value for '--limit'"),
        ([], "Missing argument 'SRC...'"),
    ],
)
def test_a_wrong_call_is_one_clear_line_and_exit_code_2(
    cryskit: Call, model: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "here.cif").write_text("x", encoding="utf-8")
    (tmp_path / "folder.csv").mkdir()
    named = [] if "--model" in arguments else ["--model", model]
    result = cryskit("predict", *arguments, *named)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"here.cif", "folder.csv"}


def test_an_unwritable_file_is_said_on_one_line(
    cryskit: Call, model: Path, cifs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "out.csv")

    monkeypatch.setattr(writers, "plain_row", full)
    result = cryskit("predict", *cifs, "--model", model, "--out", "out.csv")
    assert result.exit_code == 2
    assert result.stderr == "Error: [Errno 28] No space left on device: 'out.csv'\n"


def test_an_interrupt_leaves_no_traceback_and_no_file(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(readout, "compute", interrupt)
    result = cryskit("predict", *cifs, "--model", model, "--out", "out.csv")
    assert result.exit_code not in {0, 1, 2}
    assert "Traceback" not in result.output
    assert {path.name for path in tmp_path.iterdir()} == {"cifs"}


@pytest.mark.parametrize("ending", ["parquet", "json"])
def test_embed_writes_the_vectors_that_python_gives(
    cryskit: Call, model: Path, predictor: Predictor, cifs: list[Path], tmp_path: Path, ending: str
) -> None:
    (tmp_path / "empty.cif").touch()
    paths = (cifs[0], "empty.cif", *cifs[1:])
    result = cryskit("embed", *paths, "--model", model, "--out", f"out.{ending}", "--accelerator", "cpu")
    written = read_table(tmp_path / f"out.{ending}")
    expected = predictor.embed([cifs[0], "empty.cif", *cifs[1:]])
    assert result.exit_code == 1
    assert "6 rows, 1 failed" in result.stderr
    assert written["id"].tolist() == expected["id"].tolist() == ["Si", "empty", "NaCl", "MgO", "GaAs", "Fe"]
    assert written["vector"].isna().tolist() == [False, True, False, False, False, False]
    usable = written["status"] == "ok"
    got, wanted = (np.stack(table["vector"][usable].to_list()) for table in (written, expected))
    assert got.shape == (5, 8)
    assert np.array_equal(got.astype(np.float32), wanted)


def test_embeddings_are_no_excel(cryskit: Call, model: Path, cifs: list[Path]) -> None:
    result = cryskit("embed", *cifs, "--model", model, "--out", "out.xlsx")
    assert result.exit_code == 2
    assert ".parquet or .json or .csv or .npy" in " ".join(result.stderr.replace("│", " ").split())


def test_the_type_of_a_vector_is_kept_in_parquet(cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path) -> None:
    cryskit("embed", *cifs, "--model", model, "--out", "out.parquet")
    assert str(pq.read_schema(tmp_path / "out.parquet").field("vector").type.value_type) == "float"
