"""What exported records look like: as NDJSON, the log's own bytes; as CSV, for tables. And the manifest beside them.

Whoever verifies an export has the same forms written a second time, in `services/audit/tree/verify.py`, which must not
depend on anything here.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from shared.contracts.times import rfc3339

MANIFEST_FORMAT = "okacrm-export/v1"
COLUMNS = (
    "index",
    "event_id",
    "publisher",
    "epoch",
    "position",
    "workspace",
    "workspace_counter",
    "stream",
    "stream_version",
    "type",
    "schema_version",
    "actor",
    "subjects",
    "correlation",
    "causation",
    "occurred_at",
    "received_at",
    "data",
    "sealed",
)
"""Columns of the CSV: the index of a record in the log, and the members of its leaf under their own names."""

_ESCAPED = ("=", "+", "-", "@", "\t", "\r", "'")

Records = Iterable[tuple[int, bytes]]
"""Indexes of leaves, and their bytes."""


@dataclass(frozen=True)
class Form:
    """How records become bytes: those of a file are the header and then those of its records, in any division."""

    file: str
    header: bytes
    write: Callable[[Records], bytes]


def _ndjson(records: Records) -> bytes:
    """Each leaf verbatim, so that it can be hashed; a line as a whole is canonical JSON as well."""
    return b"".join([b'{"index":%d,"leaf":%b}\n' % record for record in records])


def _csv(records: Records) -> bytes:
    return _csv_rows(_row(index, leaf) for index, leaf in records)


def _row(index: int, leaf: bytes) -> list[str]:
    document = json.loads(leaf)
    document["index"] = index
    document["subjects"] = " ".join(document["subjects"])
    # What was canonical is so again, without being checked once more.
    document["data"] = _CANONICAL.encode(document["data"])
    document["sealed"] = _CANONICAL.encode(document["sealed"])
    return [_cell(document[name]) for name in COLUMNS]


def _cell(value: Any) -> str:
    """A spreadsheet takes some text for a formula and runs it; an apostrophe before it, also before one, prevents that.

    See OWASP, "CSV Injection".
    """
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_ESCAPED) else text


def _csv_rows(rows: Iterable[Sequence[str]]) -> bytes:
    """RFC 4180."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows(rows)
    return file.getvalue().encode()


_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))

FORMS = {
    "ndjson": Form("records.ndjson", b"", _ndjson),
    "csv": Form("records.csv", _csv_rows([COLUMNS]), _csv),
}


@dataclass(frozen=True)
class Asked:
    """What an export is of, as its request put it on record; `checkpoint` is the note over the log at that moment."""

    export_id: UUID
    form: str
    query: str
    checkpoint: str
    workspaces: list[dict[str, Any]]
    publishers: list[dict[str, Any]]
    requested_by: str
    requested_at: datetime


def manifest(asked: Asked, records: int, files: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    """What an export is of and what belongs to it. `files` are lengths and SHA-256 by name."""
    return {
        "format": MANIFEST_FORMAT,
        "export_id": str(asked.export_id),
        "form": asked.form,
        "query": asked.query,
        "checkpoint": asked.checkpoint,
        "workspaces": asked.workspaces,
        "publishers": asked.publishers,
        "requested_by": asked.requested_by,
        "requested_at": rfc3339(asked.requested_at),
        "records": records,
        "columns": list(COLUMNS),
        "files": {name: {"bytes": length, "sha256": digest} for name, (length, digest) in files.items()},
    }


def measured(data: bytes) -> tuple[int, str]:
    """Length and SHA-256 of a file, for a manifest."""
    return len(data), sha256(data).hexdigest()
