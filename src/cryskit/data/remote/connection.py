"""Requests to servers of data: limits on sizes and times, retries with growing waits, no host but those that are allowed.

A server that breaks off, answers 429 or 5xx, or says nothing is asked again, after the time that it names in Retry-After or after one
that doubles; what it answers else is an error that quotes it. Redirects lead to allowed hosts only. Nothing of the user is sent but what
a source asks for: no cookies, no passwords of a .netrc file.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import IO, TYPE_CHECKING, Any, TypeVar

from cryskit.data.files import HELD_BYTES
from cryskit.data.remote.addresses import is_loopback, require_allowed, require_online
from cryskit.errors import QUOTED_PATH, DataError, counted, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import requests

T = TypeVar("T")

_PIECE = 1 << 16
_HOPS = 5
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # states of a server that pass
_FEWER = "Ask for fewer rows at once with --page-limit"
_TOO_LARGE = "No data set of this size is known: check the address"
_TOO_LARGE_TO_HOLD = "Its format is read into memory as a whole: look for the same data as JSON lines or Parquet"
_LATER = "Give the same command again later; what was fetched is kept"


@dataclass(frozen=True)
class Limits:
    """The limits of what a server may take.

    Attributes:
        attempts: Number of times that a page is asked for.
        backoff: Wait before the second attempt in seconds; it doubles before each further one.
        longest_wait: Longest wait that a server may ask for, in seconds.
        connect: Longest time until a connection is made, in seconds.
        silence: Longest time without any byte, in seconds.
        answer: Longest time for a whole page, in seconds; that of a file has no such limit.
        page_bytes: Largest size of a page, unpacked.
        file_bytes: Largest size of a file.
        held_bytes: Largest size of a file whose reader holds all of it in memory.
        pages: Largest number of pages of a data set.
    """

    attempts: int = 5
    backoff: float = 1.0
    longest_wait: float = 300.0
    connect: float = 15.0
    silence: float = 60.0
    answer: float = 600.0
    page_bytes: int = 100_000_000
    file_bytes: int = 20_000_000_000
    held_bytes: int = HELD_BYTES
    pages: int = 200_000


LIMITS = Limits()
"""The limits that hold unless others are given."""


class PassingError(Exception):
    """Something that may be otherwise when it is asked for again.

    Args:
        reason: What was wrong, for the error message if it does not pass.
        wait: Seconds that the server asks to wait, None if it does not say.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class Connection:
    """Fetches pages and files from allowed hosts.

    Args:
        source: Name of the data set that is fetched, for error messages.
        hosts: Hosts that may be connected to; those of `hosts.yaml` if None.
        limits: Limits of sizes and times.
        headers: Headers that go to the first host of a request and to no other, such as a key.

    Raises:
        DataError: Connections are forbidden, or requests is not installed.
    """

    def __init__(
        self,
        source: str,
        hosts: frozenset[str] | None = None,
        limits: Limits = LIMITS,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        require_online(source)
        self.limits = limits
        self._library = _requests()
        self._hosts = hosts
        self._headers = dict(headers or {})

    def page(self, address: str, check: Callable[[bytes], T]) -> T:
        """Return what a function makes of the content of a page.

        Args:
            address: Address of the page.
            check: Function that is given the content; it raises PassingError for one that should be asked for again.

        Raises:
            DataError: It cannot be fetched, is larger than allowed, or `check` refuses it.
        """

        def once() -> T:
            with self._answer(address, {}) as answer:
                content = b"".join(self._pieces(answer, self.limits.page_bytes, self.limits.answer))
            return check(content)

        return self._again(address, once)

    def file(self, address: str, into: IO[bytes], *, is_held: bool = False) -> None:
        """Fetch a file; one of which a part is there already goes on from where it ends, if the server can do so.

        Args:
            address: Address of the file.
            into: File opened for reading and writing bytes, empty or with the beginning of the content.
            is_held: Whether it is going to be held in memory as a whole, so that it must be smaller.

        Raises:
            DataError: It cannot be fetched, or is larger than allowed.
        """
        most, cure = (self.limits.held_bytes, _TOO_LARGE_TO_HOLD) if is_held else (self.limits.file_bytes, _TOO_LARGE)

        def once() -> None:
            start = into.seek(0, 2)
            with self._answer(address, {"Range": f"bytes={start}-"} if start else {}, whole=True) as answer:
                if answer.status_code == 416:  # nothing is missing, or the file is another one: the checksum tells
                    return
                if answer.status_code != 206:
                    into.seek(0)
                    into.truncate()
                    start = 0
                for piece in self._pieces(answer, most - start, None, cure):
                    into.write(piece)
            into.flush()

        self._again(address, once)

    def _again(self, address: str, once: Callable[[], T]) -> T:
        """Return what one attempt returns, the first of several that does not end in a PassingError."""
        host = require_allowed(address, self._hosts).netloc
        for attempt in range(1, self.limits.attempts + 1):
            try:
                return once()
            except PassingError as error:
                wait = self.limits.backoff * 2 ** (attempt - 1) if error.wait is None else error.wait
                if wait > self.limits.longest_wait:
                    raise DataError(f"{host} asks to wait for {wait:.0f} seconds ({error.reason})", _LATER) from error
                if attempt == self.limits.attempts:
                    times = counted(attempt, "attempt")
                    raise DataError(f"{host} did not give a page in {times} ({error.reason})", _LATER) from error
                time.sleep(wait)
        raise AssertionError(address)  # pragma: no cover - the loop ends by a return or a raise

    @contextmanager
    def _answer(self, address: str, headers: Mapping[str, str], *, whole: bool = False) -> Iterator[requests.Response]:
        """Give the answer to a request whose status is good, once redirects are followed.

        Args:
            address: Address of the request.
            headers: Headers of the request besides those of the connection.
            whole: Whether bytes are wanted as they are, not packed for their way, so that places in a file can be named.
        """
        problems = self._library.exceptions
        own = {"User-Agent": f"cryskit/{version('cryskit')}", "Accept-Encoding": "identity" if whole else "gzip"}
        first = require_allowed(address, self._hosts).netloc
        for _ in range(_HOPS):
            parts = require_allowed(address, self._hosts)
            secret = self._headers if parts.netloc == first else {}
            with self._library.Session() as session:
                session.trust_env = not is_loopback(parts.hostname or "")  # a proxy is for other computers
                session.auth = _unchanged  # else a password of .netrc would be sent
                try:
                    answer = session.get(
                        address,
                        headers={**own, **headers, **secret},
                        stream=True,
                        allow_redirects=False,
                        timeout=(self.limits.connect, self.limits.silence),
                    )
                except (problems.ConnectionError, problems.Timeout) as error:
                    raise PassingError(_shown(error)) from error
                except (problems.RequestException, ValueError) as error:
                    raise DataError(f"{parts.netloc} cannot be asked ({_shown(error)})", "Check the address") from error
                with answer:
                    if not answer.is_redirect:
                        self._require_good(answer, parts.netloc, whole=whole)
                        yield answer
                        return
                    address = self._library.compat.urljoin(address, answer.headers["Location"])
        raise DataError(
            f"{first} leads from one address to the next, {_HOPS} times", "Give the address it should lead to"
        )

    def _require_good(self, answer: requests.Response, host: str, *, whole: bool) -> None:
        """Refuse an answer whose status is not good."""
        if answer.status_code in {200, *((206, 416) if whole else ())}:
            return
        if answer.status_code in _PASSING:
            raise PassingError(f"status {answer.status_code}", _retry_after(answer.headers.get("Retry-After")))
        raise DataError(
            f"{host} refuses the request with status {answer.status_code}{self._said(answer)}",
            "Check the query, and whether the server still has that place" if answer.status_code < 500 else _LATER,
        )

    def _said(self, answer: requests.Response) -> str:
        """Return what a server says of an error, in OPTIMADE's form, ": ..." or ""."""
        try:
            content = b"".join(self._pieces(answer, 1_000_000, self.limits.silence))
            details = [each["detail"] for each in json.loads(content)["errors"]]
        except (PassingError, DataError, ValueError, LookupError, TypeError, RecursionError):
            return ""
        return f": {shortened(' '.join(str(details[0]).split()), QUOTED_PATH)}" if details else ""

    def _pieces(
        self, answer: requests.Response, most: int, seconds: float | None, cure: str = _FEWER
    ) -> Iterator[bytes]:
        """Yield the content of an answer, and refuse what is too large or takes too long.

        Args:
            answer: Answer whose content was not read yet.
            most: Number of bytes that it may have, unpacked.
            seconds: Time that it may take, None for any.
            cure: What to do about one that is too large.
        """
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with requests

        host = require_allowed(answer.url, self._hosts).netloc
        announced = answer.headers.get("Content-Length", "")
        size, end = int(announced) if announced.isdecimal() else 0, time.monotonic() + (seconds or 0.0)
        total = 0
        while True:
            if max(size, total) > most:
                raise DataError(f"{host} sends more than {most:,} bytes at once", cure)
            if seconds is not None and time.monotonic() > end:
                raise PassingError(f"no whole page within {seconds:g} seconds")
            try:
                # What is there: a whole piece may be long in coming
                piece = answer.raw.read1(_PIECE, decode_content=True)
            except (HTTPError, OSError) as error:
                raise PassingError(_shown(error)) from error
            if not piece:
                return
            total += len(piece)
            yield piece


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _requests() -> Any:
    """Return the library that makes requests."""
    try:
        import requests  # noqa: PLC0415 - who connects to nothing does not wait for it
    except ImportError as error:
        raise DataError("Fetching needs requests, which is not installed", "pip install 'cryskit[fetch]'") from error
    return requests


def _retry_after(given: str | None) -> float | None:
    """Return the seconds that a server asks to wait, given as such or as a date; None if it does not say."""
    if given is None:
        return None
    if given.strip().isdecimal():
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _shown(error: BaseException) -> str:
    """Return what is wrong with a connection, without the addresses in memory that libraries put into their texts."""
    text = " ".join(str(error).split())
    return shortened(text.rpartition(">: ")[2] or type(error).__name__, QUOTED_PATH)


def parsed(content: bytes) -> Any:
    """Return what the content of a page is as JSON.

    Raises:
        PassingError: It is no whole JSON, as when the server broke off.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PassingError(f"no whole JSON: {' '.join(str(error).split())}") from error
