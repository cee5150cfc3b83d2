"""How fast sign-in may be tried: growing delays, per account and per network, kept where every process sees them.

An attempt counts as failed from before the password is checked until it has succeeded, so that attempts made at the
same time cannot overtake the count. Whoever comes too early is refused at once and holds nobody up. Three things are
counted:

- failures for one address from one network, which stops guessing and troubles nobody elsewhere;
- failures for one address from wherever it was never signed in from, which stops guessing from many networks;
- different addresses that failed from one network, which is the pattern of credential stuffing.

A person at a device that got in before is only subject to the first, so that an attacker elsewhere cannot lock them
out. Nothing depends on whether there is an account: an address without one is counted in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from services.identity.devices import network_of
from shared.bus.actors import Client
from shared.contracts.problems import Problem
from shared.privacy.secrets import ServiceSecret

ACCOUNT, NETWORK = "account", "network"
"""The scopes of `shared.contracts.vocabulary.THROTTLE_SCOPES`."""


@dataclass(frozen=True)
class Allowance:
    """So many failures are free; every further one doubles the delay before the next attempt."""

    free: int
    longest: timedelta = timedelta(minutes=15)
    forgotten_after: timedelta = timedelta(hours=1)

    def delay(self, failures: int) -> timedelta:
        """How long to wait after the last of so many failures."""
        if failures < self.free:
            return timedelta(0)
        doublings = min(failures - self.free, 20)
        return min(timedelta(seconds=2**doublings), self.longest)


FROM_ONE_NETWORK = Allowance(free=5)
FROM_ANYWHERE = Allowance(free=30)
STUFFING = Allowance(free=30)

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
        """From when on another attempt is admitted."""
        return self.last_failed_at + allowance.delay(self.failures)


@dataclass(frozen=True)
class Throttle:
    """One thing that is counted, under a key that says nothing without the service's secret."""

    key: bytes
    scope: str
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
    throttles: tuple[Throttle, ...]
    """By key, the order in which every attempt locks them."""
    stuffing: Allowance | None

    @classmethod
    def of(cls, secret: ServiceSecret, email: str, client: Client | None, *, known_device: bool) -> Attempt:
        email_index = secret.blind_index("email", email)
        network_index = secret.blind_index("network", network_of(client))
        here = Throttle(secret.keyed_hash("throttle", email_index + network_index), ACCOUNT, FROM_ONE_NETWORK)
        anywhere = Throttle(secret.keyed_hash("throttle", email_index), ACCOUNT, FROM_ANYWHERE)
        throttles = (here,) if known_device else (here, anywhere)
        return cls(
            email_index,
            network_index,
            tuple(sorted(throttles, key=lambda throttle: throttle.key)),
            None if known_device else STUFFING,
        )


def admit(connection: Connection, attempt: Attempt, now: datetime) -> None:
    """Counts an attempt as failed, for it may. Raises `Problem("too-many-attempts")` if it comes too early.

    Runs in a transaction of its own, which the caller commits before a password is looked at.
    """
    waits = [_stuffing(connection, attempt, now).until] if attempt.stuffing else []
    counted = [(throttle, _locked(connection, throttle, attempt, now)) for throttle in attempt.throttles]
    waits += [found.until(throttle.allowance) for throttle, found in counted]
    if (until := max(waits)) > now:
        raise Problem("too-many-attempts", retry_after=_whole_seconds(until - now))
    for throttle, found in counted:
        connection.execute(
            text("""
                UPDATE throttles SET failures = :failures, last_failed_at = :now WHERE throttle_key = :key
            """),
            {"key": throttle.key, "failures": found.failures + 1, "now": now},
        )


def fail(connection: Connection, attempt: Attempt, now: datetime) -> list[Delay]:
    """The delays that begin now that an attempt has failed for good."""
    _forget_old(connection, now)
    connection.execute(
        text("""
            INSERT INTO failed_addresses (network_index, email_index, failed_at)
            VALUES (:network_index, :email_index, :now)
            ON CONFLICT (network_index, email_index) DO UPDATE SET failed_at = :now
        """),
        {"network_index": attempt.network_index, "email_index": attempt.email_index, "now": now},
    )
    delays = [
        Delay(throttle.scope, _locked(connection, throttle, attempt, now).until(throttle.allowance))
        for throttle in attempt.throttles
    ]
    if attempt.stuffing:
        delays.append(_stuffing(connection, attempt, now))
    return list(_longest(delay for delay in delays if delay.until > now))


def forgive(connection: Connection, attempt: Attempt) -> None:
    """After an attempt succeeded: what failed here before it was the person, too; elsewhere this one did not fail."""
    for throttle in attempt.throttles:
        statement = _NO_FAILURE if throttle.allowance is FROM_ONE_NETWORK else _ONE_FAILURE_LESS
        connection.execute(statement, {"key": throttle.key})
    connection.execute(
        text("DELETE FROM failed_addresses WHERE network_index = :network_index AND email_index = :email_index"),
        {"network_index": attempt.network_index, "email_index": attempt.email_index},
    )


def withdraw(connection: Connection, attempt: Attempt) -> None:
    """After an attempt that was no failure and no success either, such as for a fault of ours: it does not count."""
    for throttle in attempt.throttles:
        connection.execute(_ONE_FAILURE_LESS, {"key": throttle.key})


def _forget_old(connection: Connection, now: datetime) -> None:
    """Deletes what does not count any more."""
    before = now - max(each.forgotten_after for each in (FROM_ONE_NETWORK, FROM_ANYWHERE, STUFFING))
    connection.execute(text("DELETE FROM throttles WHERE last_failed_at < :before"), {"before": before})
    connection.execute(text("DELETE FROM failed_addresses WHERE failed_at < :before"), {"before": before})


def _locked(connection: Connection, throttle: Throttle, attempt: Attempt, now: datetime) -> Counted:
    """What was counted so far, which nobody else changes before this transaction ends."""
    row = connection.execute(
        text("""
            INSERT INTO throttles AS t (throttle_key, email_index, failures, last_failed_at)
            VALUES (:key, :email_index, 0, :now)
            ON CONFLICT (throttle_key) DO UPDATE SET failures = t.failures
            RETURNING failures, last_failed_at
        """),
        {"key": throttle.key, "email_index": attempt.email_index, "now": now},
    ).one()
    return Counted(row.failures, row.last_failed_at).current(throttle.allowance, now)


def _stuffing(connection: Connection, attempt: Attempt, now: datetime) -> Delay:
    """The delay of a network from which many different addresses failed."""
    row = connection.execute(
        text("""
            SELECT count(*) AS addresses, coalesce(max(failed_at), :now) AS last_failed_at FROM failed_addresses
            WHERE network_index = :network_index AND failed_at > :since
        """),
        {"network_index": attempt.network_index, "now": now, "since": now - STUFFING.forgotten_after},
    ).one()
    return Delay(NETWORK, Counted(row.addresses, row.last_failed_at).until(STUFFING))


def _longest(delays: Iterator[Delay]) -> Sequence[Delay]:
    """The longest delay of each scope."""
    by_scope: dict[str, Delay] = {}
    for delay in sorted(delays, key=lambda delay: delay.until):
        by_scope[delay.scope] = delay
    return list(by_scope.values())


def _whole_seconds(span: timedelta) -> int:
    return -(-span // timedelta(seconds=1))
