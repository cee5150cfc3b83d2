"""The keyring: one key per (subject, category, scope), made once, destroyed for good.

Keys rest in a database of their own, wrapped by a master key that the database never sees. A key is *present*,
*destroyed* or *unknown*. Destroyed reads as erased; unknown stops the reader, because it means that the keyring and the
data do not belong together.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Engine, Row, text

from shared.contracts.categories import Category
from shared.contracts.problems import Problem
from shared.privacy.sealing import NONCE_BYTES, Entropy

log = structlog.get_logger()

KEY_BYTES = 32
CACHE_SECONDS = 30.0
"""How long a process may go on using a key after its destruction. What it opened may stay in memory for another 20
seconds (`shared.eventstore.recent`); the promise is a minute."""
CACHE_KEYS = 10_000


class UnknownKey(Problem):
    """A sealed value names a key that this keyring never had. It is never taken for erased."""

    def __init__(self, key_ids: Iterable[UUID]) -> None:
        super().__init__("key-unknown")
        self.key_ids = sorted(key_ids)


@dataclass(frozen=True)
class Erasure:
    """That the keys of a person were destroyed: of one category, or, where that is None, of the person as a whole."""

    subject: UUID
    category: Category | None
    erased_at: datetime


@dataclass(frozen=True)
class Key:
    """A key that may be used. `secret` is 32 bytes."""

    id: UUID
    secret: bytes


class _Cache:
    """Keys by what they are asked for, each for a bounded time and in bounded number."""

    def __init__(self, seconds: float, limit: int, clock: Callable[[], float]) -> None:
        self._seconds, self._limit, self._clock = seconds, limit, clock
        self._entries: OrderedDict[object, tuple[float, Key]] = OrderedDict()

    def get(self, name: object) -> Key | None:
        entry = self._entries.get(name)
        if entry is None:
            return None
        expires, key = entry
        if self._clock() >= expires:
            self._entries.pop(name, None)
            return None
        return key

    def put(self, name: object, key: Key, asked_at: float) -> None:
        self._entries[name] = (asked_at + self._seconds, key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)


class Keyring:
    """Reads and provisions keys, for one process.

    A key is remembered for `cache_seconds` from before it was asked for, so that a destruction is felt within them.
    """

    def __init__(
        self,
        engine: Engine,
        master_key: bytes,
        *,
        new_id: Callable[[], UUID],
        entropy: Entropy = os.urandom,
        clock: Callable[[], float] = time.monotonic,
        cache_seconds: float = CACHE_SECONDS,
        cache_keys: int = CACHE_KEYS,
    ) -> None:
        self._engine = engine
        self._master = AESGCM(master_key)
        self._new_id = new_id
        self._entropy = entropy
        self._clock = clock
        self._for_sealing = _Cache(cache_seconds, cache_keys, clock)
        self._for_reading = _Cache(cache_seconds, cache_keys, clock)

    def key_for_sealing(self, subject: UUID, category: Category, scope: str) -> Key:
        """The one key for these three, made now if there is none.

        Raises `Problem("subject-erased")` if it was destroyed, or if the person was erased as a whole and law does not
        require this category to be kept.
        """
        name = (subject, category, scope)
        key = self._for_sealing.get(name)
        if key is None:
            asked_at = self._clock()
            key = self._provision(subject, category, scope)
            self._for_sealing.put(name, key, asked_at)
            self._for_reading.put(key.id, key, asked_at)
        return key

    def key_for_reading(self, key_id: UUID) -> Key | None:
        """The key, or None if it has been destroyed. Raises `UnknownKey` if there never was one."""
        return self.keys_for_reading([key_id])[key_id]

    def keys_for_reading(self, key_ids: Iterable[UUID]) -> dict[UUID, Key | None]:
        """Like `key_for_reading`, for many at once in one question to the database."""
        found: dict[UUID, Key | None] = {}
        missing = []
        for key_id in set(key_ids):
            found[key_id] = self._for_reading.get(key_id)
            if found[key_id] is None:
                missing.append(key_id)
        if missing:
            found.update(self._read(missing))
        return found

    def undone(self, erasures: Iterable[Erasure]) -> list[Erasure]:
        """Those erasures that the keyring has forgotten."""
        return undone(self._engine, erasures)

    def _read(self, key_ids: list[UUID]) -> dict[UUID, Key | None]:
        asked_at = self._clock()
        with self._engine.connect() as connection:
            rows = connection.execute(
                text("SELECT key_id, subject, category, scope, wrapped FROM keys WHERE key_id = ANY(:ids)"),
                {"ids": key_ids},
            ).all()
        found: dict[UUID, Key | None] = {}
        for row in rows:
            found[row.key_id] = None
            if row.wrapped is not None:
                key = self._unwrap(row.key_id, row.subject, row.category, row.scope, row.wrapped)
                found[row.key_id] = key
                self._for_reading.put(row.key_id, key, asked_at)
        unknown = set(key_ids) - set(found)
        if unknown:
            log.error("key_unknown", keys=sorted(map(str, unknown)))
            raise UnknownKey(unknown)
        return found

    def _provision(self, subject: UUID, category: Category, scope: str) -> Key:
        key_id, secret = self._new_id(), self._entropy(KEY_BYTES)
        with self._engine.begin() as connection:
            _lock_subject(connection, subject, shared=True)
            row = connection.execute(
                text("""
                    WITH made AS (
                        INSERT INTO keys (key_id, subject, category, scope, wrapped)
                        SELECT :key_id, :subject, :category, :scope, :wrapped
                        WHERE :kept_by_law OR NOT EXISTS (SELECT FROM tombstones WHERE subject = :subject)
                        ON CONFLICT (subject, category, scope) DO NOTHING
                        RETURNING key_id, wrapped
                    )
                    SELECT key_id, wrapped FROM made
                    UNION ALL
                    SELECT key_id, wrapped FROM keys
                    WHERE subject = :subject AND category = :category AND scope = :scope
                """),
                {
                    "key_id": key_id,
                    "subject": subject,
                    "category": category.value,
                    "scope": scope,
                    "wrapped": self._wrap(key_id, subject, category.value, scope, secret),
                    "kept_by_law": category.kept_by_law,
                },
            ).first()
            if row is None:
                row = self._made_by_another(connection, subject, category, scope)
        if row is None or row.wrapped is None:
            raise Problem("subject-erased")
        return self._unwrap(row.key_id, subject, category.value, scope, row.wrapped)

    def _made_by_another(
        self, connection: Connection, subject: UUID, category: Category, scope: str
    ) -> Row[Any] | None:
        # A concurrent transaction made the key after this statement's snapshot was taken: a new statement sees it.
        return connection.execute(
            text(
                "SELECT key_id, wrapped FROM keys WHERE subject = :subject AND category = :category AND scope = :scope"
            ),
            {"subject": subject, "category": category.value, "scope": scope},
        ).first()

    def _wrap(self, key_id: UUID, subject: UUID, category: str, scope: str, secret: bytes) -> bytes:
        nonce = self._entropy(NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, secret, _wrapping_context(key_id, subject, category, scope))

    def _unwrap(self, key_id: UUID, subject: UUID, category: str, scope: str, wrapped: bytes) -> Key:
        context = _wrapping_context(key_id, subject, category, scope)
        return Key(key_id, self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context))


class NoKeyring(Keyring):
    """The keyring of a service that seals nothing and opens nothing: it has no access to any key."""

    def __init__(self) -> None:
        """Needs nothing, and connects to nothing."""

    def key_for_sealing(self, subject: UUID, category: Category, scope: str) -> Key:
        raise UnknownKey([])

    def keys_for_reading(self, key_ids: Iterable[UUID]) -> dict[UUID, Key | None]:
        if unknown := set(key_ids):
            raise UnknownKey(unknown)
        return {}


class Custodian:
    """Destroys keys. Runs under a database role of its own; no service has it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def destroy(
        self, subject: UUID, *, category: Category | None, now: datetime, made_until: datetime | None = None
    ) -> int:
        """Destroys the keys of a person, of one category or as a whole, and says how many were still present.

        As a whole leaves a tombstone, and keeps the categories that law requires to be kept. Doing it again is
        harmless: what is destroyed stays destroyed. With `made_until`, keys that were made later are left alone.
        """
        doomed = [category] if category else [each for each in Category if not each.kept_by_law]
        with self._engine.begin() as connection:
            _lock_subject(connection, subject, shared=False)
            if category is None:
                connection.execute(
                    text("INSERT INTO tombstones (subject, erased_at) VALUES (:subject, :now) ON CONFLICT DO NOTHING"),
                    {"subject": subject, "now": now},
                )
            destroyed = connection.execute(
                text("""
                    UPDATE keys SET wrapped = NULL, destroyed_at = :now
                    WHERE subject = :subject AND category = ANY(:categories) AND wrapped IS NOT NULL
                        AND created_at <= coalesce(CAST(:made_until AS timestamptz), 'infinity')
                """),
                {
                    "subject": subject,
                    "now": now,
                    "categories": [each.value for each in doomed],
                    "made_until": made_until,
                },
            )
        return destroyed.rowcount

    def replay(self, erasures: Iterable[Erasure], *, now: datetime) -> int:
        """Destroys again what a keyring restored from an older copy has forgotten the destruction of.

        A category may have had new keys since it was erased, under a later scope: those stay. Says how many keys were
        destroyed. Doing it again is harmless.
        """
        return sum(
            self.destroy(
                each.subject, category=each.category, now=now, made_until=each.erased_at if each.category else None
            )
            for each in undone(self._engine, erasures)
        )


def undone(engine: Engine, erasures: Iterable[Erasure]) -> list[Erasure]:
    """Those erasures that the keyring does not know of: a key is still there, or the tombstone is not.

    Anything at all here means that the keyring was restored from an older copy, and must not be used before these are
    destroyed again.
    """
    asked = list(erasures)
    if not asked:
        return []
    with engine.connect() as connection:
        rows = connection.execute(
            text("""
                SELECT n FROM unnest(
                    CAST(:subjects AS uuid[]), CAST(:categories AS text[]), CAST(:times AS timestamptz[])
                ) WITH ORDINALITY AS erased (subject, category, erased_at, n)
                WHERE erased.category IS NULL AND NOT EXISTS (SELECT FROM tombstones t WHERE t.subject = erased.subject)
                    OR EXISTS (
                        SELECT FROM keys k WHERE k.subject = erased.subject AND k.wrapped IS NOT NULL AND (
                            erased.category IS NULL AND k.category != ALL(:kept_by_law)
                            OR k.category = erased.category AND k.created_at <= erased.erased_at
                        )
                    )
                ORDER BY n
            """),
            {
                "subjects": [each.subject for each in asked],
                "categories": [each.category for each in asked],
                "times": [each.erased_at for each in asked],
                "kept_by_law": [each.value for each in Category if each.kept_by_law],
            },
        )
        return [asked[row.n - 1] for row in rows]


def keys_among(engine: Engine, key_ids: Collection[UUID]) -> dict[UUID, datetime | None]:
    """Return those of these keys that the keyring has or had, and of each when it was destroyed, or None."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT key_id, destroyed_at FROM keys WHERE key_id = ANY(:ids)"), {"ids": list(key_ids)}
        )
        return {row.key_id: row.destroyed_at for row in rows}


def _lock_subject(connection: Connection, subject: UUID, *, shared: bool) -> None:
    """Makes provisioning and destruction for one person take turns, so that no key is born behind a destruction."""
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    connection.execute(text(f"SELECT {function}(hashtextextended(:subject, 0))"), {"subject": str(subject)})


def _wrapping_context(key_id: UUID, subject: UUID, category: str, scope: str) -> bytes:
    return f"{key_id}\n{subject}\n{category}\n{scope}".encode()
