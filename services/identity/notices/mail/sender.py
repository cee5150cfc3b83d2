"""The sender: takes mails that are due, one by one, and hands each to the mail server until it has taken it.

One sender of a service is active at a time: it holds an advisory lock on the connection over which it reads and marks.
When there is no mail to send, it goes on with what everybody is to be told; when there is nothing of that either, it
listens on that connection, so that an idle database is not asked again and again.

A mail is marked as sent after the server has taken it, in one transaction with the event that says so. A process that
is killed in between leaves it unmarked, and the next one sends it once more under the same Message-ID, by which
receivers recognise it. That it is settled is one command for each mail, so the event is recorded once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from uuid import uuid5

import structlog
from sqlalchemy import Connection, Engine

from services.identity.notices.kinds import Correspondence, Notice
from services.identity.notices.mail.distributing import distribute_page
from services.identity.notices.mail.outgoing import MAILS, Mail, count_attempt, next_mail, postpone, put_back, settle
from services.identity.notices.mail.smtp import Deferred, Refused, ServerAway, SmtpServer
from services.identity.notices.mail.writing import Withheld, Writer, Written
from shared.bus.connection import Stopping
from shared.contracts.problems import Problem
from shared.eventstore.work import Command, EventStore, Outcome, UnitOfWork
from shared.runtime import clock
from shared.runtime.database import listen, take_lead, wait_for_call
from shared.runtime.faults import is_outage
from shared.service.wiring import service_command

log = structlog.get_logger()

LOOK_SECONDS = 5.0
"""How often a sender that nobody calls looks by itself for mails that were put off and are due again."""
STOP_SECONDS = 0.5
"""How long it may take to notice that it is to stop."""
STANDBY_SECONDS = 0.5
SHORTEST_PAUSE = 0.3
LONGEST_PAUSE = 10.0
IDLE_SECONDS = 120
"""A sender that says nothing to the database for so long has stopped: no conversation with a server lasts longer."""
ATTEMPTS = 30
"""How often a recipient may put us off, which takes about a day."""


class Sender:
    """Sends the mails of one service, until `stopping` is set."""

    def __init__(
        self,
        engine: Engine,
        store: EventStore,
        writer: Writer,
        server: SmtpServer,
        stopping: Stopping,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`engine` is one of `connect_for_leading`; `store` records what was sent to whom."""
        self._engine = engine
        self._store = store
        self._writer = writer
        self._server = server
        self._stopping = stopping
        self._now = now

    def run(self) -> None:
        """Sends until `stopping` is set. Raises whatever ends it before; the next one begins anew."""
        with self._engine.connect() as connection:
            self._lead(connection)

    def _lead(self, connection: Connection) -> None:
        """Waits for the lead, then sends for as long as the connection that has it lives."""
        while not take_lead(connection, "okacrm.mails"):
            if self._stopping.wait(STANDBY_SECONDS):
                return
        listen(connection, MAILS)
        pause = SHORTEST_PAUSE
        while not self._stopping.is_set():
            mail = next_mail(connection)
            if mail is None:
                if not distribute_page(connection):
                    self._wait_for_mail(connection)
                continue
            try:
                self._send(connection, mail)
                pause = SHORTEST_PAUSE
            except ServerAway as away:
                log.warning("mail_server_away", reason=str(away))
                pause = min(2 * pause, LONGEST_PAUSE)
                self._stopping.wait(pause)

    def _wait_for_mail(self, connection: Connection) -> None:
        look_at = time.monotonic() + LOOK_SECONDS
        while not self._stopping.is_set() and (remaining := look_at - time.monotonic()) > 0:
            if wait_for_call(connection, min(remaining, STOP_SECONDS)):
                return

    def _send(self, connection: Connection, mail: Mail) -> None:
        """One attempt at one mail, and what came of it.

        Raises `ServerAway`, or what says that a database is away or full, and then the attempt does not count.
        """
        exhausted = mail.attempts >= ATTEMPTS
        count_attempt(connection, mail)
        try:
            written = self._writer.write(connection, mail, now=self._now())
            if not exhausted:
                self._server.send(written.message, sender=self._writer.sender.addr_spec, recipient=written.recipient)
        except Withheld as withheld:
            settle(connection, mail, "withheld", str(withheld))
            _log(mail, "withheld", str(withheld))
        except Refused as refused:
            self._record(mail, written, "refused", str(refused))
        except Deferred as deferred:
            postpone(connection, mail, str(deferred))
        except Exception as error:
            if isinstance(error, ServerAway) or is_outage(error):
                if not connection.invalidated:
                    put_back(connection, mail)
                raise
            log.error("mail_failed", mail=str(mail.id), template=mail.template, exc_info=error)
            if exhausted:
                settle(connection, mail, "given_up", type(error).__name__)
            else:
                postpone(connection, mail, type(error).__name__)
        else:
            if exhausted:
                self._record(mail, written, "given_up", "too-many-attempts")
            else:
                self._record(mail, written, "sent")

    def _record(self, mail: Mail, written: Written, state: str, reason: str | None = None) -> None:
        """Settles a mail, together with the event that keeps what became of it.

        Raises `Problem` if the database is away. What cannot be recorded, as of somebody whose keys were destroyed
        meanwhile, is settled all the same: it must not be sent again for that.
        """
        correspondence = Correspondence(
            account_id=mail.account_id,
            about=mail.event_id,
            kind=mail.kind,
            letter=mail.template,
            address=written.recipient,
            subject_line=written.subject_line,
            language=written.language,
        )

        def record(work: UnitOfWork) -> Outcome:
            notice = work.load(Notice, mail.id)
            if state == "sent":
                work.record(notice, notice.send(correspondence, relied_on=written.relied_on, now=work.now))
            else:
                work.record(notice, notice.fail(correspondence, state, now=work.now))
            settle(work.connection, mail, state, reason)
            return {}

        try:
            self._store.perform(_command(mail, written), record)
        except Problem as refusal:
            if refusal.type.status >= 500:
                raise
            with self._store.engine.connect() as connection:
                settle(connection, mail, state, refusal.code)
        _log(mail, state, reason)


def _command(mail: Mail, written: Written) -> Command:
    """That a mail is settled: the same command however often it comes to that."""
    id = uuid5(mail.id, "settled")
    return service_command("identity", "identity settles a mail", id, written.correlation_id)


def _log(mail: Mail, state: str, reason: str | None) -> None:
    if state in ("refused", "given_up"):
        log.warning("mail_not_delivered", mail=str(mail.id), template=mail.template, reason=reason)
    else:
        log.info("mail_settled", mail=str(mail.id), template=mail.template, state=state, reason=reason)
