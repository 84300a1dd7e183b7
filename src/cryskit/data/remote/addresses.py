"""Which addresses may be connected to: https of known hosts, and of this computer itself also http.

The known hosts are those of `hosts.yaml`; CRYSKIT_HOSTS adds further ones, separated by commas. Nothing may be connected to if
CRYSKIT_OFFLINE is set to anything but 0, false or no.
"""

from __future__ import annotations

import os
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from cryskit.errors import QUOTED_PATH, DataError, shortened
from cryskit.yaml_files import read_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

OFFLINE = "CRYSKIT_OFFLINE"
"""Name of the environment variable that forbids every connection."""
HOSTS = "CRYSKIT_HOSTS"
"""Name of the environment variable with further hosts, separated by commas."""

_FILE = Path(__file__).with_name("hosts.yaml")
_NO = {"", "0", "false", "no"}


class Terms(NamedTuple):
    """What is known of the data of a host or a provider.

    Attributes:
        title: Name of the collection of data.
        licence: Terms of its use.
        doi: Digital object identifier of the article to cite, "" if there is none.
    """

    title: str
    licence: str
    doi: str = ""


UNKNOWN = Terms("", "not known here: ask whoever provides the data")
"""The terms of a host that is none of `hosts.yaml`."""


@cache
def hosts() -> Mapping[str, Terms]:
    """Return the hosts from which files may be fetched, with the terms of what they provide.

    Raises:
        DataError: The table is damaged.
    """
    try:
        return MappingProxyType({str(name): Terms(**each) for name, each in read_mapping(_FILE, DataError).items()})
    except TypeError as error:
        raise DataError(f"{_FILE} cannot be read ({error})", "Install the package again") from error


def require_online(what: str) -> None:
    """Refuse to connect if connections are forbidden.

    Args:
        what: Name of the data set that is asked for, for the error message.

    Raises:
        DataError: CRYSKIT_OFFLINE is set.
    """
    if os.environ.get(OFFLINE, "").strip().lower() not in _NO:
        raise DataError(
            f"{shortened(what, QUOTED_PATH)} is on another computer, and connections are forbidden ({OFFLINE} or --offline)",
            "Fetch it where there is a network with `cryskit data fetch`, and give the file",
        )


def require_allowed(address: str, known: frozenset[str] | None = None) -> SplitResult:
    """Return the parts of an address that may be connected to.

    Args:
        address: Address that begins with https:// or, on this computer, http://.
        known: Hosts that may be connected to; those of `hosts.yaml` by default.

    Raises:
        DataError: It is no such address, holds a user name, or is of an unknown host.
    """
    shown = shortened(address, QUOTED_PATH)
    try:
        parts = urlsplit(address)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise DataError(f"{shown} is no address ({error})", "Give https://HOST/PATH") from error
    if parts.scheme not in {"http", "https"} or not host or any(ord(each) <= 32 for each in address):
        raise DataError(f"{shown} is no address of a file or server", "Give https://HOST/PATH")
    if parts.username is not None or parts.password is not None:
        raise DataError(f"The address of {host} holds a user name or password", "Leave it out")
    if is_loopback(host):
        return parts
    if parts.scheme != "https":
        raise DataError(f"{shown} is not encrypted", "Give its address with https://")
    allowed = (frozenset(hosts()) if known is None else known) | _added()
    if host not in allowed:
        raise DataError(
            f"{host} is none of the hosts that cryskit connects to ({', '.join(sorted(allowed))})",
            f"Fetch the file yourself and give its path, or allow the host: {HOSTS}={host}",
        )
    return parts


def is_loopback(host: str) -> bool:
    """Return whether a host is this computer itself, by its name or number."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def on_same_host(address: str, link: str) -> str:
    """Return where a link leads, which must be the host of the page that it is on.

    A link with http:// on a page of https:// leads to https://, as servers behind a proxy do not know how they are called.

    Args:
        address: Address of the page.
        link: Link as the page has it, with its host or without.

    Raises:
        DataError: It leads to another host or port, or is no address.
    """
    try:
        here, there = urlsplit(address), urlsplit(urljoin(address, link))
        if there.scheme == "http" and here.scheme == "https" and there.port in {None, 80}:
            there = there._replace(scheme="https", netloc=there.netloc.removesuffix(":80"))
        same = (here.scheme, here.hostname, here.port) == (there.scheme, there.hostname, there.port)
    except ValueError as error:
        raise DataError(f"The link {shortened(link, QUOTED_PATH)!r} is no address ({error})", _REPORT) from error
    if not same or there.username is not None:
        raise DataError(
            f"A page of {here.netloc} leads to {shortened(link, QUOTED_PATH)!r}, which is on another host", _REPORT
        )
    return there.geturl()


_REPORT = "Nothing is fetched from there; report it to whoever runs the server"


def _added() -> frozenset[str]:
    return frozenset(filter(None, (each.strip().lower() for each in os.environ.get(HOSTS, "").split(","))))
