"""JSON that is deep, large, of wrong types or of odd encodings."""

from __future__ import annotations

import gzip
import json
import zlib
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from fuzz.mutations import WRONG, change
from hostile.exchange import Hostile, request
from service.conftest import IRON, SALT

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

_JSON = "application/json"
_SOUND: dict[str, Any] = {"structures": [SALT, IRON], "properties": ["band_gap"], "interval": 0.9}
_FIELDS = (
    "structures",
    "properties",
    "interval",
    "model",
    "words",
    "data",
    "candidates",
    "top",
    "property",
    "__proto__",
)
_ROUTES = ("/v1/predict", "/v1/explain", "/v1/embed", "/v1/search", "/v1/structures", "/v1/prototypes", "/v1/export")


def _posted(family: str, body: bytes, kind: str = _JSON, path: str = "/v1/predict", headers: bytes = b"") -> Hostile:
    return Hostile(family, [request("POST", path, headers, body, kind)])


def deep(random: Random) -> Hostile:
    """Return JSON with more levels, digits or values than anybody needs."""
    many = random.choice((500, 990, 5_000, 200_000))
    bodies: tuple[Callable[[], bytes], ...] = (
        lambda: b"[" * many,
        lambda: b'{"structures":' * many,
        lambda: b'{"structures":[' + b"[" * many + b"]" * many + b"]}",
        lambda: b'{"structures":[' + b'{"a":' * many + b"1" + b"}" * many + b"]}",
        lambda: b'{"structures":[{"id":"a","lattice":' + b"[" * many + b"]" * many + b"}]}",
        lambda: b'{"structures":[' + b"9" * many + b"]}",
        lambda: b'{"interval":0.' + b"9" * many + b',"structures":[]}',
        lambda: b'{"interval":1e' + b"9" * many + b',"structures":[]}',
        lambda: b'{"structures":[' + b"[]," * many + b"[]]}",
        lambda: b'{"structures":["' + b"\\u0000" * many + b'"]}',
        lambda: b'{"model":"' + b"x" * many + b'","structures":[1]}',
        lambda: b"{" + b'"structures":[],' * many + b'"structures":[1]}',
    )
    return _posted("deep and large JSON", random.choice(bodies)())


def wrong(random: Random) -> Hostile:
    """Return JSON whose values are of other types than they should be."""
    body = deepcopy(_SOUND)
    for _ in range(random.choice((1, 1, 2, 4))):
        body = change(body, random)
    if isinstance(body, dict) and random.random() < 0.5:
        body[random.choice(_FIELDS)] = random.choice(WRONG)
    return _posted("JSON of wrong types", json.dumps(body).encode(), path=random.choice(_ROUTES))


def opened(random: Random) -> Hostile:
    """Return structures and options that name files, addresses and code."""
    places = (
        "/etc/passwd",
        "file:///etc/passwd",
        "https://example.org/x.cif",
        "examples/NaCl.cif",
        "elastic_tensor",
        "hf:a/b",
    )
    place = random.choice(places)
    kinds: tuple[dict[str, Any], ...] = (
        {"structures": [place]},
        {
            "structures": [
                {name: place} for name in ("file", "path", "structure", "cif", "poscar", "xyz", "url", "filename")
            ]
        },
        {"structures": {"@module": "os", "@class": "system", "lattice": {"matrix": SALT["lattice"]}, "sites": place}},
        {"structures": {"__reduce__": ["os.system", "true"], "structures": [place]}},
        {"structures": [SALT], "model": place},
        {"structures": [SALT], "data": place},
        {"structures": [SALT], "properties": [place, "__import__('os')"]},
        {"structures": [SALT | {"id": "x" * 100_000 + place}]},
        {"structures": [SALT | {"id": "<script>alert(1)</script>", "text": place}]},
        {"structures": [SALT], "candidates": [place], "top": 1},
    )
    return _posted("paths in JSON", json.dumps(random.choice(kinds)).encode(), path=random.choice(_ROUTES))


def encoded(random: Random) -> Hostile:
    """Return a body in an encoding, or with a content type, that the service does not read."""
    text = json.dumps(_SOUND)
    body = text.encode()
    charset = random.choice(
        ("utf-16", "utf-32", "utf-8-sig", "utf-7", "latin-1", "cp500", "idna", "zip", "rot13", "\\", "x" * 3000)
    )
    codec = charset if charset in {"utf-16", "utf-32", "utf-8-sig", "utf-7", "cp500"} else "utf-8"
    kinds: tuple[Callable[[], Hostile], ...] = (
        lambda: _posted("encodings", text.encode(codec), f"{_JSON}; charset={charset}"),
        lambda: _posted("encodings", text.encode(codec)),
        lambda: _posted("encodings", body, f"multipart/form-data; boundary=b; charset={charset}"),
        lambda: _posted("encodings", gzip.compress(body), headers=b"Content-Encoding: gzip\r\n"),
        lambda: _posted("encodings", zlib.compress(body), headers=b"Content-Encoding: deflate, br, gzip\r\n"),
        lambda: _posted("encodings", body.replace(b"band_gap", b"\xff\xfe\x80")),
        lambda: _posted("encodings", body.replace(b"band_gap", b"\xed\xa0\x80")),
        lambda: _posted("encodings", body.replace(b"band_gap", b"\\ud800\\udfff\\ud800")),
        lambda: _posted("encodings", b"\0" * 1000 + body),
        lambda: _posted(
            "encodings",
            body,
            random.choice(("application/xml", "text/html", "application/x-yaml", "a/b/c", ";", "application/json\xff")),
        ),
        lambda: _posted("encodings", b"", random.choice((_JSON, "multipart/form-data; boundary=b", ""))),
        lambda: _posted("encodings", b"\x80\x04\x95\x0f\x00\x00\x00cposix\nsystem\n.", "application/x-python-pickle"),
    )
    return random.choice(kinds)()
