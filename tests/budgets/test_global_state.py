"""Importing cryskit, reading crystals and building graphs leaves alone what belongs to the whole process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from budgets.syntax import PACKAGE, ROOT
from data.samples import cif
from laws.cells import supercell

from cryskit.data.interchange import write
from cryskit.data.read import read_one

if TYPE_CHECKING:
    from pathlib import Path

USED = [m for m in PACKAGE if m.unit in {"types", "batching", "registry", "data", "graphs", "layers", "encoders"}]
PARTS = [module.name for module in USED]
LIBRARIES = sorted({i.module for module in USED for i in module.imports if not i.module.startswith("cryskit")})


CODE = """
import importlib, json, logging, random, sys, warnings
import numpy as np, torch

parts, libraries, sources = json.loads(sys.argv[1])
for name in libraries:  # some of them set filters and levels when they are imported
    try: importlib.import_module(name)
    except ImportError: pass

def settings(logger):
    return [repr(vars(logger)[key]) for key in ("level", "disabled", "propagate", "handlers", "filters")]

def state():
    loggers = {name: settings(each) for name, each in logging.root.manager.loggerDict.items() if hasattr(each, "level")}
    untouched = settings(logging.Logger("new"))
    return {
        "loggers": {name: each for name, each in loggers.items() if each != untouched} | {"": settings(logging.root)},
        "warning filters": list(map(repr, warnings.filters)),
        "random numbers": [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()],
    }

before = state()
for name in parts:
    importlib.import_module(name)
from cryskit.data.read import read
from cryskit.graphs.build import build
from cryskit.symmetry import isometries
from cryskit.types import GraphSpec

crystals = list(read(sources))
build(crystals, GraphSpec())
for crystal in crystals:
    isometries(crystal)
after = state()
for what in before:
    assert after[what] == before[what], f"{what} changed: {before[what]!r:.500} became {after[what]!r:.500}"
"""


@pytest.mark.slow
def test_no_logger_warning_filter_or_random_number_changes(tmp_path: Path) -> None:
    examples, doubtful, cells = ROOT / "examples", tmp_path / "doubtful.cif", tmp_path / "cells.parquet"
    doubtful.write_text(cif(("Na1 NA 0 0 0 1", "Cl1 CL 0.5 0.5 0.5 1")))  # pymatgen reads it
    write(cells, [supercell(read_one(examples / "Si.cif"), (1, 2, 1))])  # moyo warns of it
    given = json.dumps([PARTS, LIBRARIES, [str(path) for path in (examples, doubtful, cells)]])
    run = subprocess.run([sys.executable, "-c", CODE, given], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not run.stderr
