"""A device is new once, and forgotten when it was not used for long."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from services.identity.access import devices
from tests.making import NOON


@pytest.fixture
def connection(databases):
    with databases.engine("identity", autocommit=True).connect() as connection:
        yield connection


def test_the_first_device_is_not_new_and_every_other_one_is_new_once(connection):
    account = uuid4()
    seen = [devices.remember(connection, account, index, NOON) for index in (b"a", b"a", b"b", b"b", b"a")]
    assert seen == [False, False, True, False, False]
    assert devices.is_known(connection, b"b", NOON)
    assert not devices.is_known(connection, b"c", NOON)


def test_devices_of_others_make_no_difference(connection):
    devices.remember(connection, uuid4(), b"theirs", NOON)
    assert not devices.remember(connection, uuid4(), b"mine", NOON)


def test_a_device_is_known_as_long_as_it_is_used_now_and_then(connection):
    account, long = uuid4(), devices.REMEMBERED - timedelta(days=1)
    devices.remember(connection, account, b"desk", NOON)
    devices.remember(connection, account, b"phone", NOON)
    devices.remember(connection, account, b"desk", NOON + long)
    assert devices.is_known(connection, b"desk", NOON + 2 * long)
    assert not devices.is_known(connection, b"phone", NOON + 2 * long)
    assert devices.remember(connection, account, b"phone", NOON + 2 * long)


def test_what_was_forgotten_is_the_first_again(connection):
    account = uuid4()
    devices.remember(connection, account, b"desk", NOON)
    devices.forget(connection, account)
    assert not devices.is_known(connection, b"desk", NOON)
    assert not devices.remember(connection, account, b"phone", NOON)
