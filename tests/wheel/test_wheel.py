"""The wheel, installed away from the repository, predicts without a network."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = """
import socket

def refuse(*_args, **_options):
    raise OSError("this test has no network")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command with nothing of this environment but the path to the system's tools."""
    clean = {"PATH": os.defpath, "HOME": str(cwd), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=clean, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel and borrows its dependencies, but not the package, from this one."""
    folder = tmp_path_factory.mktemp("away")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    (site / "sitecustomize.py").write_text(OFFLINE, encoding="utf-8")
    return folder


def test_the_wheel_holds_all_that_predicting_needs_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {
        "cryskit/py.typed",
        "cryskit/properties.yaml",
        "cryskit/models/versions.json",
        "cryskit/service/page/index.html",
    } <= set(names)
    assert [name for name in names if name.startswith("cryskit/models/") and name.endswith(".safetensors")]
    page = {path.name for path in (ROOT / "src/cryskit/service/page").iterdir()}
    assert page == {name.rpartition("/")[2] for name in names if name.startswith("cryskit/service/page/")}
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert all(name.startswith(("cryskit/", "cryskit-")) for name in names)


def test_the_package_is_the_installed_one(installed: Path) -> None:
    where = run(installed / "env/bin/python", "-c", "import cryskit; print(cryskit.__file__)", cwd=installed)
    assert Path(where.strip()).is_relative_to(installed)


def test_the_network_is_really_off(installed: Path) -> None:
    code = "import socket\ntry: socket.create_connection(('127.0.0.1', 9))\nexcept OSError as error: print(error)"
    assert "no network" in run(installed / "env/bin/python", "-c", code, cwd=installed)


def test_it_predicts_a_crystal(installed: Path) -> None:
    shutil.copy(ROOT / "examples" / "NaCl.cif", installed)
    run(installed / "env/bin/cryskit", "predict", "NaCl.cif", "--out", "prediction.csv", cwd=installed)
    with (installed / "prediction.csv").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["id"] == "NaCl"
    assert row["status"] in {"ok", "warned"}
    assert -3 < float(row["formation_energy_per_atom"]) < -1, "rock salt is stable by about 2 eV/atom"
