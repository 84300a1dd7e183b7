"""The files of the fuzzer as uploads, and archives that unpack without end."""

from __future__ import annotations

import gzip
from functools import cache
from typing import TYPE_CHECKING

from fuzz.verdict import input_of
from hostile.forms import form, posted

if TYPE_CHECKING:
    from random import Random

    from hostile.exchange import Hostile

_ROUTES = ("/v1/predict", "/v1/predict", "/v1/structures", "/v1/embed")


def fuzzed(random: Random) -> Hostile:
    """Return a mutated file of a kind that is read, or of a model, a plan or a split, which a client has no use for."""
    kind, content, _ = input_of(random.randrange(20_000))
    return posted(
        "the corpus of the fuzzer",
        form(kind.file.encode(), content, b"fuzzfuzzfuzz"),
        "multipart/form-data; boundary=fuzzfuzzfuzz",
        random.choice(_ROUTES),
    )


@cache
def _bomb() -> bytes:
    return gzip.compress(b"x" * 1_000_000_000, 9)


def bombs(random: Random) -> Hostile:
    """Return a file that unpacks to a gigabyte."""
    name = random.choice((b"x.cif.gz", b"x.xyz.gz", b"x.json.gz", b"x.csv.gz", b"x.jsonl.gz"))
    return posted("archives without end", form(name, _bomb()))
