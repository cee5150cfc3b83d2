"""What an error of the database means is decided by its SQLSTATE, in one place."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, TimeoutError

from shared.runtime.faults import Fault, fault_of, is_outage

MEANINGS = {
    "08006": Fault.LOST,  # connection failure
    "57P01": Fault.LOST,  # admin shutdown
    "57P02": Fault.LOST,  # crash shutdown
    "57P03": Fault.LOST,  # cannot connect now
    "57P05": Fault.LOST,  # idle session timeout
    "25P03": Fault.LOST,  # idle in transaction session timeout
    "53100": Fault.FULL,  # disk full
    "53200": Fault.FULL,  # out of memory
    "53300": Fault.FULL,  # too many connections
    "58030": Fault.FULL,  # input or output error
    "40001": Fault.CONFLICT,  # serialization failure
    "40P01": Fault.CONFLICT,  # deadlock detected
    "55P03": Fault.BUSY,  # lock not available
    "57014": Fault.SLOW,  # query cancelled
    "23505": Fault.OURS,  # unique violation
    "25006": Fault.OURS,  # read-only transaction
    "42P01": Fault.OURS,  # undefined table
    "42501": Fault.OURS,  # insufficient privilege
}


def driver_error(state: str) -> psycopg.Error:
    return psycopg.errors.lookup(state)()


@pytest.mark.parametrize(("state", "fault"), MEANINGS.items())
class TestSqlstates:
    def test_the_driver_says_so(self, state, fault):
        assert fault_of(driver_error(state)) is fault

    def test_and_so_it_is_under_sqlalchemy(self, state, fault):
        assert fault_of(OperationalError("", None, driver_error(state))) is fault
        assert fault_of(ProgrammingError("", None, driver_error(state))) is fault


def test_a_server_of_which_nothing_is_heard_is_lost():
    assert fault_of(psycopg.OperationalError("the connection is closed")) is Fault.LOST
    assert fault_of(OperationalError("", None, psycopg.OperationalError())) is Fault.LOST
    assert fault_of(DBAPIError("", None, psycopg.Error(), connection_invalidated=True)) is Fault.LOST


def test_a_pool_without_a_connection_to_give_is_full():
    assert fault_of(TimeoutError()) is Fault.FULL


def test_errors_of_anything_else_are_no_faults_of_a_database():
    assert fault_of(ValueError()) is None
    assert fault_of(OSError()) is None


def test_only_a_database_that_is_away_or_full_is_an_outage():
    outages = {state for state in MEANINGS if is_outage(driver_error(state))}
    assert outages == {state for state, fault in MEANINGS.items() if fault in (Fault.LOST, Fault.FULL)}
