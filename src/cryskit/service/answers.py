"""Tables as answers: JSON, CSV or Parquet, each the way `cryskit predict` writes them."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from cryskit.predict.writers import json_rows, table_writer
from cryskit.service.core import Table
from cryskit.service.problems import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
"""Forms of a table, by the name that `?format=` takes, to their media types."""


def form_of(asked: str, accept: str) -> str:
    """Return the form that a request wants.

    Args:
        asked: Value of `?format=`, or "".
        accept: Value of the header Accept.

    Raises:
        ServiceError: There is no such form.
    """
    if asked:
        if asked not in TYPES:
            raise ServiceError(
                422,
                "There is no such form of a table",
                "Choose another",
                given=repr(asked[:60]),
                expected=", ".join(TYPES),
            )
        return asked
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    return next((form for form, kind in TYPES.items() if kind.partition(";")[0] in wanted), "json")


def answer(found: Table | Mapping[str, Any], form: str, headers: Mapping[str, str]) -> Response:
    """Return what was found as an answer.

    Args:
        found: A table, or an object.
        form: Form of a table; an object is always JSON.
        headers: Further headers.
    """
    if form == "json" or not isinstance(found, Table):
        return Response(json_of(found), media_type=TYPES["json"], headers=dict(headers))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"table.{form}")
        with table_writer(path, found.schema, found.facts) as write:
            for row in found.rows:
                write(row)
        data = path.read_bytes()
    named = {"Content-Disposition": f'attachment; filename="cryskit.{form}"'}
    return Response(data, media_type=TYPES[form], headers={**headers, **named})


def json_of(found: Table | Mapping[str, Any]) -> str:
    """Return what was found as JSON.

    Args:
        found: A table, or an object.
    """
    if not isinstance(found, Table):
        rows = ", ".join(
            json.dumps(row, allow_nan=False) for row in found["rows"]
        )  # others get their turn between rows
        named = json.dumps({name: value for name, value in found.items() if name != "rows"}, allow_nan=False)
        return f'{named[:-1]}{", " if len(found) > 1 else ""}"rows": [{rows}]}}'
    file = io.StringIO()
    with json_rows(file, found.schema.names, found.facts) as write:
        for row in found.rows:
            write(row)
    return file.getvalue()
