"""The page in the browser, and what only it asks for: elements, structure types, rows as files."""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from ase.data import atomic_names, covalent_radii
from ase.data.colors import jmol_colors
from fastapi import APIRouter
from pymatgen.core import Element
from starlette.exceptions import HTTPException
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotations
from starlette.responses import JSONResponse, Response

from cryskit.elements import ELEMENTS, symbol
from cryskit.predict.tables import traced
from cryskit.service.answers import answer, form_of
from cryskit.service.body import form_in
from cryskit.service.core import Table
from cryskit.service.problems import ServiceError
from cryskit.service.prototypes import built, listed
from cryskit.service.schemas import Build, Export

if TYPE_CHECKING:
    from cryskit.service.core import Service

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
"""Content security policy of the page: its own files run, nothing in its text does, and it asks no other place."""
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class _File(NamedTuple):
    """A file of the page: its bytes, its media type, a tag of its content."""

    data: bytes
    kind: str
    tag: str


def router(service: Service) -> APIRouter:
    """Return the routes of the page.

    Args:
        service: The service that answers.
    """
    made = APIRouter(tags=["page"])

    @made.get("/", include_in_schema=False)
    def page(request: Request) -> Response:
        """Return the page."""
        return _served(request, "index.html")

    @made.get("/page/{name}", include_in_schema=False)
    def part(name: str, request: Request) -> Response:
        """Return a file of the page."""
        return _served(request, name)

    @made.get("/v1/elements")
    def elements() -> Response:
        """Return the elements: symbol, name, covalent radius in angstrom, electronegativity, colour, whether a metal."""
        return JSONResponse({"elements": _elements()}, headers={"Cache-Control": "max-age=3600"})

    @made.get("/v1/prototypes")
    def prototypes() -> Response:
        """Return structure types: names, space groups, sites with the elements that they have unless others are chosen."""
        return JSONResponse({"prototypes": listed()}, headers={"Cache-Control": "no-cache"})

    @made.post("/v1/prototypes", openapi_extra=_body(Build))
    async def build(request: Request) -> Response:
        """Return a crystal of a structure type, with elements and lattice chosen."""
        asked = await form_in(request, Build, service.bodies)
        return JSONResponse(await asyncio.to_thread(built, asked.prototype, asked.elements, asked.a, asked.ratio))

    @made.post("/v1/export", openapi_extra=_body(Export))
    async def export(request: Request) -> Response:
        """Return rows of predictions as a file, in the form that `format` names."""
        form = form_of(request.query_params.get("format", ""), request.headers.get("accept", ""))
        asked = await form_in(request, Export, service.bodies)
        return await asyncio.to_thread(_exported, service, asked, form)

    return made


def _exported(service: Service, asked: Export, form: str) -> Response:
    service.limits.require_rows(len(asked.rows))
    loaded = service.models.get(asked.model)
    has_files = any(row.get("path") for row in asked.rows)
    schema = traced(loaded.predictor.schema(asked.properties or None), path=has_files)
    facts = loaded.facts | loaded.predictor.facts(schema, asked.interval)
    try:
        return answer(Table(schema, facts, asked.rows), form, {})
    except (pa.ArrowException, TypeError, ValueError, AttributeError) as error:
        raise ServiceError(
            422, "A row has a value of the wrong kind", "Send rows as /v1/predict answers them"
        ) from error


def _served(request: Request, name: str) -> Response:
    found = _files().get(name)
    if found is None:
        raise HTTPException(404)
    headers = {"ETag": found.tag, "Cache-Control": "no-cache", "Content-Security-Policy": PAGE_POLICY}
    if found.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.kind, headers=headers)


@cache
def _files() -> dict[str, _File]:
    """Return the files of the page by name; no others can be asked for."""
    found = {}
    for each in files("cryskit.service").joinpath("page").iterdir():
        kind = _TYPES.get(f".{each.name.rpartition('.')[2]}")
        if kind is not None:
            data = each.read_bytes()
            found[each.name] = _File(data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"')
    return found


@cache
def _elements() -> list[dict[str, Any]]:
    found = []
    for z in range(1, ELEMENTS + 1):
        element = Element(symbol(z))
        found.append(
            {
                "number": z,
                "symbol": symbol(z),
                "name": atomic_names[z],
                "radius": round(float(covalent_radii[z]), 3),
                "electronegativity": element.data.get("X"),
                "metal": bool(element.is_metal),
                "color": "#" + "".join(f"{round(255 * part):02x}" for part in jmol_colors[z]),
            }
        )
    return found


def _body(form: type[Build | Export]) -> dict[str, Any]:
    """Return what /openapi.json says of the body of a request."""
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": form.model_json_schema()}}},
    }
