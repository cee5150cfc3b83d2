"""How fast sign-in may be tried: growing delays, per account and per network, kept where every process sees them.

An attempt counts as failed from before the password is checked until it has succeeded, so that attempts made at the
same time cannot overtake the count. Whoever comes too early is refused at once and holds nobody up. Three things are
counted:

- failures for one address from one network, which stops guessing and troubles nobody elsewhere;
- failures for one address from wherever it was never signed in from, which stops guessing from many networks;
- different addresses that failed from one network, which is the pattern of credential stuffing.

A person at a device that got in before is only subject to the first, so that an attacker elsewhere cannot lock them
out. Nothing depends on whether there is an account: an address without one is counted in the same way.

Visitors who write in are counted by the same means: every inquiry, from one network and for one mailbox. So are mails
that somebody asks us to send to an address that they name. A mailbox is counted without the tag of the address:
`ada+1` and `ada+2` mostly come to the same person, though they are two accounts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from services.identity.access.devices import is_this_machine, network_of
from shared.bus.actors import Client
from shared.contracts.mailboxes import mailbox
from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret

ACCOUNT, NETWORK = "account", "network"
"""The scopes of `shared.contracts.vocabulary.THROTTLE_SCOPES`."""


@dataclass(frozen=True)
class Allowance:
    """So many failures are free; every further one doubles the delay before the next attempt."""

    free: int
    shortest: timedelta = timedelta(seconds=1)
    longest: timedelta = timedelta(minutes=15)
    forgotten_after: timedelta = timedelta(hours=1)

    def delay(self, failures: int) -> timedelta:
        """How long to wait after the last of so many failures."""
        if failures < self.free:
            return timedelta(0)
        doublings = min(failures - self.free, 20)
        return min(self.shortest * (1 << doublings), self.longest)


FROM_ONE_NETWORK = Allowance(free=5)
FROM_ANYWHERE = Allowance(free=30)
STUFFING = Allowance(free=30)

INQUIRIES_OF_ONE_NETWORK = Allowance(
    free=10, shortest=timedelta(minutes=1), longest=timedelta(hours=1), forgotten_after=timedelta(days=1)
)
INQUIRIES_OF_ONE_ADDRESS = replace(INQUIRIES_OF_ONE_NETWORK, free=3)
"""Each is acknowledged by a mail, and anybody can name somebody else's address."""

MAILS_TO_ONE_MAILBOX = Allowance(
    free=5, shortest=timedelta(minutes=1), longest=timedelta(hours=1), forgotten_after=timedelta(days=1)
)
MAILS_FROM_ONE_NETWORK = Allowance(free=30, shortest=timedelta(seconds=10))
"""Many people may stand behind one address, and each of them waits for a mail."""

LONGEST_MEMORY = max(
    each.forgotten_after
    for each in (
        FROM_ONE_NETWORK,
        FROM_ANYWHERE,
        STUFFING,
        INQUIRIES_OF_ONE_NETWORK,
        INQUIRIES_OF_ONE_ADDRESS,
        MAILS_TO_ONE_MAILBOX,
        MAILS_FROM_ONE_NETWORK,
    )
)
"""After which nothing counts any more."""

_EVER_SINCE = datetime.min.replace(tzinfo=UTC)

_ONE_FAILURE_MORE = text("""
    UPDATE throttles
    SET failures = 1 + CASE WHEN last_failed_at > :since THEN failures ELSE 0 END, last_failed_at = :now
    WHERE throttle_key = :key
""")
_NO_FAILURE = text("DELETE FROM throttles WHERE throttle_key = :key")
_ONE_FAILURE_LESS = text("UPDATE throttles SET failures = greatest(failures - 1, 0) WHERE throttle_key = :key")


@dataclass(frozen=True)
class Counted:
    """How often something failed, and when last."""

    failures: int
    last_failed_at: datetime

    def current(self, allowance: Allowance, now: datetime) -> Counted:
        """The same, unless it was so long ago that it does not count any more."""
        return self if now < self.last_failed_at + allowance.forgotten_after else Counted(0, now)

    def until(self, allowance: Allowance) -> datetime:
        """From when on another attempt is admitted.

        What is free is admitted at any moment, also at one before the last failure: attempts made at the same time are
        counted in another order than their clocks were read.
        """
        delay = allowance.delay(self.failures)
        return self.last_failed_at + delay if delay else _EVER_SINCE


@dataclass(frozen=True)
class Throttle:
    """Failures for one address that are counted together, under a key that only the service can make."""

    key: bytes
    allowance: Allowance


@dataclass(frozen=True)
class Delay:
    """Until when further attempts in a scope are refused."""

    scope: str
    until: datetime


@dataclass(frozen=True)
class Attempt:
    """One attempt to sign in, and everything that it counts for."""

    email_index: bytes
    network_index: bytes
    known_device: bool
    throttles: tuple[Throttle, ...]
    """By key, the order in which every attempt locks them."""

    @classmethod
    def of(cls, secret: ServiceSecret, email_index: bytes, client: Client | None, *, known_device: bool) -> Attempt:
        network_index = secret.blind_index("network", network_of(client))
        here = Throttle(secret.keyed_hash("throttle", email_index + network_index), FROM_ONE_NETWORK)
        anywhere = Throttle(secret.keyed_hash("throttle", email_index), FROM_ANYWHERE)
        throttles = (here,) if known_device else (here, anywhere)
        in_order = tuple(sorted(throttles, key=lambda throttle: throttle.key))
        return cls(email_index, network_index, known_device, in_order)


def admit(connection: Connection, attempt: Attempt, now: datetime) -> None:
    """Counts an attempt as failed, for it may. Raises `Problem("too-many-attempts")` if it comes too early.

    Runs in a transaction of its own, which the caller commits before a password is looked at.
    """
    delays = _delays(connection, attempt, now)
    if delays:
        until = max(delay.until for delay in delays)
        raise Problem("too-many-attempts", retry_after=_whole_seconds(until - now))
    for throttle in attempt.throttles:
        _count(connection, throttle, now)


def fail(connection: Connection, attempt: Attempt, now: datetime) -> list[Delay]:
    """The delays that begin now that an attempt has failed for good."""
    connection.execute(
        text("""
            INSERT INTO failed_addresses (network_index, email_index, failed_at)
            VALUES (:network_index, :email_index, :now)
            ON CONFLICT (network_index, email_index) DO UPDATE SET failed_at = :now
        """),
        {"network_index": attempt.network_index, "email_index": attempt.email_index, "now": now},
    )
    return _delays(connection, attempt, now)


def forgive(connection: Connection, attempt: Attempt) -> None:
    """After an attempt succeeded: what failed here before it was the person, too; elsewhere this one did not fail."""
    connection.execute(
        text("DELETE FROM failed_addresses WHERE network_index = :network_index AND email_index = :email_index"),
        {"network_index": attempt.network_index, "email_index": attempt.email_index},
    )
    for throttle in attempt.throttles:
        statement = _NO_FAILURE if throttle.allowance is FROM_ONE_NETWORK else _ONE_FAILURE_LESS
        connection.execute(statement, {"key": throttle.key})


def withdraw(connection: Connection, attempt: Attempt) -> None:
    """After an attempt that was no failure and no success either, such as for a fault of ours: it does not count."""
    for throttle in attempt.throttles:
        connection.execute(_ONE_FAILURE_LESS, {"key": throttle.key})


def count_inquiry(
    connection: Connection, secret: ServiceSecret, email: str, client: Client | None, now: datetime
) -> None:
    """Counts an inquiry of a visitor. Raises `Problem("rate-limited")` if it comes too early after others.

    Runs in a transaction of its own, like `admit`.
    """
    email_index = secret.mailbox_index(email)
    network_index = secret.blind_index("network", network_of(client))
    of_network = Throttle(secret.keyed_hash("inquiries of a network", network_index), INQUIRIES_OF_ONE_NETWORK)
    mailbox_index = _untagged_index(secret, email)
    of_address = Throttle(secret.keyed_hash("inquiries of an address", mailbox_index), INQUIRIES_OF_ONE_ADDRESS)
    for throttle, whose in ((of_network, None), (of_address, email_index)):
        until = _locked(connection, throttle, whose, now).until(throttle.allowance)
        if until > now:
            raise Problem("rate-limited", retry_after=_whole_seconds(until - now))
        _count(connection, throttle, now)


def count_mail(
    connection: Connection, secret: ServiceSecret, to: str | None, client: Client | None, now: datetime
) -> bool:
    """Counts a mail that a client asks us to send to an address. False, and not counted, if it comes too early.

    Without an address, the network alone is counted. No network is counted without a client, or where it is this
    machine, as behind a proxy that is not known as one. Counting waits for others that count the same, until their
    transactions end.
    """
    counted: dict[Throttle, bytes | None] = {}
    if to is not None:
        index = _untagged_index(secret, to)
        counted[Throttle(secret.keyed_hash("mails to a mailbox", index), MAILS_TO_ONE_MAILBOX)] = index
    if client is not None and not is_this_machine(client):
        network_index = secret.blind_index("network", network_of(client))
        counted[Throttle(secret.keyed_hash("mails from a network", network_index), MAILS_FROM_ONE_NETWORK)] = None
    in_order = sorted(counted, key=lambda throttle: throttle.key)
    if any(_locked(connection, each, counted[each], now).until(each.allowance) > now for each in in_order):
        return False
    for throttle in in_order:
        _count(connection, throttle, now)
    return True


def _untagged_index(secret: ServiceSecret, email: str) -> bytes:
    return secret.mailbox_index(mailbox(email).without_tag.on_the_wire)


def forget_correspondent(connection: Connection, person_id: UUID) -> None:
    """Deletes what was counted for the address of a visitor, which is found by the mails that went there."""
    recipients = connection.scalars(
        text("SELECT DISTINCT recipient FROM mails WHERE account_id = :person_id ORDER BY recipient"),
        {"person_id": person_id},
    ).all()
    for recipient in recipients:
        forget(connection, bytes(recipient))


def forget(connection: Connection, email_index: bytes) -> None:
    """Deletes what was counted for an address, in the order in which an attempt locks it."""
    connection.execute(
        text("DELETE FROM failed_addresses WHERE email_index = :email_index"), {"email_index": email_index}
    )
    connection.execute(
        text("""
            DELETE FROM throttles WHERE throttle_key IN (
                SELECT throttle_key FROM throttles WHERE email_index = :email_index ORDER BY throttle_key FOR UPDATE
            )
        """),
        {"email_index": email_index},
    )


def _count(connection: Connection, throttle: Throttle, now: datetime) -> None:
    since = now - throttle.allowance.forgotten_after
    connection.execute(_ONE_FAILURE_MORE, {"key": throttle.key, "since": since, "now": now})


def _locked(connection: Connection, throttle: Throttle, email_index: bytes | None, now: datetime) -> Counted:
    """What was counted so far, which nobody else changes before this transaction ends."""
    row = connection.execute(
        text("""
            INSERT INTO throttles AS t (throttle_key, email_index, failures, last_failed_at)
            VALUES (:key, :email_index, 0, :now)
            ON CONFLICT (throttle_key) DO UPDATE SET failures = t.failures
            RETURNING failures, last_failed_at
        """),
        {"key": throttle.key, "email_index": email_index, "now": now},
    ).one()
    return Counted(row.failures, row.last_failed_at).current(throttle.allowance, now)


def _delays(connection: Connection, attempt: Attempt, now: datetime) -> list[Delay]:
    """The delays that an attempt is subject to now, the longest of each scope."""
    until = {ACCOUNT: now, NETWORK: now}
    for throttle in attempt.throttles:
        counted = _locked(connection, throttle, attempt.email_index, now)
        until[ACCOUNT] = max(until[ACCOUNT], counted.until(throttle.allowance))
    if not attempt.known_device:
        until[NETWORK] = max(until[NETWORK], _failed_addresses(connection, attempt, now).until(STUFFING))
    return [Delay(scope, moment) for scope, moment in until.items() if moment > now]


def _failed_addresses(connection: Connection, attempt: Attempt, now: datetime) -> Counted:
    """How many different addresses failed from the network of an attempt."""
    row = connection.execute(
        text("""
            SELECT count(*) AS addresses, coalesce(max(failed_at), :now) AS last_failed_at FROM failed_addresses
            WHERE network_index = :network_index AND failed_at > :since
        """),
        {"network_index": attempt.network_index, "now": now, "since": now - STUFFING.forgotten_after},
    ).one()
    return Counted(row.addresses, row.last_failed_at)


def _whole_seconds(span: timedelta) -> int:
    return -(-span // timedelta(seconds=1))
