"""The allocator keeps its pages where it is glibc's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cryskit.cli import memory
from cryskit.cli.memory import keep_pages

FAULTS = """
import resource, sys
import numpy as np
from cryskit.cli.memory import keep_pages
if "keep" in sys.argv:
    assert keep_pages()
batch = np.ones(200_000)
def work():
    for _ in range(50):
        first = batch * 2
        second = first + batch
        del first, second
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_a_loop_over_batches_faults_its_pages_in_once() -> None:
    plain, kept = (
        int(subprocess.run([sys.executable, "-c", FAULTS, *a], capture_output=True, text=True, check=True).stdout)
        for a in ([], ["keep"])
    )
    assert plain > 1000
    assert kept < plain / 10


def test_elsewhere_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "darwin")
    assert not keep_pages()


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.sys, "platform", "linux")
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not keep_pages()
