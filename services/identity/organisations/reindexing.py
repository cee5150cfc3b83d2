"""Making the blind indexes of addresses anew that were made of an earlier form of addresses (decision 40).

Of an ordinary address the index stays the same. Of others it was that of another spelling, or of another mailbox: a
person with such an address is found by it from then on.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, text

from services.identity.organisations.aggregate.invitations import Invitation
from shared.contracts.mailboxes import NoMailbox
from shared.eventstore.recorded import open_value
from shared.eventstore.work import EventStore
from shared.privacy.secrets import ServiceSecret

log = structlog.get_logger()

EVERY_SECONDS = 3600.0
"""How often is looked whether a restore has brought old indexes back."""
BATCH = 100

_ACCOUNTS = text("""
    SELECT account_id, email AS address FROM email_index JOIN accounts USING (account_id)
    WHERE address_form = 1 ORDER BY account_id LIMIT :batch FOR UPDATE OF email_index SKIP LOCKED
""")
_INDEX_ACCOUNT = text("""
    UPDATE email_index SET email_index = :index, address_form = 2
    WHERE account_id = :account_id AND NOT EXISTS (
        SELECT FROM email_index o WHERE o.email_index = :index AND o.account_id <> :account_id
    )
""")
_UNINDEX_ACCOUNT = text("DELETE FROM email_index WHERE account_id = :account_id")
_INVITEES = text("""
    SELECT invitation_id FROM invitees
    WHERE address_form = 1 ORDER BY invitation_id LIMIT :batch FOR UPDATE SKIP LOCKED
""")
_INDEX_INVITEE = text("""
    UPDATE invitees SET recipient = coalesce(:index, recipient), address_form = 2 WHERE invitation_id = :invitation_id
""")


class Reindexer:
    """Makes all old indexes anew.

    Several at the same time do no harm. Who dies on the way leaves the rest to the next.
    """

    def __init__(self, store: EventStore, secret: ServiceSecret, stopping: Event) -> None:
        self._store = store
        self._secret = secret
        self._stopping = stopping

    def reindex(self) -> None:
        """Goes through the old indexes of accounts and of invitees, page by page."""
        for page in (self._accounts, self._invitees):
            self._all(page)

    def _all(self, page: Callable[[Connection], int]) -> None:
        while not self._stopping.is_set():
            with self._store.engine.begin() as connection:
                if page(connection) < BATCH:
                    return

    def _accounts(self, connection: Connection) -> int:
        rows = connection.execute(_ACCOUNTS, {"batch": BATCH}).all()
        for row in rows:
            self._account(connection, row)
        return len(rows)

    def _account(self, connection: Connection, row: Row[Any]) -> None:
        """Finds an account by its mailbox from now on, unless it has none, or another account has it."""
        index = self._index(open_value(row.address, self._store.keyring))
        named = {"account_id": row.account_id}
        if index is None or connection.execute(_INDEX_ACCOUNT, {**named, "index": index}).rowcount == 0:
            connection.execute(_UNINDEX_ACCOUNT, named)
            reason = "no-mailbox" if index is None else "mailbox-of-another-account"
            log.warning("account_not_found_by_address", account_id=str(row.account_id), reason=reason)

    def _invitees(self, connection: Connection) -> int:
        found = connection.scalars(_INVITEES, {"batch": BATCH}).all()
        for invitation_id in found:
            index = self._index(self._invited_address(invitation_id))
            connection.execute(_INDEX_INVITEE, {"invitation_id": invitation_id, "index": index})
        return len(found)

    def _invited_address(self, invitation_id: UUID) -> object:
        return self._store.load(Invitation, invitation_id).email

    def _index(self, address: object) -> bytes | None:
        """The index of an address; None of one that was erased or cannot be written to."""
        try:
            return self._secret.mailbox_index(address) if isinstance(address, str) else None
        except NoMailbox:
            return None
