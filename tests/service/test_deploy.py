"""What `deploy/` says exists: files that the image copies, extras that it installs, options and addresses that it uses."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient  # noqa: TC002 - a fixture
from typer.main import get_command

from cryskit.cli import app

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
UNIT = (DEPLOY / "cryskit.service").read_text(encoding="utf-8")


def steps(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile with their arguments; comments and the breaks of lines are left out."""
    plain = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    lines = [line.strip() for line in re.sub(r"\\\n", " ", plain).splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


STEPS = steps(DOCKERFILE)


def argued(wanted: str) -> list[str]:
    return [rest for word, rest in STEPS if word == wanted]


def verb(name: str) -> Any:
    return get_command(app).commands[name]  # type: ignore[attr-defined]


def flags(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("--")}


def known_flags(name: str) -> set[str]:
    return {flag for option in verb(name).params for flag in option.opts}


def parses(words: list[str]) -> dict[str, Any]:
    """Return the options of `cryskit serve` as its command line reads them."""
    context = verb("serve").make_context("serve", words)
    return dict(context.params)


def copied(text: str) -> list[str]:
    """Return the paths of the repository that an image copies."""
    copies = [shlex.split(rest) for word, rest in steps(text) if word == "COPY" and "--from" not in rest]
    return [path for paths in copies for path in paths[:-1]]


def missing(text: str) -> list[str]:
    return [path for path in copied(text) if not (ROOT / path).exists()]


def test_everything_that_is_copied_exists() -> None:
    assert copied(DOCKERFILE)
    assert not missing(DOCKERFILE)
    assert missing(DOCKERFILE.replace("COPY src ./src", "COPY source \\\n    ./src")) == ["source"]
    assert [rest.split()[0] for rest in argued("COPY") if "--from" in rest] == ["--from=build"]
    sent = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {f"!{path}" for path in copied(DOCKERFILE)} == {line for line in sent if line.startswith("!")}


def test_the_package_can_be_built_of_what_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {project["readme"], *project["license-files"], "src"} <= set(copied(DOCKERFILE))
    tag = re.search(r"FROM python:(\d+\.\d+)-slim", DOCKERFILE)
    assert tag
    assert f"Programming Language :: Python :: {tag[1]}" in project["classifiers"]


def test_extras_exist_and_pytorch_for_the_cpu_comes_first() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = next(rest.partition("=")[2] for rest in argued("ARG")).split(",")
    assert set(extras) <= project["optional-dependencies"].keys()
    installs = [rest for rest in argued("RUN") if "pip install" in rest]
    assert "torch" in installs[0]
    assert installs[0].endswith("/whl/cpu")
    assert installs[1].endswith('".[$EXTRAS]"')
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    for name in ("torch", "fastapi", "uvicorn", "mcp", "python-multipart", "prometheus_client", "captum", "robocrys"):
        assert re.search(rf"^{name}==", pinned, re.MULTILINE), name


def test_the_image_runs_the_command_without_root() -> None:
    entry, more = (json.loads(argued(word)[-1]) for word in ("ENTRYPOINT", "CMD"))
    assert entry[:2] == ["cryskit", "serve"]
    options = parses([*entry[2:], *more])
    assert options["host"] == "0.0.0.0"  # noqa: S104 - of a container
    assert options["mcp"]
    assert argued("EXPOSE") == [str(options["port"])]
    assert argued("USER")[-1] not in {"root", "0"}
    assert f"--uid {argued('USER')[-1]} " in DOCKERFILE
    words = [word for word, _ in STEPS]
    assert words.index("USER") < words.index("ENTRYPOINT")


def test_the_health_check_is_a_program_that_asks_an_open_address(client: TestClient) -> None:
    check = argued("HEALTHCHECK")[0].partition("CMD")[2]
    program = json.loads(check)
    assert program[:2] == ["python", "-c"]
    compile(program[2], "healthcheck", "exec")
    found = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", program[2])
    assert found
    assert found[1] == argued("EXPOSE")[0]
    assert client.get(found[2]).status_code == 200


def test_the_unit_starts_a_command_line_that_exists() -> None:
    command = shlex.split(re.search(r"^ExecStart=(.*)$", UNIT, re.MULTILINE)[1])  # type: ignore[index]
    assert command[0].endswith("/bin/cryskit")
    assert command[1] == "serve"
    options = parses(command[2:])
    assert options["host"] == "127.0.0.1"
    timeout = re.search(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)
    assert timeout
    assert int(timeout[1]) > options["drain"]
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet="):
        assert re.search(rf"^{line}$", UNIT, re.MULTILINE)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "cryskit.service"
    unit.write_text(UNIT.replace("/opt/cryskit/bin/cryskit", shutil.which("true") or "/bin/true"), encoding="utf-8")
    run = subprocess.run(
        [shutil.which("systemd-analyze") or "", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "Unknown" not in run.stderr


@pytest.mark.parametrize("page", ["serve.md", "assistants.md"])
def test_the_pages_use_options_that_exist(page: str) -> None:
    text = re.sub(r"\\\n *", "", (ROOT / "docs" / "howto" / page).read_text(encoding="utf-8"))
    used = re.findall(r"cryskit (serve|mcp)((?: --?[\w-]+(?: [\w./-]+)?)*)", text)
    assert used
    for name, options in used:
        assert flags(options.split()) <= known_flags(name)
    for name in re.findall(r"(deploy/[\w.]+)", text):
        assert (ROOT / name).exists()
