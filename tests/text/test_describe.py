"""One crystal, one description, within its time, or a short one that says why."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from cryskit.data.read import read_one
from cryskit.errors import CryskitError, DescriptionError, ProcessEndedError, UnreadableError
from cryskit.parallel import Lost
from cryskit.text import describe as module
from cryskit.text.describe import Description, describe, describe_each, failed
from cryskit.text.short import short
from cryskit.types import Crystal, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def salt() -> Crystal:
    return read_one(EXAMPLES / "NaCl.cif")


def in_place(monkeypatch: pytest.MonkeyPatch, parts: Callable[[Crystal], object]) -> None:
    """Put something else in the place of Robocrystallographer."""
    stand_in = type("Robocrys", (), {"describe": staticmethod(parts)})
    monkeypatch.setattr(module, "ready", stand_in)


def test_the_parts_make_the_text_and_the_text_makes_the_hash(salt: Crystal, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = type("Parts", (), {"overall": "It is salt.", "local": "Na is near Cl."})
    in_place(monkeypatch, lambda _: parts)
    found = describe(salt)
    assert (found.id, found.fingerprint, found.status, found.reason) == ("NaCl", salt.fingerprint, "described", "")
    assert found.text == "It is salt. Na is near Cl."
    assert found.hash == hashlib.sha256(b"It is salt. Na is near Cl.").hexdigest()


def test_a_crystal_that_takes_too_long_is_described_by_rule(salt: Crystal, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(_: Crystal) -> NoReturn:
        while True:
            with suppress(Exception):  # what a library might do
                time.sleep(0.01)

    in_place(monkeypatch, endless)
    start = time.monotonic()
    found = describe(salt, timeout=0.2)
    assert time.monotonic() - start < 5
    assert (found.status, found.reason) == ("short", "Describing it took longer than 0.2 s")
    assert found.text == short(salt)


def test_after_a_time_out_no_alarm_is_left(salt: Crystal, monkeypatch: pytest.MonkeyPatch) -> None:
    in_place(monkeypatch, lambda _: time.sleep(30))
    describe(salt, timeout=0.05)
    time.sleep(1.2)


def test_outside_the_main_thread_there_is_no_limit(salt: Crystal, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = type("Parts", (), {"overall": "It is salt.", "local": ""})
    in_place(monkeypatch, lambda _: parts)
    found: list[Description] = []
    thread = threading.Thread(target=lambda: found.append(describe(salt)))
    thread.start()
    thread.join()
    assert found[0].status == "described"


def test_a_crystal_that_cannot_be_described_says_why(salt: Crystal, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(_: Crystal) -> NoReturn:
        raise DescriptionError("Robocrystallographer: ValueError: no symmetry", "Check the crystal")

    in_place(monkeypatch, unable)
    found = describe(salt)
    assert (found.status, found.local) == ("short", "")
    assert found.reason == "Robocrystallographer: ValueError: no symmetry"


class Unlucky:
    """Processes that fail at every crystal."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def map(self, _: object, crystals: Iterable[Crystal]) -> Iterator[Lost[Crystal]]:
        return (Lost(crystal, self.error) for crystal in crystals)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ProcessEndedError("The process crashed", "Leave it out"), "The process crashed"),
        (KeyboardInterrupt("nobody expects this"), "KeyboardInterrupt: nobody expects this"),
    ],
)
def test_a_crystal_on_which_a_process_fails_is_described_by_rule(
    salt: Crystal, error: BaseException, reason: str
) -> None:
    (found,) = describe_each([salt], Unlucky(error))
    assert (found.id, found.status, found.reason, found.text) == ("NaCl", "short", reason, short(salt))


def test_what_is_not_installed_is_said_once(salt: Crystal) -> None:
    with pytest.raises(CryskitError, match="Install it"):
        list(describe_each([salt, salt], Unlucky(CryskitError("It is not installed", "Install it"))))


def test_what_is_no_crystal_has_no_text() -> None:
    row = failed(Failure("a", UnreadableError("It is\nempty", "Fetch it again", "a.cif")))
    assert (row.text, row.hash, row.status) == (None, None, "failed")
    assert row.reason == "a.cif: It is empty. Fetch it again."


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> NoReturn:
        raise PackageNotFoundError

    monkeypatch.setattr(module, "installed", missing)
    with pytest.raises(CryskitError, match=r"pip install 'cryskit\[describe\]'"):
        module.version()
