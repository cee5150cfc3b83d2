"""Identity's mails, and mail servers that do as they are told."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

from aiosmtpd.controller import Controller
from sqlalchemy import text

from services.identity.accounts import credentials
from services.identity.accounts.aggregate import Account
from services.identity.notices.aggregate import Announcement, Wording
from services.identity.notices.mail.forgetting import forget_mails
from services.identity.notices.mail.letters import LETTERS
from services.identity.notices.mail.outgoing import Enqueuing
from services.identity.notices.mail.sender import IDLE_SECONDS, Sender
from services.identity.notices.mail.smtp import SmtpServer
from services.identity.notices.mail.writing import Writer
from shared.bus.loops import Loop
from shared.bus.reactions import Reaction
from shared.bus.subscriptions import Delivery
from shared.contracts.events import contract_of
from shared.contracts.identity import AccountPasswordChanged, AccountVerificationRequested, ConsentGranted
from shared.eventstore.recorded import Recorded, record
from shared.eventstore.store import FeedEntry, load
from shared.privacy.keyring import Custodian
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from shared.runtime.database import connect_for_leading
from tests.making import CIRCUMSTANCES, append_event, command, email, registration, running

SECRET = ServiceSecret(b"s" * 32)
PUBLIC_URL = "https://okacrm.example"


class Post:
    """Identity's mails over databases of one test: people, what happened to them, the reaction, and senders."""

    def __init__(self, databases):
        self._databases = databases
        self.store = databases.event_store(clock.now)
        self.engine = databases.engine("identity")
        self.keyring = databases.keyring(cache_seconds=0)
        self.reaction = Reaction("mail", ("identity",), dict.fromkeys(LETTERS, Enqueuing(self.keyring, SECRET)))
        self.writer = Writer(self.keyring, SECRET, sender="Okacrm <no-reply@okacrm.example>", public_url=PUBLIC_URL)
        self._positions = 0

    def person(self, address=None, *, verified=True, **details):
        """Somebody with an account."""
        account = Account(clock.new_id())
        told = registration(email=address or email(), **details)

        def register(work):
            credentials.claim_email(work.connection, SECRET.mailbox_index(told.email), account.id)
            work.record(account, account.register("influencer", told, now=work.now))
            if verified:
                work.record(account, account.verify("by_link", now=work.now))
            return {}

        self.store.perform(command(), register)
        return account.id

    def decides(self, kind, id, decide):
        """Runs a command of an aggregate, whose id is that of an account or of something new."""

        def perform(work):
            aggregate = work.load(kind, id)
            work.record(aggregate, decide(aggregate, work.now))
            return {}

        self.store.perform(command(), perform)

    def announced(self, kind="policy_update", **wordings):
        """Publishes an announcement, and returns the event as the reaction gets it."""
        words = {language: Wording(subject, text) for language, (subject, text) in wordings.items()}
        announcement = uuid4()
        self.decides(Announcement, announcement, lambda it, now: it.publish(kind, words, now=now))
        with self.engine.connect() as connection:
            recorded = load(connection, Announcement.stream_of(announcement))[-1]
        return self._delivered("identity", recorded)

    def happens(self, event):
        """Appends an event, and returns it as the reaction gets it."""
        return self._delivered("identity", append_event(self.store, event))

    def happens_elsewhere(self, event):
        """An event of another service, which identity's own store does not hold."""
        recorded = record(
            event,
            contract_of(type(event)),
            event_id=clock.new_id(),
            stream="elsewhere-1",
            version=1,
            now=clock.now(),
            circumstances=CIRCUMSTANCES,
            keyring=self.keyring,
        )
        return self._delivered("elsewhere", recorded)

    def _delivered(self, publisher, recorded):
        self._positions += 1
        return Delivery(publisher, FeedEntry(1, self._positions, None, recorded))

    def react(self, *deliveries):
        with self.engine.begin() as connection:
            self.reaction.apply(connection, deliveries)

    def erase(self, account_id):
        """As the operator's command does it: the keys go first."""
        Custodian(self._databases.engine("keyring", "custodian")).destroy(account_id, category=None, now=clock.now())

        def erase(work):
            account = work.load(Account, account_id)
            work.record(account, account.erase(now=work.now))
            forget_mails(work.connection, account_id)
            return {}

        self.store.perform(command(), erase)

    @contextmanager
    def sending(self, url, now=clock.now):
        """A sender of its own, as another process would be."""
        engine = connect_for_leading(
            self._databases.url("identity"), application_name="sender", idle_seconds=IDLE_SECONDS
        )
        with running() as (run, stopping):
            sender = Sender(engine, self.store, self.writer, SmtpServer.from_url(url), stopping, now)
            run(Loop("sender", sender.run))
            yield
        engine.dispose()

    def states(self):
        with self.engine.connect() as connection:
            return Counter(connection.scalars(text("SELECT state FROM mails")))

    def recorded(self, event_class):
        """The events of one kind, opened, in the order in which they were recorded."""
        with self.engine.connect() as connection:
            query = text("SELECT body FROM events WHERE type = :type ORDER BY event_id")
            bodies = connection.scalars(query, {"type": contract_of(event_class).type}).all()
        return [Recorded(bytes(body)).open(self.keyring) for body in bodies]

    def consent_of(self, account_id):
        """The event by which a person consented to something last."""
        with self.engine.connect() as connection:
            query = text("SELECT event_id FROM events WHERE stream = :stream AND type = :type ORDER BY version DESC")
            told = {"stream": Account.stream_of(account_id), "type": contract_of(ConsentGranted).type}
            return connection.scalars(query, told).first()

    def rows(self):
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT * FROM mails ORDER BY created_at")).all()


class Scripted:
    """A mail server that does as it is told, and remembers the Message-ID of what it took."""

    def __init__(self, port):
        self.url = f"smtp://127.0.0.1:{port}"
        self.refuses = {}
        self.dies_after_taking = False
        self.offered, self.took = [], []
        self._controller = Controller(self, hostname="127.0.0.1", port=port)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        self.offered.append(address)
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        (line,) = [line for line in envelope.content.splitlines() if line.lower().startswith(b"message-id:")]
        self.took.append(line)
        if self.dies_after_taking:
            server.transport.abort()
        return "250 OK"

    def __enter__(self):
        self._controller.start()
        return self

    def __exit__(self, *_):
        self._controller.stop()


def soon():
    return clock.now() + timedelta(hours=1)


def verification(account_id, request_id=None, expires_at=None):
    return AccountVerificationRequested(
        account_id=account_id, request_id=request_id or uuid4(), expires_at=expires_at or soon()
    )


def password_changed(account_id):
    return AccountPasswordChanged(account_id=account_id, how="changed", changed_at=clock.now())
