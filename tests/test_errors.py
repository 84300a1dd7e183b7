"""What errors of libraries become in messages: words, without the classes and modules that they put in front."""

from __future__ import annotations

import pytest

from cryskit.errors import one_line


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no thrift: TProtocolException: Invalid data\n"), "no thrift: Invalid data"),
        (OSError("ase.io.extxyz: Frame has 3 atoms"), "Frame has 3 atoms"),
        (ValueError("pydantic_core.ValidationError: x\ny"), "x y"),
        (KeyError("lattice"), "'lattice' is missing"),
        (TypeError(), "it does not say why"),
        (ValueError("file a.cif: no atoms"), "file a.cif: no atoms"),
    ],
)
def test_an_error_is_said_in_words(error: Exception, said: str) -> None:
    assert one_line(error) == said
