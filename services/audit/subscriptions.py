"""What audit's courier does: it relays audit's events, follows all feeds into the log, signs, mends, compares and
exports it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from sqlalchemy import Connection

from services.audit.checking.comparer import ComparedCheckpoints, ComparedFeed, ComparedLeaves, Comparer, Store
from services.audit.exports import making as exporting
from services.audit.exports.making import Exporter
from services.audit.exports.projections import projections
from services.audit.intake import refill
from services.audit.intake.recovery import recover_from_archive
from services.audit.intake.refill import Refiller
from services.audit.intake.sequencing import append_to_log
from services.audit.log import checkpoints
from services.audit.log.checkpoints import Checkpointer
from services.audit.pruning import PRUNED
from services.audit.tree.notes import NoteSigner, Verifier
from shared.bus.actors import Signer
from shared.bus.connection import open_connection
from shared.bus.cursors import Cursors, cursor_transaction
from shared.bus.loops import Loop
from shared.bus.outbox import outbox_session
from shared.bus.relay import Relay
from shared.bus.rpc import RpcClient
from shared.bus.subscriptions import Projection, Subscriber
from shared.contracts.services import service_called
from shared.eventstore import pruning
from shared.eventstore.pruning import Pruner
from shared.privacy.keyring import NoKeyring
from shared.runtime.config import Settings
from shared.runtime.database import connect_for_leading, connect_for_loops
from shared.service.wiring import event_store

PUBLISHERS = service_called("audit").publishers

LOG = "log"


def courier(settings: Settings, stopping: threading.Event) -> list[Loop]:
    """The loops of the courier."""
    engine = connect_for_loops(settings.database_url, application_name="audit courier")
    recording = connect_for_loops(settings.database_url, application_name="audit courier", autocommit=True)
    rpc = RpcClient(settings.amqp_url, Signer("audit", settings.signing_key), name="audit courier")
    rpc.start()
    connect_broker = partial(open_connection, settings.amqp_url)
    keys = [key.verifier for key in _log_keys(settings)]
    first_key = Verifier.from_pem(settings.log_origin, settings.log_public_key)
    recover = recover_from_archive(settings.log_directory, keys, LOG)
    projection = Projection(LOG, follows=PUBLISHERS, apply=append_to_log, recover=recover)
    relaying = connect_for_leading(settings.database_url, application_name="audit relay")
    relay = Relay("audit", partial(outbox_session, relaying), connect_broker, stopping)
    store = event_store("audit", settings, projections, NoKeyring(), recording)
    transaction = partial(cursor_transaction, engine)
    checkpointer = Checkpointer(
        engine, store, settings.log_directory, partial(_log_keys, settings), first_key, stopping
    )
    stores: list[Store] = [
        *(ComparedFeed(engine, rpc, publisher, LOG) for publisher in PUBLISHERS),
        ComparedLeaves(engine, settings.log_directory),
        ComparedCheckpoints(engine, settings.log_directory),
    ]
    comparer = Comparer(engine, stores, settings.compared_pages_per_minute)
    return [
        Loop("relay", partial(_relay_once_recovered, relay, partial(transaction, LOG), recover)),
        Loop("log", Subscriber("audit", projection, transaction, connect_broker, rpc, stopping).run),
        Loop("refilling", Refiller(engine, rpc, PUBLISHERS).refill, refill.PERIOD),
        Loop("checkpoints", checkpointer.run, checkpoints.PERIOD),
        Loop("comparing", comparer.compare_next, comparer.period),
        Loop("exports", Exporter(store, first_key).advance, exporting.PERIOD),
        Loop("pruning", Pruner(engine, PRUNED, stopping).prune, pruning.EVERY_SECONDS),
    ]


def _log_keys(settings: Settings) -> list[NoteSigner]:
    """The private keys of the log as their file holds them now: one, or two while one takes over from the other."""
    return NoteSigner.all_from_pem(settings.log_origin, settings.log_key)


def _relay_once_recovered(
    relay: Relay,
    transaction: Callable[[], AbstractContextManager[Cursors]],
    recover: Callable[[Connection], None],
) -> None:
    """Relays, but gives no position away before the archive has given back the events that hold it already."""
    with transaction() as cursors:
        recover(cursors.connection)
    relay.run()
