"""What goes wrong below a request: its first line, its headers, its pieces, its pace, its size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hostile.exchange import END, HOST, Hostile, request
from hostile.forms import form
from service.conftest import IRON, SALT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

_JSON = b"Content-Type: application/json\r\n"
_BODY = json.dumps({"structures": [SALT], "properties": ["band_gap"]}).encode()
_SLOW = 2.0  # seconds between two bytes
_PATIENCE = 100  # slow bytes, which together take longer than the service waits
_HUGE = 100_000_000


def _raw(family: str, *pieces: bytes, pause: float = 0.0, ends: bool = False) -> Hostile:
    return Hostile(family, pieces, pause, ends)


def _post(headers: bytes, body: bytes = _BODY, line: bytes = b"POST /v1/predict HTTP/1.1") -> bytes:
    return line + b"\r\n" + HOST + _JSON + headers + END + body


def _length(body: bytes = _BODY) -> bytes:
    return f"Content-Length: {len(body)}\r\n".encode()


def addresses(random: Random) -> Hostile:
    """Return a request for an address that tries a path, a host or a format."""
    tail = random.choice(
        ("etc/passwd", "app.py", "proc/self/environ", "..%2f..%2fetc%2fpasswd", "%00", "%ff%fe", "x" * 50_000)
    )
    up = random.choice(("../", "%2e%2e/", "..%2f", "..\\", "%252e%252e%252f", "....//", "/", "%c0%ae%c0%ae/", "~/"))
    start = random.choice(("/", "/page/", "/v1/models/", "/v1/jobs/", "/v1/", "//", "/mcp/", "/openapi.json/"))
    lines = (
        f"GET {start}{up * random.choice((1, 3, 12))}{tail}",
        f"GET {start}{up}{tail}?format={up}{tail}",
        f"GET http://example.org{start}{tail}",
        f"DELETE {start}{up}{tail}",
        f"GET /v1/models?{'a=b&' * 10_000}",
        f"GET /v1/models/{'%' * 3000}",
        "GET *",
        "CONNECT example.org:443",
        "OPTIONS *",
        f"POST /v1/predict?format={tail}",
        "GET /\xff\xfe\xe9",
        "GET /<script>alert(1)</script>",
        "GET /v1/jobs/__class__/result",
    )
    return _raw(
        "addresses",
        random.choice(lines).encode("latin-1") + b" HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n" + END,
        ends=True,
    )


def headers(random: Random) -> Hostile:
    """Return a request whose first line or headers are not as they should be."""
    whole = _length()
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: _post(whole + b"Content-Length: 5\r\n"),
        lambda: _post(
            f"Content-Length: {random.choice(('-1', '1e9', '0x10', '9' * 40, '+5', '５', '1 2'))}\r\n".encode()
        ),
        lambda: _post(whole + b"Transfer-Encoding: chunked\r\n"),
        lambda: _post(
            b"Transfer-Encoding: " + random.choice((b"gzip", b"chunked, chunked", b"\x0bchunked", b"x")) + b"\r\n"
        ),
        lambda: _post(whole + b"X-A: b\r\n folded\r\n"),
        lambda: _post(whole + b"X-A\r\n"),
        lambda: _post(whole + b"X A: b\r\n: c\r\n"),
        lambda: _post(whole + b"X-A: " + b"b" * random.choice((10_000, 1_000_000)) + b"\r\n"),
        lambda: _post(whole + b"X-A: b\r\n" * random.choice((200, 50_000))),
        lambda: _post(whole + b"X-A: b\0c\x01\xff\r\n"),
        lambda: _post(
            whole
            + b"X-Request-Id: "
            + random.choice((b"../../x", b"<b>", b"a" * 5000, b"%0d%0aSet-Cookie: a=b"))
            + b"\r\n"
        ),
        lambda: _post(whole + b"Prefer: respond-async, \xff\r\nAccept: " + b"a/b," * 5000 + b"\r\n"),
        lambda: _post(whole + b"Authorization: Bearer \xff\xfe" + b"a" * 5000 + b"\r\n"),
        lambda: _post(whole + b"Expect: " + random.choice((b"100-continue", b"200-ok")) + b"\r\n"),
        lambda: _post(
            whole
            + b"Connection: Upgrade\r\nUpgrade: "
            + random.choice((b"websocket", b"h2c", b"TLS/1.0"))
            + b"\r\nSec-WebSocket-Key: a\r\n"
        ),
        lambda: _post(whole + b"Sec-Fetch-Site: cross-site\r\nOrigin: https://example.org\r\n"),
        lambda: _post(whole + b"Host: example.org\r\n"),
        lambda: b"POST /v1/predict HTTP/1.1\r\n" + _JSON + whole + END + _BODY,
        lambda: (
            b"GET / HTTP/1.1\r\nHost: "
            + random.choice((b"example.org", b"127.0.0.1.example.org", b"[::1", b"a" * 5000, b"127.0.0.1@b"))
            + b"\r\n"
            + END
        ),
        lambda: _post(
            whole,
            line=random.choice(
                (
                    b"GET / HTTP/0.9",
                    b"GET / HTTP/9.9",
                    b"GET /",
                    b"POST",
                    b"\r\n" * 50,
                    b"A" * 9000 + b" / HTTP/1.1",
                    b"G\xffT / HTTP/1.1",
                )
            ),
        ),
        lambda: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + random.randbytes(100),
        lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.randbytes(300),
        lambda: random.randbytes(random.choice((1, 100, 10_000))),
        lambda: _post(whole).replace(b"\r\n", b"\n", random.choice((1, 3, 9))),
        lambda: _post(whole) + b"GET /healthz HTTP/1.1\r\n" * 50,
    )
    return _raw("headers", random.choice(kinds)(), ends=True)


def pieces(random: Random) -> Hostile:
    """Return a body whose pieces are malformed or end too early."""
    head = _post(b"Transfer-Encoding: chunked\r\n", b"")
    part = random.randrange(1, len(_BODY))
    whole = b"%x\r\n%s\r\n" % (len(_BODY), _BODY)
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: head + whole[:part],
        lambda: head + whole,
        lambda: head + whole + b"0\r\n",
        lambda: head + whole + b"0\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        lambda: (
            head
            + random.choice((b"-1", b"zz", b"", b"0x5", b"ffffffffffffffffff", b"5;" + b"a" * 100_000, b" 5"))
            + b"\r\nhello\r\n0\r\n\r\n"
        ),
        lambda: head + b"3\r\nhello\r\n0\r\n\r\n",
        lambda: head + b"".join(b"1\r\n%c\r\n" % byte for byte in _BODY) + b"0\r\n\r\n",
        lambda: head + whole + b"0\r\n\r\n" + b"GET /v1/models HTTP/1.1\r\n\r\n",
        lambda: _post(_length(_BODY * 2)),
        lambda: _post(_length())[:-part],
        lambda: _post(_length(_BODY[:part])),
    )
    return _raw("pieces of a body", random.choice(kinds)(), ends=True)


def slow(random: Random) -> Hostile:
    """Return a request that comes a byte at a time, for longer than the service waits."""
    trickle = [b"x"] * _PATIENCE
    upload = request("POST", "/v1/predict", body=form(b"a.cif", b"x" * 5000), kind="multipart/form-data; boundary=b")
    kinds = (
        [b"POST /v1/predict HTTP/1.1\r\n", HOST, *(b"X-%d: y\r\n" % i for i in range(_PATIENCE))],
        [b"GET /" + b"x", *trickle],
        [_post(_length(b"x" * 5000), b""), *trickle],
        [upload[:-4900], *trickle],
        [_post(b"Transfer-Encoding: chunked\r\n", b""), *[b"1\r\n \r\n"] * _PATIENCE],
        [request("GET", "/v1/models", b"Content-Length: 5000\r\n").replace(END, b"\r\n"), *trickle],
    )
    return Hostile("slow requests", random.choice(kinds), _SLOW)


def large(random: Random) -> Hostile:
    """Return a request that is larger than a request may be."""
    many = {"structures": [IRON] * 10_001}
    kinds: tuple[Callable[[], Iterator[bytes] | list[bytes]], ...] = (
        lambda: _flood(f"Content-Length: {_HUGE}\r\n".encode(), b"x" * 65536),
        lambda: _flood(b"Transfer-Encoding: chunked\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        lambda: [_post(_length(b" " * 33_000_000), b" " * 33_000_000)],
        lambda: [_post(_length(body := b'{"structures":[' + b"[]," * 10_000_000 + b"[]]}"), body)],
        lambda: [_post(_length(body := b'{"structures":["' + b"x" * 31_000_000 + b'"]}'), body)],
        lambda: [_post(_length(body := b"[" * 31_000_000), body)],
        lambda: [_post(_length(body := json.dumps(many).encode()), body)],
        lambda: [request("POST", "/v1/predict", body=_files(1001), kind="multipart/form-data; boundary=b")],
        lambda: [
            request(
                "POST", "/v1/predict", body=form(b"x.cif", b"x" * 31_000_000), kind="multipart/form-data; boundary=b"
            )
        ],
    )
    return Hostile("large requests", random.choice(kinds)())


def _flood(header: bytes, piece: bytes) -> Iterator[bytes]:
    yield _post(header, b"")
    for _ in range(_HUGE // 65536):
        yield piece


def _files(count: int) -> bytes:
    one = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.cif"\r\n\r\nx\r\n'
    return one * count + b"--b--\r\n"
