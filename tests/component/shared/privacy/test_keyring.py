"""A key is made once, even when many ask at once; destroyed, it never comes back; unknown, it stops the reader."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.contracts.categories import Category
from shared.contracts.problems import Problem
from shared.privacy.keyring import Custodian, Erasure, UnknownKey
from shared.runtime import clock
from tests.making import NOON


@pytest.fixture
def keyring(databases):
    return databases.keyring(cache_seconds=0)


@pytest.fixture
def custodian(databases):
    return Custodian(databases.engine("keyring", "custodian"))


def test_one_key_for_one_subject_category_and_scope(keyring):
    subject = uuid4()
    key = keyring.key_for_sealing(subject, Category.IDENTITY, "")
    assert keyring.key_for_sealing(subject, Category.IDENTITY, "") == key
    assert keyring.key_for_reading(key.id) == key
    others = [
        keyring.key_for_sealing(subject, Category.TECHNICAL, "2026-11"),
        keyring.key_for_sealing(subject, Category.TECHNICAL, "2026-12"),
        keyring.key_for_sealing(uuid4(), Category.IDENTITY, ""),
    ]
    assert len({key.secret, *(each.secret for each in others)}) == 4


def test_all_who_ask_at_once_get_the_same_key(databases):
    rings = [databases.keyring(cache_seconds=0) for _ in range(8)]
    subject, start = uuid4(), threading.Barrier(8)

    def ask(ring):
        start.wait()
        return ring.key_for_sealing(subject, Category.IDENTITY, "")

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, rings))) == 1


def test_keys_rest_wrapped(databases, keyring):
    key = keyring.key_for_sealing(uuid4(), Category.IDENTITY, "")
    with databases.engine("keyring").connect() as connection:
        wrapped = connection.scalar(text("SELECT wrapped FROM keys WHERE key_id = :id"), {"id": key.id})
    assert key.secret not in bytes(wrapped)


def test_another_master_key_opens_nothing(databases, keyring):
    from cryptography.exceptions import InvalidTag

    from shared.privacy.keyring import Keyring
    from shared.runtime.clock import new_id

    key = keyring.key_for_sealing(uuid4(), Category.IDENTITY, "")
    with pytest.raises(InvalidTag):
        Keyring(databases.engine("keyring"), b"n" * 32, new_id=new_id).key_for_reading(key.id)


def test_an_unknown_key_stops_the_reader(keyring):
    with pytest.raises(UnknownKey):
        keyring.key_for_reading(uuid4())


def test_a_destroyed_category_cannot_be_read_or_written_again(keyring, custodian):
    subject = uuid4()
    key = keyring.key_for_sealing(subject, Category.IDENTITY, "")
    other = keyring.key_for_sealing(subject, Category.TECHNICAL, "2026-11")
    assert custodian.destroy(subject, category=Category.IDENTITY, now=NOON) == 1
    assert keyring.key_for_reading(key.id) is None
    with pytest.raises(Problem, match="subject-erased"):
        keyring.key_for_sealing(subject, Category.IDENTITY, "")
    assert keyring.key_for_reading(other.id) == other


def test_an_erased_person_leaves_a_tombstone_that_refuses_all_but_what_law_keeps(keyring, custodian):
    subject = uuid4()
    keyring.key_for_sealing(subject, Category.IDENTITY, "")
    invoices = keyring.key_for_sealing(subject, Category.FINANCIAL, "2026")
    assert custodian.destroy(subject, category=None, now=NOON) == 1
    assert custodian.destroy(subject, category=None, now=NOON) == 0
    for category in (Category.IDENTITY, Category.TECHNICAL, Category.COMMUNICATIONS):
        with pytest.raises(Problem, match="subject-erased"):
            keyring.key_for_sealing(subject, category, "new scope")
    assert keyring.key_for_reading(invoices.id) == invoices
    keyring.key_for_sealing(subject, Category.FINANCIAL, "2027")


def test_a_destruction_is_felt_within_the_bound_of_the_cache(databases, custodian):
    time = [0.0]
    keyring = databases.keyring(cache_seconds=50.0, clock=lambda: time[0])
    subject = uuid4()
    key = keyring.key_for_sealing(subject, Category.IDENTITY, "")
    assert keyring.key_for_reading(key.id) == key
    custodian.destroy(subject, category=None, now=NOON)
    time[0] = 50.0
    assert keyring.key_for_reading(key.id) is None
    with pytest.raises(Problem, match="subject-erased"):
        keyring.key_for_sealing(subject, Category.IDENTITY, "")


def test_no_key_is_born_behind_a_destruction(databases, custodian):
    """Whoever asks for new scopes while a person is being erased ends up with no key that still opens."""
    keyring, subject, start = databases.keyring(cache_seconds=0), uuid4(), threading.Barrier(5)

    def ask(worker):
        start.wait()
        for n in range(20):
            try:
                keyring.key_for_sealing(subject, Category.TECHNICAL, f"{worker}-{n}")
            except Problem:
                return

    def destroy():
        start.wait()
        custodian.destroy(subject, category=None, now=NOON)

    with ThreadPoolExecutor(5) as threads:
        asked = [threads.submit(ask, worker) for worker in range(4)]
        threads.submit(destroy).result()
        for each in asked:
            each.result()
    with databases.engine("keyring").connect() as connection:
        left = connection.scalar(
            text("SELECT count(*) FROM keys WHERE subject = :subject AND wrapped IS NOT NULL"), {"subject": subject}
        )
    assert left == 0


RESURRECTIONS = [
    "UPDATE keys SET wrapped = '\\x00', destroyed_at = NULL",
    "UPDATE keys SET subject = key_id",
    "DELETE FROM keys",
    "TRUNCATE keys",
    "DELETE FROM tombstones",
    "TRUNCATE tombstones",
]


@pytest.mark.parametrize("role", ["service", "custodian", "owner"])
def test_a_destroyed_key_never_comes_back(databases, keyring, custodian, role):
    subject = uuid4()
    keyring.key_for_sealing(subject, Category.IDENTITY, "")
    custodian.destroy(subject, category=None, now=NOON)
    for attempt in RESURRECTIONS:
        with databases.engine("keyring", role).connect() as connection, pytest.raises(DBAPIError):
            connection.execute(text(attempt))


def test_a_service_cannot_destroy_keys(databases, keyring):
    keyring.key_for_sealing(uuid4(), Category.IDENTITY, "")
    with databases.engine("keyring").connect() as connection, pytest.raises(DBAPIError, match="permission denied"):
        connection.execute(text("UPDATE keys SET wrapped = NULL, destroyed_at = now()"))


def test_what_a_restored_keyring_forgot_is_found_and_destroyed_again(databases, keyring, custodian):
    person, other, staying = uuid4(), uuid4(), uuid4()
    for subject in (person, other, staying):
        keyring.key_for_sealing(subject, Category.IDENTITY, "")
    keyring.key_for_sealing(person, Category.FINANCIAL, "2026")
    now = clock.now()
    erasures = [Erasure(person, None, now), Erasure(other, Category.IDENTITY, now)]
    assert keyring.undone(erasures) == erasures
    assert custodian.replay(erasures, now=now) == 2
    assert keyring.undone(erasures) == []
    assert custodian.replay(erasures, now=now) == 0
    assert keyring.key_for_sealing(staying, Category.IDENTITY, "")
    assert keyring.key_for_sealing(person, Category.FINANCIAL, "2026")
    for subject, category in ((person, Category.CONTENT), (other, Category.IDENTITY)):
        with pytest.raises(Problem):
            keyring.key_for_sealing(subject, category, "")


def test_a_missing_tombstone_is_found_although_no_key_is_there(keyring, custodian):
    erasure = Erasure(uuid4(), None, clock.now())
    assert keyring.undone([erasure]) == [erasure]
    custodian.replay([erasure], now=erasure.erased_at)
    assert keyring.undone([erasure]) == []


def test_a_category_that_went_on_after_its_erasure_keeps_its_newer_keys(keyring, custodian):
    """Technical data ages by the month: what came after the erasure was never part of it."""
    person = uuid4()
    keyring.key_for_sealing(person, Category.TECHNICAL, "2026-10")
    erasure = Erasure(person, Category.TECHNICAL, clock.now())
    newer = keyring.key_for_sealing(person, Category.TECHNICAL, "2026-11")
    assert custodian.replay([erasure], now=clock.now()) == 1
    assert keyring.undone([erasure]) == []
    assert keyring.key_for_sealing(person, Category.TECHNICAL, "2026-11") == newer
