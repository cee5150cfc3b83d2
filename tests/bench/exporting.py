"""Exports of a filled log, each made in a process of its own, so that its memory is its own."""

from __future__ import annotations

import logging
import re
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID, uuid4

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.application import Audit
from services.audit.exports.making import Exporter
from services.audit.exports.projections import projections
from services.audit.service import AuditService
from services.audit.tree.notes import NoteSigner
from shared.bus.actors import Actor, Call
from shared.eventstore.work import EventStore
from shared.privacy.keyring import NoKeyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from shared.runtime.database import connect
from tests.bench.report import Report

EXPORTS = (("ndjson", ""), ("csv", ""), ("ndjson", "type:identity.consent_granted"))
RECORDS_PER_SECOND, MEGABYTES = 20_000, 150
"""What an export is to reach, and what its process is to do with."""


def measure_exports(url: str, size: int, report: Report) -> None:
    """Exports the log of `size` records at a database URL as a file: all of it twice, and what a query finds."""
    for form, query in EXPORTS:
        with ProcessPoolExecutor(1, get_context("spawn")) as alone:
            records, seconds, megabytes = alone.submit(_export, url, form, query).result()
        report.add(
            "audit",
            f"{form} of {query or 'everything'}, {size:,} records",
            records=records,
            per_second=round(records / seconds),
            aim=RECORDS_PER_SECOND,
            megabytes=megabytes,
            aim_megabytes=MEGABYTES,
        )


def _export(url: str, form: str, query: str) -> tuple[int, float, int]:
    """How many records were exported in how many seconds, by a process that held so many megabytes at most."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    signer = NoteSigner("bench", Ed25519PrivateKey.generate())
    engine = connect(url, autocommit=True)
    store = EventStore(engine, NoKeyring(), ServiceSecret(bytes(32)), projections, clock=clock.now, new_id=clock.new_id)
    service = AuditService()
    service.app = Audit(store, signer.verifier)
    exporter = Exporter(store, signer.verifier, threading.Event())
    begun = time.perf_counter()
    export_id = _ask(service, "request_export", q=query, form=form)["export_id"]
    while exporter.advance():
        pass
    seconds = time.perf_counter() - begun
    made = next(each for each in _ask(service, "list_exports")["items"] if each["export_id"] == export_id)
    return made["records"], seconds, _peak_megabytes()


def _peak_megabytes() -> int:
    """What this process held at most. (`getrusage` would count what its parent held when it was forked.)"""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    return int(peak[1]) // 1024


def _ask(service: AuditService, operation: str, **arguments: str) -> dict[str, str]:
    officer = Actor("compliance", str(UUID(int=1)))
    call = Call("audit", operation, arguments, officer, str(uuid4()), "bench", deadline=time.time() + 60)
    answer: dict[str, str] = getattr(service, operation)(call, **arguments)["answer"]
    return answer
