"""A published name resolves to a version, the newest by default, and predictions say which."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cryskit.errors import ModelError, UnknownNameError
from cryskit.predict import published
from cryskit.predict.card import read_card
from cryskit.predict.load import load

NACL = Path(__file__).parents[2] / "examples" / "NaCl.cif"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package with three versions of one model."""
    folder = tmp_path / "models"
    folder.mkdir()
    names = {version: f"some-{version}.safetensors" for version in ("2026.9", "2026.11", "2027.1")}
    for name in names.values():
        shutil.copy(published.path_of("crysxpp"), folder / name)
    index = {"some": dict(reversed(names.items()))}
    (folder / published.INDEX).write_text(json.dumps(index), encoding="utf-8")
    monkeypatch.setattr(published, "files", lambda _: tmp_path)
    return folder


def test_a_bare_name_is_the_newest_version(shelf: Path) -> None:
    assert list(published.versions()["some"]) == ["2026.9", "2026.11", "2027.1"]
    assert published.path_of("some") == shelf / "some-2027.1.safetensors"
    assert published.models() == {"some": shelf / "some-2027.1.safetensors"}
    assert published.path_of("some@2026.9") == shelf / "some-2026.9.safetensors"


def test_the_card_of_a_published_file_has_its_version(shelf: Path, tmp_path: Path) -> None:
    assert read_card(published.path_of("some@2026.11")).version == "2026.11"
    copied = shutil.copy(shelf / "some-2026.9.safetensors", tmp_path)
    assert read_card(Path(copied)).version == ""


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("name", ["some@2026.10", "some@", "some@1"])
def test_an_unknown_version_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(ModelError, match=r"no version .* of the model some.*2026\.9, 2026\.11, 2027\.1"):
        published.path_of(name)


@pytest.mark.usefixtures("shelf")
def test_an_unknown_model_with_a_version_is_no_model() -> None:
    with pytest.raises(UnknownNameError, match=r"no model called 'other@2026\.9'"):
        published.path_of("other@2026.9")


def test_every_published_file_is_in_the_index() -> None:
    there = set(published.path_of(published.DEFAULT).parent.glob("*.safetensors"))
    assert {path for found in published.versions().values() for path in found.values()} == there


def test_the_first_published_version_is_2026_11() -> None:
    assert {next(iter(found)) for found in published.versions().values()} == {"2026.11"}
    assert load("cryskit-mp@2026.11").card.full_name == "cryskit-mp@2026.11"


def test_tables_say_which_model_and_version_made_them() -> None:
    assert load("crysxpp").predict(NACL).attrs["model"] == "crysxpp@2026.11.2"
    assert load("crysae").embed(NACL).attrs["model"] == "crysae@2026.11.2"
    assert load("crysae").embed_atoms(NACL).attrs["model"] == "crysae@2026.11.2"
