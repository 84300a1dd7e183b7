"""Errors as problem details (RFC 9457): what was given, what was expected, what to do. Nothing of the inside is shown."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from cryskit.errors import (
    CryskitError,
    DiskFullError,
    ModelError,
    ProcessEndedError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import ValidationError
    from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
"""Media type of an answer that is a problem."""
_SHOWN = 20  # errors of a request that are listed
_INSTALL = "pip install"


class ServiceError(CryskitError):
    """A request that cannot be answered as it was meant.

    Args:
        status: Status of HTTP.
        problem: What is wrong, as a sentence without its full stop.
        cure: What to do next, as a sentence without its full stop.
        given: What was given; "" where the problem says it.
        expected: What was expected; "" where the problem says it.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        problem: str,
        cure: str,
        *,
        given: str = "",
        expected: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(problem, cure)
        self.status, self.given, self.expected = status, given, expected
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what makes it anew where a process sends it to another."""
        made = partial(ServiceError, given=self.given, expected=self.expected, headers=self.headers)
        return made, (self.status, self.problem, self.cure)


def busy(problem: str, seconds: int = 5, status: int = 429) -> ServiceError:
    """Return the error of a service that has too much to do, with the time after which to ask again.

    Args:
        problem: What there is too much of, as a sentence without its full stop.
        seconds: Seconds after which to ask again.
        status: Status of HTTP.
    """
    return ServiceError(status, problem, f"Ask again in {seconds} s", headers={"Retry-After": str(seconds)})


def status_of(error: CryskitError) -> int:
    """Return the status of HTTP that an error stands for.

    Args:
        error: Any error of cryskit.
    """
    if isinstance(error, ServiceError):
        return error.status
    if error.cure.startswith(_INSTALL) or isinstance(error, ProcessEndedError | DiskFullError):
        return 503
    return 422


def details(error: CryskitError, request_id: str = "") -> dict[str, Any]:
    """Return an error as problem details.

    Args:
        error: Any error of cryskit.
        request_id: Id of the request, by which the log finds it.
    """
    status = status_of(error)
    kind = "unknown-name" if isinstance(error, UnknownNameError) else _slug(status)
    kind = "model" if isinstance(error, ModelError) and status == 422 else kind
    found = {
        "type": f"urn:cryskit:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": str(error),
        "problem": error.problem,
        "given": getattr(error, "given", "") or None,
        "expected": getattr(error, "expected", "") or None,
        "cure": error.cure,
        "request_id": request_id or None,
    }
    return {key: value for key, value in found.items() if value is not None} | _listed(error)


def response(error: CryskitError, request_id: str = "", more: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an error as the answer to a request.

    Args:
        error: Any error of cryskit.
        request_id: Id of the request.
        more: Further headers.
    """
    headers = {**(error.headers if isinstance(error, ServiceError) else {}), **(more or {})}
    return JSONResponse(details(error, request_id), status_of(error), headers, MEDIA_TYPE)


class InvalidError(ServiceError):
    """A request whose options are not what the schema says.

    Args:
        error: What the validation found; values that were given are not repeated.
        schema: Where the client finds the schema.
    """

    def __init__(self, error: ValidationError, schema: str = "/openapi.json") -> None:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        self.errors = [
            {"field": ".".join(str(part)[:60] for part in each["loc"]), "problem": each["msg"][:200]}
            for each in found[:_SHOWN]
        ]
        first = self.errors[0]
        super().__init__(
            422,
            f"The request is not what {schema} says: {first['field'] or 'the whole'}, {first['problem']}",
            "Correct the fields that are listed",
        )


def of_http(error: HTTPException) -> ServiceError:
    """Return what the web framework raised as an error of the service.

    Args:
        error: The exception: no such address, a method that is not allowed, a body that cannot be read.
    """
    known = {
        404: ("There is nothing at this address", "See /openapi.json for the addresses"),
        405: ("The address does not know this method", "See /openapi.json for the methods"),
    }
    problem, cure = known.get(error.status_code, ("The request cannot be read", "Send it as /openapi.json says"))
    return ServiceError(error.status_code, problem, cure, headers=error.headers)


def unforeseen() -> ServiceError:
    """Return the error of a request that ended in one that nobody foresaw; the log has the rest."""
    return ServiceError(500, "The service met an error that was not foreseen", "Report it with the request id")


def _slug(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-").replace("'", "")


def _listed(error: CryskitError) -> dict[str, Any]:
    return {"errors": error.errors} if isinstance(error, InvalidError) else {}
