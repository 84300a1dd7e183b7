"""A model that is pushed and pulled is the same file; a changed byte, another digest or an absent network is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import cryskit
from cryskit.cli import app
from cryskit.errors import ModelError, UnknownNameError
from cryskit.predict.card import digest, read_card
from cryskit.predict.hub import pull, push
from cryskit.predict.model_card import markdown
from cryskit.predict.published import path_of


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    push("crysxpp", "somebody/gaps", tmp_path / "hub")
    return tmp_path / "hub"


def test_what_is_pulled_is_what_was_pushed(hub: Path, tmp_path: Path) -> None:
    found = pull("somebody/gaps", tmp_path / "m.safetensors", hub)
    assert found.sha256 == digest(found.path) == digest(path_of("crysxpp"))
    assert found.card.name == "crysxpp"
    assert cryskit.load(found.path).properties == cryskit.load("crysxpp").properties
    assert sorted(path.name for path in (hub / "somebody" / "gaps").iterdir()) == [
        "README.md",
        "SHA256SUMS",
        "model.safetensors",
    ]


def test_a_changed_byte_is_refused_and_nothing_is_written(hub: Path, tmp_path: Path) -> None:
    file = hub / "somebody" / "gaps" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(ModelError, match="has the SHA-256"):
        pull("somebody/gaps", tmp_path / "m.safetensors", hub)
    assert not (tmp_path / "m.safetensors").exists()


def test_the_digest_that_the_caller_knows_counts(hub: Path, tmp_path: Path) -> None:
    wanted = digest(path_of("crysxpp"))
    assert pull("somebody/gaps", tmp_path / "m.safetensors", hub, sha256=wanted.upper()).sha256 == wanted
    with pytest.raises(ModelError, match=f"not {'0' * 64}"):
        pull("somebody/gaps", tmp_path / "n.safetensors", hub, sha256="0" * 64)


def test_what_is_no_model_or_has_no_digest_is_refused(hub: Path, tmp_path: Path) -> None:
    folder = hub / "somebody" / "gaps"
    (folder / "model.safetensors").write_bytes(b"nothing")
    (folder / "SHA256SUMS").write_text(f"{digest(folder / 'model.safetensors')}  model.safetensors\n")
    with pytest.raises(ModelError, match="is no model file"):
        pull("somebody/gaps", tmp_path / "m.safetensors", hub)
    (folder / "SHA256SUMS").write_text("none")
    with pytest.raises(ModelError, match="does not say the SHA-256"):
        pull("somebody/gaps", tmp_path / "m.safetensors", hub)
    with pytest.raises(ModelError, match="There is no model somebody/other"):
        pull("somebody/other", tmp_path / "m.safetensors", hub)
    assert list(tmp_path.iterdir()) == [hub]


@pytest.mark.parametrize("name", ["gaps", "a/b/c", "../gaps", "a/..", "/etc/passwd", "a/b@../c", "a b/c", ""])
def test_names_of_repositories_are_judged(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError):
        pull(name, tmp_path / "m.safetensors", tmp_path)
    with pytest.raises(UnknownNameError):
        push("crysxpp", name, tmp_path)


def test_offline_mode_is_honoured(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; import cryskit; from cryskit.predict.hub import pull, push\n"
        "for call in (lambda: pull('somebody/gaps', Path('m.safetensors')), lambda: push('crysxpp', 'somebody/gaps')):\n"
        "    try:\n        call()\n    except cryskit.ModelError as error:\n        print(error)"
    )
    environment = {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": str(Path(cryskit.__file__).parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    first, second = done.stdout.splitlines()
    assert "model.safetensors of somebody/gaps cannot be fetched" in first
    assert "somebody/gaps cannot be sent" in second
    assert not (tmp_path / "m.safetensors").exists()


def test_the_command_line_pushes_pulls_and_prints_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call = CliRunner()
    assert call.invoke(app, ["models", "push", "crysae", "a/b", "--hub", "hub"]).exit_code == 0
    done = call.invoke(app, ["models", "pull", "a/b", "--hub", "hub", "--out", "m.safetensors"])
    assert done.exit_code == 0, done.output
    assert digest(path_of("crysae")) in done.output
    page = call.invoke(app, ["models", "card", "crysae", "--format", "md"]).output
    assert page.startswith("---\nlicense: ")
    assert call.invoke(app, ["models", "card", "crysae", "--format", "json"]).output.startswith("{")


@pytest.mark.parametrize("name", sorted(cryskit.models()))
def test_cards_are_markdown_with_a_yaml_head(name: str) -> None:
    card = read_card(path_of(name))
    empty, head, body = markdown(card, "0" * 64).split("---\n", 2)
    facts = yaml.safe_load(head)
    assert not empty
    assert facts["library_name"] == "cryskit"
    assert facts["license"] == "mit"
    assert {each.name for each in card.properties} <= set(facts["tags"])
    assert f"# {card.full_name}" in body
    assert "/home" not in body
    assert "/work" not in body
    for each in card.properties:
        assert f"| {each.name} |" in body
