"""Help comes at once, for every verb, and the errors of the command line itself have exit code 2."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cryskit.cli import training
from cryskit.cli.options import BATCH_EDGES, LIMIT, Hardware
from cryskit.data import validate
from cryskit.predict import device, readout

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

VERBS = [
    "predict",
    "explain",
    "embed",
    "export",
    "describe",
    "fit",
    "train",
    "tune",
    "pretrain",
    "evaluate",
    "benchmark",
    "models list",
    "models show",
    "models card",
    "models push",
    "models pull",
    *(f"data {v}" for v in ("list", "convert", "audit", "split")),
]


def test_help_of_every_verb_loads_nothing_heavy() -> None:
    code = f"""
import sys
from cryskit.cli import main
for verb in {VERBS!r}:
    sys.argv = ["cryskit", *verb.split(), "--help"]
    try: main()
    except SystemExit as end: assert end.code == 0, end.code
heavy = {{"torch", "lightning", "pymatgen", "ase", "pandas", "pyarrow", "matplotlib", "numpy", "rich"}} & set(sys.modules)
assert not heavy, heavy
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("Usage: cryskit ") == len(VERBS)


@pytest.mark.parametrize("group", [(), ("models",), ("data",)])
def test_the_list_of_commands_is_not_cut(cryskit: Callable[..., Result], group: tuple[str, ...]) -> None:
    shown = cryskit(*group, "--help").stdout
    assert "Commands:" in shown
    assert "..." not in shown.split("Commands:")[1]


def test_the_options_that_every_training_has_are_those_of_both_verbs(cryskit: Callable[..., Result]) -> None:
    for verb in ("train", "pretrain"):
        shown = " ".join(cryskit(verb, "--help").stdout.split())
        assert "[default: cgcnn, unless a plan or a model to start from says otherwise]" in shown
        for name in training.Common._fields:
            option = {"compiled": "compile", "as_json": "json"}.get(name, name).replace("_", "-")
            assert f"--{option} " in shown


def test_help_takes_less_than_half_a_second_of_processor_time() -> None:
    code = "import sys; sys.argv = ['cryskit', '--help']; from cryskit.cli import main; main()"
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.5


def test_the_entry_point_is_installed_and_says_its_version() -> None:
    command = Path(sys.executable).with_name("cryskit")
    run = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("cryskit 0.")


@pytest.mark.parametrize("arguments", [["foretell"], ["predict", "--colour"], ["data", "fetch"], ["train"]])
def test_an_unknown_verb_or_option_is_a_wrong_call(cryskit: Callable[..., Result], arguments: list[str]) -> None:
    result = cryskit(*arguments)
    assert result.exit_code == 2
    assert "Error: " in result.stderr


def test_defaults_are_those_of_the_library() -> None:
    assert validate.LIMIT == LIMIT
    assert readout.BATCH_EDGES == BATCH_EDGES
    assert tuple(Hardware) == device.ACCELERATORS
