"""`cryskit explain`: a page or the numbers, every row accounted for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from cryskit.predict.predictor import Predictor

    Call = Callable[..., Result]


def test_the_numbers_are_those_of_predict(
    cryskit: Call, model: Path, predictor: Predictor, cifs: list[Path], tmp_path: Path
) -> None:
    result = cryskit("explain", *cifs, "--model", model, "--out", "why.json")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "bulk_modulus of 5 rows, 0 failed" in result.stderr
    told = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))
    said = predictor.predict(cifs)
    assert [row["id"] for row in told["rows"]] == said["id"].tolist()
    assert [row["value"] for row in told["rows"]] == pytest.approx(said["bulk_modulus"].tolist(), rel=1e-5)
    assert told["space"] == "log10(GPa)"
    assert len(told["model"]["sha256"]) == 64
    for row in told["rows"]:
        assert 10 ** row["prediction"] == pytest.approx(row["value"], rel=1e-4)
        total = sum(row["atoms"]["contribution"]) + row["completeness_error"]
        assert total == pytest.approx(row["prediction"], abs=1e-5)
        assert row["completeness_error_relative"] < 0.01


def test_a_page_is_written_for_the_property_asked_for(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path
) -> None:
    result = cryskit("explain", cifs[0], "--model", model, "--property", "poisson_ratio", "--out", "why.html")
    assert result.exit_code == 0, result.stderr
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "<h1>Poisson ratio explained</h1>" in page
    assert page.rstrip().endswith("</html>")


def test_bad_rows_are_named_and_the_others_written(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.cif"
    broken.write_text("this is no structure", encoding="utf-8")
    result = cryskit("explain", cifs[0], broken, cifs[1], "--model", model, "--out", "why.json")
    assert result.exit_code == 1
    assert "broken: " in result.stderr
    assert "1 failed" in result.stderr
    rows = json.loads((tmp_path / "why.json").read_text(encoding="utf-8"))["rows"]
    assert [row["status"] for row in rows] == ["ok", "failed", "ok"]
    assert rows[1]["reason"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "why.pdf"], ".html or .json"),
        (["--out", "why.json", "--property", "band_gap"], "property of the model tiny"),
        ([], "--out"),
    ],
)
def test_a_wrong_call_ends_at_once(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path, arguments: list[str], said: str
) -> None:
    result = cryskit("explain", cifs[0], "--model", model, *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("why")]
