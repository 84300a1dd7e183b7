"""Forms with files that are malformed, and files whose names try a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz.mutations import mutated
from hostile.exchange import Hostile, request
from service.conftest import EXAMPLES

if TYPE_CHECKING:
    from random import Random

_CIF = (EXAMPLES / "NaCl.cif").read_bytes()
_NAMES = (
    *(
        b"../../../etc/passwd",
        b"/etc/passwd",
        b"..\\..\\windows\\system.ini",
        b"C:\\boot.ini",
        b"\\\\host\\share\\x.cif",
    ),
    *(
        b"%2e%2e%2fetc%2fpasswd.cif",
        b"a\0.cif",
        b"x" * 5000 + b".cif",
        b"",
        b".",
        b"..",
        b"/",
        b"~/.ssh/id_rsa",
        b"-rf.cif",
    ),
    *(
        b"<script>alert(1)</script>.cif",
        b"=cmd|' /C calc'!A0.cif",
        b"\xe2\x80\xaexod.fic",
        b"\xff\xfe.cif",
        b"con",
        b"nul.cif",
    ),
    *(b"https://example.org/x.cif", b"file:///etc/passwd", b"optimade:mp.cif", b"bundled:elastic_tensor", b"$(id).cif"),
    *(
        b"`id`.cif",
        b"; ls.cif",
        b"x.cif; filename=y.cif",
        b"\r\n.cif",
        b"{{7*7}}.cif",
        b"x.tar.gz",
        b"x.zip",
        b"x.pkl",
        b"x.safetensors",
    ),
)


def form(name: bytes, content: bytes, boundary: bytes = b"b", more: bytes = b"") -> bytes:
    """Return a form of one file, its name written as it is."""
    head = b'Content-Disposition: form-data; name="files"; filename="' + name + b'"\r\n'
    return b"--" + boundary + b"\r\n" + head + more + b"\r\n" + content + b"\r\n--" + boundary + b"--\r\n"


def posted(
    family: str, body: bytes, kind: str = "multipart/form-data; boundary=b", path: str = "/v1/predict"
) -> Hostile:
    """Return a form as a request."""
    return Hostile(family, [request("POST", path, body=body, kind=kind)])


def names(random: Random) -> Hostile:
    """Return a sound file with a name that tries something."""
    return posted("names of files", form(random.choice(_NAMES), _CIF))


def malformed(random: Random) -> Hostile:
    """Return a form that is not as it should be."""
    body = form(b"a.cif", _CIF)
    field = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    kinds = (
        lambda: posted("forms", mutated(body, random, "binary")),
        lambda: posted("forms", body[: random.randrange(len(body))]),
        lambda: posted("forms", body, "multipart/form-data"),
        lambda: posted("forms", body, f"multipart/form-data; boundary={'b' * random.choice((0, 71, 5000))}"),
        lambda: posted(
            "forms", body, random.choice(('multipart/form-data; boundary="b', "multipart/mixed; boundary=b"))
        ),
        lambda: posted("forms", body, "multipart/form-data; boundary=b; boundary=c"),
        lambda: posted("forms", body.replace(b"\r\n", random.choice((b"\n", b"\r", b"\r\r\n")))),
        lambda: posted("forms", form(b"a.cif", _CIF, more=b"X: y\r\n" * random.choice((1, 5000)))),
        lambda: posted("forms", form(b"a.cif", _CIF, more=b"X" * 100_000 + b": y\r\n")),
        lambda: posted("forms", form(b"a.cif", _CIF, more=b"Content-Transfer-Encoding: base64\r\n")),
        lambda: posted("forms", form(b"a.cif", form(b"b.cif", _CIF, b"c"), more=b"Content-Type: multipart/mixed\r\n")),
        lambda: posted("forms", field % (b"properties", b"\xff\xfe" * 50) + body),
        lambda: posted("forms", field % (b"x" * 100_000, b"y") + body),
        lambda: posted("forms", field % (b"__class__", b"y") * 60 + body),
        lambda: posted("forms", field % (b"structures", b"[" * 50_000) + body),
        lambda: posted("forms", field % (b"model", b"../../x.safetensors") + body),
        lambda: posted("forms", field % (b"interval", random.choice((b"nan", b"1e999", b"-1", b"\0", b"0x1"))) + body),
        lambda: posted("forms", body[:-6].replace(b"filename=", b"filename*=utf-8''%00%0d%0a;x=")),
        lambda: posted("forms", b"--b\r\n" * 20_000 + b"--b--\r\n"),
        lambda: posted("forms", b"\r\n" * 100_000 + body),
    )
    return random.choice(kinds)()
