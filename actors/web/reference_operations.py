"""Operations on reference tables: what there is, loading a file, going back."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from actors.reference_messages import LoadTable, RollBack, Row, TableInfo
from actors.web.api import Call, Operation, Reply, operation
from actors.web.auth import LOCAL_ADMIN
from actors.web.lists import select
from actors.web.parameters import ACT, LOOK, MAX_REASON_CHARS, PageParameters, Reason
from actors.web.problems import NO_SUCH_ROW, NO_SUCH_TABLE, TABLE_FILE_INVALID, TABLE_REFUSED
from protocols.http import paging, problem
from protocols.http.paging import Key, Page, Selection

logger = logging.getLogger(__name__)

REFERENCE = "/api/v1/reference"
CSV = "text/csv"
WAIT_SHARE = 0.8
"""Of the time that a request may take, what a load may, before it is answered with 202."""

_COLUMNS = ("table", "version", "rows", "bytes", "hits", "misses")


class UploadParameters(Struct, frozen=True, kw_only=True):
    """How a file is loaded, where the body is the file.

    Attributes:
        force: Whether it may have far fewer rows than the table has now.
        reason: Why, for the log and the events.
    """

    force: bool = False
    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARS)] = ""


class Upload(Reason, frozen=True, kw_only=True):
    """A file of a table: its contents, or over the control channel where it is.

    Attributes:
        csv: The contents.
        file: An absolute path.
        force: Whether it may have far fewer rows than the table has now.
    """

    csv: str | None = None
    file: Annotated[str, Meta(max_length=4_096)] | None = None
    force: bool = False


@operation("GET", REFERENCE, scopes=LOOK, query=PageParameters, response=Page[TableInfo])
async def list_reference(call: Call[PageParameters, None]) -> Reply:
    """The reference tables: versions, sizes, ages, how often they are read."""
    selection: Selection[TableInfo] = Selection(
        paging.parse(call.parameters, _COLUMNS),
        key_of=_column,
        name_of=lambda info: info.table,
        text_of=lambda info: f"{info.table} {info.source} {info.error}",
    )
    tables = await call.services.reference.tables()
    return Reply(value=await select(tables, selection, call.services.introspection.pace))


@operation(
    "GET",
    f"{REFERENCE}/{{table}}/rows/{{key}}",
    scopes=LOOK,
    response=Row,
    problems=(NO_SUCH_TABLE, NO_SUCH_ROW),
)
async def get_reference_row(call: Call[None, None]) -> Reply:
    """One row, as it is read now."""
    return Reply(value=await call.services.reference.row(call.path["table"], call.path["key"]))


@operation(
    "PUT",
    f"{REFERENCE}/{{table}}",
    scopes=ACT,
    query=UploadParameters,
    request=Upload,
    request_texts={CSV: "csv"},
    response=TableInfo,
    problems=(NO_SUCH_TABLE, TABLE_REFUSED, TABLE_FILE_INVALID),
)
async def load_reference(call: Call[UploadParameters, Upload]) -> Reply:
    """Load a file and switch to it; 202 where that takes longer than a request may."""
    body, query = call.body, call.query
    contents = None if body.csv is None else body.csv.encode()
    asked = LoadTable(
        call.path["table"],
        path=_path(call),
        contents=contents,
        force=body.force or query.force,
        by=call.who,
        reason=(body.reason or query.reason).strip(),
    )
    return await _switched(call, asked)


@operation(
    "POST",
    f"{REFERENCE}/{{table}}/rollback",
    scopes=ACT,
    request=Reason,
    request_optional=True,
    response=TableInfo,
    problems=(NO_SUCH_TABLE, TABLE_REFUSED),
)
async def rollback_reference(call: Call[None, Reason]) -> Reply:
    """Switch back to the version before; once more leads forward again."""
    asked = RollBack(call.path["table"], by=call.who, reason=call.body.reason.strip())
    return await _switched(call, asked)


def _path(call: Call[UploadParameters, Upload]) -> str:
    """The file that is named, which only the node's own user may: it is read with its rights."""
    body = call.body
    if (body.csv is None) is (body.file is None):
        raise problem.invalid("csv", "given, or file over the control channel")
    if body.file is None:
        return ""
    if call.principal is not LOCAL_ADMIN:
        raise problem.invalid(
            "file", "absent: the contents go into csv, or are the body (text/csv)"
        )
    if not Path(body.file).is_absolute() or "\0" in body.file:
        raise problem.invalid("file", "an absolute path")
    return body.file


async def _switched(call: Call[Any, Any], asked: LoadTable | RollBack) -> Reply:
    logger.info("%s asks for %s of %s", call.who, type(asked).__name__, asked.table)
    within_s = call.services.config.request_timeout_s * WAIT_SHARE
    info = await call.services.reference.switch(asked, within_s)
    if info is not None:
        return Reply(value=info)
    tables = await call.services.reference.tables()
    return Reply(value=next(one for one in tables if one.table == asked.table), status=202)


def _column(info: TableInfo, column: str) -> Key:
    key: Key = getattr(info, column)
    return key


OPERATIONS: tuple[Operation, ...] = (
    list_reference,
    get_reference_row,
    load_reference,
    rollback_reference,
)
