"""How loops fare is kept where an operator sees it, and none waits for a connection that another holds."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from sqlalchemy import text

from shared.bus.loops import Loop, StoredReports
from shared.bus.subscriptions import TryAgain
from shared.eventstore.pruning import COMMANDS, Pruner
from shared.runtime.database import connect_for_loops
from tests.making import eventually, running

SERVICES = ("identity", "audit")


@pytest.fixture
def engine(databases, request):
    engine = connect_for_loops(databases.url(getattr(request, "param", "identity")), application_name="loops")
    yield engine
    engine.dispose()


def reported(engine):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT name, failures, reason FROM loops"))]


@pytest.mark.parametrize("engine", SERVICES, indirect=True)
def test_a_failing_loop_is_kept_until_it_is_well_again(engine):
    broken = [True]

    def turn():
        if broken:
            raise TryAgain("attempt 1 of 5")

    with running(StoredReports(engine)) as (run, _):
        run(Loop("mail", turn, 0.01))
        eventually(
            lambda: [(name, reason) for name, _, reason in reported(engine)] == [("mail", "TryAgain: attempt 1 of 5")]
        )
        eventually(lambda: reported(engine)[0][1] > 1)
        broken.clear()
        eventually(lambda: reported(engine) == [])


def test_a_process_forgets_what_the_one_before_it_reported(engine):
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO loops VALUES ('gone', 3, 'ValueError', now(), now())"))
    StoredReports(engine)
    assert reported(engine) == []


def test_a_report_that_cannot_be_kept_stops_no_loop(databases, engine):
    reports, turns = StoredReports(engine), []
    with databases.engine("identity", "owner").begin() as connection:
        connection.execute(text("DROP TABLE loops"))

    def turn():
        turns.append(1)
        raise ValueError

    with running(reports) as (run, _):
        run(Loop("mail", turn))
        eventually(lambda: len(turns) >= 3)


def test_as_many_loops_as_there_are_have_a_connection_at_once(engine):
    with ExitStack() as held:
        connections = [held.enter_context(engine.connect()) for _ in range(15)]
        assert [connection.scalar(text("SELECT 1")) for connection in connections] == [1] * 15


def pids_of(engine):
    """The connections that the pool has, as the server knows them."""
    with engine.connect() as connection:
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'loops' AND datname = current_database()"
        return set(connection.scalars(text(query)))


def test_pruning_leaves_the_connections_of_others_alone(engine):
    with running() as (_, stopping):
        with engine.connect():
            Pruner(engine, [COMMANDS], stopping).prune()
            before = pids_of(engine)
        Pruner(engine, [COMMANDS], stopping).prune()
        assert pids_of(engine) == before
