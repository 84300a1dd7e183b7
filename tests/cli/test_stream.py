"""A verb reads and checks each crystal once, writes rows as they come, and ends in order when it is asked to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cryskit.cli.output import exit_on_sigterm, output_rows
from cryskit.data import validate
from cryskit.predict.predictor import Predictor
from cryskit.predict.tables import ATOM_EMBEDDINGS, EMBEDDINGS, prediction_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typer.testing import Result

    from cryskit.types import Crystal, Prediction

    Call = Callable[..., Result]

COUNT = 3000


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the crystals that are checked."""
    seen: list[str] = []
    check = validate.validate

    def counted(crystal: Crystal, *arguments: Any, **named: Any) -> Crystal:
        seen.append(crystal.id)
        return check(crystal, *arguments, **named)

    for module in [m for name, m in sys.modules.items() if name.startswith("cryskit.data")]:
        if getattr(module, "validate", None) is check:
            monkeypatch.setattr(module, "validate", counted)
    return seen


@pytest.mark.parametrize("verb", ["predict", "embed", "embed --atoms"])
def test_a_crystal_is_checked_once(
    cryskit: Call, model: Path, cifs: list[Path], data: Path, checks: list[str], verb: str
) -> None:
    done = cryskit(*verb.split(), *cifs, data, "--model", model, "--out", "out.json")
    assert done.exit_code == 0, done.stderr
    assert len(checks) == len(cifs) + 60
    assert len(set(checks)) == len(checks)


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_rows_are_on_disk_before_the_last_crystal_is_read(
    predictor: Predictor, crystals: list[Crystal], tmp_path: Path, ending: str
) -> None:
    small = Predictor(predictor.encoder, predictor.heads, predictor.card, chunk=100)
    alive: weakref.WeakSet[Crystal] = weakref.WeakSet()
    predictions: list[weakref.ref[Prediction]] = []
    most, sizes = [0, 0], []

    def source() -> Iterator[Crystal]:
        for number in range(COUNT):
            crystal = replace(crystals[number % 5], id=f"{number}")
            alive.add(crystal)
            most[0] = max(most[0], len(alive))
            if number % 500 == 499:
                sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
            yield crystal

    def rows() -> Iterator[dict[str, Any]]:
        for prediction in small.stream(source()):
            predictions.append(weakref.ref(prediction))
            most[1] = max(most[1], sum(kept() is not None for kept in predictions[-300:]))
            yield prediction_row(prediction)

    out = tmp_path / f"out.{ending}"
    schema = small.schema()
    assert output_rows(rows(), schema, small.facts(schema), out, as_json=False) == (COUNT, 0)
    assert max(most) <= 205, "crystals or predictions pile up"
    if ending != "parquet":  # which writes 4096 rows at a time
        assert 0 < sizes[0] < sizes[1] < sizes[-1]
    assert list(tmp_path.iterdir()) == [out]


def test_embeddings_do_not_pile_up(predictor: Predictor, crystals: list[Crystal]) -> None:
    small = Predictor(predictor.encoder, predictor.heads, predictor.card, chunk=10)
    for stream, schema in (
        (small.stream_embeddings, EMBEDDINGS),
        (small.stream_atom_embeddings, ATOM_EMBEDDINGS),
    ):
        taken = iter(crystals)
        rows = stream(taken)
        assert list(next(rows)) == schema.names
        assert next(taken) is crystals[10]


def test_json_and_a_file_are_written_in_one_pass(
    cryskit: Call, model: Path, cifs: list[Path], tmp_path: Path, checks: list[str]
) -> None:
    result = cryskit("predict", *cifs, "--model", model, "--json", "--out", "out.json")
    assert result.stdout == (tmp_path / "out.json").read_text(encoding="utf-8")
    assert json.loads(result.stdout)["model"] == "tiny"
    assert len(checks) == len(cifs)


@pytest.mark.parametrize("arguments", [["--json"], [], ["--out", "out.csv"]])
def test_what_is_written_says_which_model_and_version(cryskit: Call, cifs: list[Path], arguments: list[str]) -> None:
    result = cryskit("predict", cifs[0], "--model", "crysxpp", *arguments)
    assert result.exit_code == 0, result.stderr
    assert "by crysxpp@2026.11.2" in result.stderr
    if arguments == ["--json"]:
        assert json.loads(result.stdout)["model"] == "crysxpp@2026.11.2"


def compiled() -> None:
    """End as compiled code does that a signal interrupts."""
    try:
        signal.raise_signal(signal.SIGTERM)
    except SystemExit as error:
        raise SystemError("a compiled function returned a result with an exception set") from error


def test_a_request_to_end_is_heeded_where_compiled_code_makes_another_error_of_it() -> None:
    with pytest.raises(SystemExit) as found, exit_on_sigterm():
        compiled()
    assert found.value.code == 128 + signal.SIGTERM


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_a_run_that_is_asked_to_end_leaves_nothing(model: Path, data: Path, tmp_path: Path, ending: str) -> None:
    code = "from cryskit.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        code,
        "predict",
        *[str(data)] * 2000,
        "--model",
        str(model),
        "--out",
        f"out.{ending}",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and not list(tmp_path.iterdir()):
            time.sleep(0.05)
        assert [path.name for path in tmp_path.iterdir()] != [f"out.{ending}"]
        run.send_signal(signal.SIGTERM)
        errors = run.communicate()[1]
    assert run.returncode == 128 + signal.SIGTERM, errors
    assert "Traceback" not in errors
    assert not list(tmp_path.iterdir())
