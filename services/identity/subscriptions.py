"""What identity's courier does: it relays identity's events, hears of policies, sends mails, and prunes what is old."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from sqlalchemy import Engine

from services.identity.access.pruning import PRUNED
from services.identity.access.reminders import Reminder
from services.identity.notices.mail.letters import PUBLISHERS, told_of
from services.identity.notices.mail.outgoing import OWN, Enqueuing
from services.identity.notices.mail.sender import IDLE_SECONDS, Sender
from services.identity.notices.mail.smtp import SmtpServer
from services.identity.notices.mail.writing import Writer
from services.identity.organisations import reindexing
from services.identity.organisations.reindexing import Reindexer
from services.identity.policies.projections import follow_policies
from services.identity.projections import projections
from shared.bus.actors import Signer
from shared.bus.connection import open_connection
from shared.bus.cursors import Cursors, cursor_transaction
from shared.bus.loops import Loop
from shared.bus.outbox import outbox_session
from shared.bus.reactions import RETRY_POLL, Reaction, Retrier
from shared.bus.relay import Relay
from shared.bus.rpc import RpcClient
from shared.bus.subscriptions import Projection, Subscriber, Subscription
from shared.eventstore import pruning
from shared.eventstore.pruning import Pruner
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime import clock
from shared.runtime.config import Settings
from shared.runtime.database import connect_for_leading, connect_for_loops
from shared.service.wiring import event_store
from shared.work.worker import POLL_SECONDS, Worker

POLICIES = Projection("policies", follows=("audit",), apply=follow_policies)


def courier(settings: Settings, stopping: threading.Event) -> list[Loop]:
    """The loops of the courier."""
    broker = partial(open_connection, settings.amqp_url)
    relaying = connect_for_leading(settings.database_url, application_name="identity relay")
    relay = Relay("identity", partial(outbox_session, relaying), broker, stopping)
    engine = connect_for_loops(settings.database_url, application_name="identity courier")
    rpc = RpcClient(settings.amqp_url, Signer("identity", settings.signing_key), name="identity courier")
    rpc.start()
    transaction = partial(cursor_transaction, engine)

    def following(subscription: Subscription) -> Loop:
        follower = Subscriber("identity", subscription, transaction, broker, rpc, stopping)
        return Loop(subscription.name, follower.run)

    return [
        Loop("relay", relay.run),
        following(POLICIES),
        Loop("pruning", Pruner(engine, PRUNED, stopping).prune, pruning.EVERY_SECONDS),
        *_mail(settings, engine, following, transaction, stopping),
    ]


def _mail(
    settings: Settings,
    engine: Engine,
    following: Callable[[Subscription], Loop],
    transaction: Callable[[str], AbstractContextManager[Cursors]],
    stopping: threading.Event,
) -> list[Loop]:
    """The reactions that leave mails to be sent, the sender that sends and records them, and what keeps addresses."""
    secret = ServiceSecret(settings.service_secret)
    # Keys are not remembered: whoever was erased a moment ago is not written to.
    keys = connect_for_loops(settings.keyring_url, application_name="identity mail")
    keyring = Keyring(keys, settings.master_key, new_id=clock.new_id, cache_seconds=0)
    enqueuing = Enqueuing(keyring, secret)
    reactions = [_reaction(publisher, enqueuing) for publisher in PUBLISHERS]
    sending = connect_for_leading(settings.database_url, application_name="identity sender", idle_seconds=IDLE_SECONDS)
    recording = connect_for_loops(settings.database_url, application_name="identity mail", autocommit=True)
    store = event_store("identity", settings, projections, keyring, recording)
    writer = Writer(keyring, secret, sender=settings.mail_from, public_url=settings.public_url)
    worker = Worker(engine, [Reminder(store, stopping).duty], random=random.random)
    sender = Sender(sending, store, writer, SmtpServer.from_url(settings.smtp_url), stopping)
    return [
        *(following(each) for each in reactions),
        *(Loop(f"parked {each.name}", Retrier(each, transaction).retry_one, RETRY_POLL) for each in reactions),
        Loop("reindexing", Reindexer(store, secret, stopping).reindex, reindexing.EVERY_SECONDS),
        Loop("work", worker.turn, POLL_SECONDS),
        Loop("sender", sender.run),
    ]


def _reaction(publisher: str, enqueuing: Enqueuing) -> Reaction:
    """Mails about the events of one publisher, so that others do not wait for it when it is away."""
    name = "mail" if publisher == OWN else f"mail_{publisher}"
    return Reaction(name, (publisher,), dict.fromkeys(told_of(publisher), enqueuing))
