"""The mails that are to be sent and what became of them: one row for each event, template and recipient.

A row says nothing in the clear about anybody: the recipient is a blind index, and the address is sealed as it was in
the event that brought it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import Connection, text

from services.identity.notices.mail.distributing import begin_distribution
from services.identity.notices.mail.letters import LETTERS, Letter
from services.identity.notices.mail.recipients import obstacles
from shared.bus.subscriptions import Delivery
from shared.contracts.mailboxes import can_be_written_to
from shared.eventstore.recorded import Recorded, open_value
from shared.eventstore.store import bodies
from shared.privacy.keyring import Keyring
from shared.privacy.secrets import ServiceSecret
from shared.runtime.database import call_listeners

OWN = "identity"
"""Whose events stand in the database at hand. Those of others that mails are about are kept beside them."""
MAILS = "mails"
"""The channel on which the sender is told that there is something to send."""

_ENQUEUE = text("""
    INSERT INTO mails (event_id, template, kind, recipient, account_id, address)
    VALUES (:event_id, :template, :kind, :recipient, :account_id, :address) ON CONFLICT DO NOTHING
""")
_NEXT = text("""
    SELECT event_id, template, kind, recipient, account_id, address, attempts, created_at FROM mails
    WHERE state = 'waiting' AND due_at <= now() ORDER BY due_at LIMIT 1
""")
_KEEP_FOREIGN = text("INSERT INTO foreign_events (event_id, body) VALUES (:event_id, :body) ON CONFLICT DO NOTHING")
_ONE = "WHERE event_id = :event_id AND template = :template AND recipient = :recipient"
_COUNT = text(f"UPDATE mails SET attempts = attempts + 1 {_ONE}")  # noqa: S608 - words from the line above
_PUT_BACK = text(f"UPDATE mails SET attempts = attempts - 1 {_ONE}")  # noqa: S608
_POSTPONE = text(f"""
    UPDATE mails SET due_at = now() + least(interval '1 minute' * power(2, attempts - 1), interval '1 hour'),
        reason = :reason {_ONE}
""")  # noqa: S608
_SETTLE = text(f"""
    UPDATE mails SET state = :state, reason = :reason, address = NULL, settled_at = now() {_ONE} AND state = 'waiting'
""")  # noqa: S608


@dataclass(frozen=True)
class Mail:
    """A mail that waits to be sent: about which event, in which words, to whom."""

    event_id: UUID
    template: str
    kind: str
    recipient: bytes
    account_id: UUID
    address: str
    attempts: int
    created_at: datetime

    @property
    def id(self) -> UUID:
        """The same for the same event, template and recipient, however often the mail is made."""
        return uuid5(self.event_id, f"{self.template}\n{self.recipient.hex()}")


class Enqueuing:
    """What the reaction does: in its cursor's transaction, it leaves the mails about an event to be sent."""

    def __init__(self, keyring: Keyring, secret: ServiceSecret) -> None:
        self._keyring = keyring
        self._secret = secret

    def __call__(self, connection: Connection, delivery: Delivery) -> None:
        recorded = delivery.recorded
        letter = LETTERS[recorded.type]
        if not letter.concerns(recorded.data):
            return
        if delivery.publisher != OWN:
            connection.execute(_KEEP_FOREIGN, {"event_id": recorded.event_id, "body": recorded.body})
        if letter.whom is None:
            begin_distribution(
                connection,
                event_id=recorded.event_id,
                template=letter.template,
                kind=letter.kind_of(recorded.data),
                occurred_at=recorded.time,
            )
        else:
            self._enqueue(connection, recorded, letter, UUID(recorded.data[letter.whom]))
        call_listeners(connection, MAILS)

    def _enqueue(self, connection: Connection, recorded: Recorded, letter: Letter, account_id: UUID) -> None:
        """Leaves one mail to be sent, unless to somebody who is not to be told, was erased, or has no mailbox."""
        kind = letter.kind_of(recorded.data)
        if obstacles(connection, account_id).get(kind):
            return
        sealed = recorded.sealed(letter.to) if letter.to else _address_of(connection, account_id)
        address = sealed and open_value(sealed, self._keyring)
        if not isinstance(address, str) or not can_be_written_to(address):
            return
        connection.execute(
            _ENQUEUE,
            {
                "event_id": recorded.event_id,
                "template": letter.template,
                "kind": kind,
                "recipient": self._secret.mailbox_index(address),
                "account_id": account_id,
                "address": sealed,
            },
        )


def event_of(connection: Connection, mail: Mail) -> Recorded | None:
    """What a mail is about; None if a restore has taken it away."""
    found = bodies(connection, [mail.event_id]) or connection.scalars(
        text("SELECT body FROM foreign_events WHERE event_id = :event_id"), {"event_id": mail.event_id}
    )
    return next((Recorded(bytes(body)) for body in found), None)


def next_mail(connection: Connection) -> Mail | None:
    """The mail that has been due for longest."""
    row = connection.execute(_NEXT).first()
    return Mail(**row._mapping) if row else None


def count_attempt(connection: Connection, mail: Mail) -> None:
    """Counts an attempt before it is made, so that one that ends the process is counted as well."""
    connection.execute(_COUNT, _key(mail))


def put_back(connection: Connection, mail: Mail) -> None:
    """Takes an attempt back that said nothing about this mail."""
    connection.execute(_PUT_BACK, _key(mail))


def postpone(connection: Connection, mail: Mail, reason: str) -> None:
    """Lets a mail wait, for longer after every attempt: a minute at first, an hour at most."""
    connection.execute(_POSTPONE, {**_key(mail), "reason": reason})


def settle(connection: Connection, mail: Mail, state: str, reason: str | None = None) -> None:
    """Keeps what became of a mail, and no longer where it went."""
    connection.execute(_SETTLE, {**_key(mail), "state": state, "reason": reason})


def _address_of(connection: Connection, account_id: UUID) -> str | None:
    """The sealed address of an account; None if there is no such account any more."""
    address: str | None = connection.scalar(
        text("SELECT email FROM accounts WHERE account_id = :account_id"), {"account_id": account_id}
    )
    return address


def _key(mail: Mail) -> dict[str, object]:
    return {"event_id": mail.event_id, "template": mail.template, "recipient": mail.recipient}
