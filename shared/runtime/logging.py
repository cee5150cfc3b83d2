"""Structured logs: one JSON object a line, without personal data."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import Processor

from shared.privacy.redaction import redact

log = structlog.get_logger()

Entry = MutableMapping[str, Any]


def configure(process: str) -> None:
    """Sends every log line of this process, also those of libraries, through redaction to standard error as JSON."""

    def name_process(logger: Any, method: str, entry: Entry) -> Entry:
        entry["process"] = process
        return entry

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        name_process,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                describe_exception,
                redact,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda failure: _log_uncaught(failure.exc_type, failure.exc_value, failure.exc_traceback)
    for chatty in ("amqp", "kombu", "nameko", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _log_uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    """Python would print the message of what nobody caught, and with it whatever value stands in there."""
    log.error("uncaught_exception", exc_info=(kind, error or kind(), trace))


def describe_exception(logger: Any, method: str, entry: Entry) -> Entry:
    """Replaces an exception by its types and places, never its message: a database puts row contents into those."""
    info = entry.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info if isinstance(info, BaseException) else sys.exc_info()[1]
    if info and error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        entry["exception"] = type(error).__name__
        entry["sqlstate"] = getattr(getattr(error, "orig", None), "sqlstate", None)
        entry["raised_at"] = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno} {frame.name}" for frame in frames]
    return entry
