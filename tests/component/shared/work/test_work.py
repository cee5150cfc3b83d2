"""Scheduled work is never lost and never in two hands at once, whoever dies, stands still or has a wrong clock."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import Engine, text

from shared.contracts.problems import Problem
from shared.eventstore.transaction import writing
from shared.runtime import clock
from shared.work.jobs import Held, LeaseLost, cancel, parked, revive, schedule, take
from shared.work.worker import Duty, Later, Worker

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def engine(databases) -> Engine:
    return databases.engine("identity")


class Time:
    """What the database is said to have for its time."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self, connection: object) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


def worker(engine: Engine, time: Time, *duties: Duty) -> Worker:
    return Worker(engine, duties, random=lambda: 1.0, time_of=time)


def put(engine: Engine, key: str = "one", due_at: datetime = NOON, **values: object) -> None:
    with writing(engine) as connection:
        schedule(connection, "letter", key=key, due_at=due_at, **values)  # type: ignore[arg-type]


def waiting(engine: Engine) -> list[tuple[str, datetime]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT key, due_at FROM jobs ORDER BY key"))]


def lookup(engine: Engine, time: Time, lasting: timedelta = MINUTE) -> Held | None:
    with writing(engine) as connection:
        return take(connection, "letter", time.now, lasting)


class TestDoing:
    def test_a_job_is_done_when_it_is_due_and_once(self, engine, time):
        put(engine, due_at=NOON + MINUTE, about={"number": 7})
        done: list[object] = []
        one = worker(engine, time, Duty("letter", lambda held: done.append(held.about)))
        assert not one.turn()
        time.now += MINUTE
        assert one.turn()
        assert not one.turn()
        assert done == [{"number": 7}]

    def test_the_urgent_are_first_then_those_that_are_due_longest(self, engine, time):
        put(engine, "late", NOON - MINUTE)
        put(engine, "later", NOON)
        put(engine, "urgent", NOON, priority=5)
        done: list[str] = []
        one = worker(engine, time, Duty("letter", lambda held: done.append(held.key)))
        while one.turn():
            pass
        assert done == ["urgent", "late", "later"]

    def test_a_job_that_is_scheduled_again_is_moved(self, engine, time):
        put(engine)
        put(engine, due_at=NOON + MINUTE)
        assert waiting(engine) == [("one", NOON + MINUTE)]
        assert lookup(engine, time) is None

    def test_a_job_that_is_scheduled_while_it_is_done_is_done_again(self, engine, time):
        put(engine)
        held = lookup(engine, time)
        put(engine, due_at=NOON + MINUTE)
        with writing(engine) as connection:
            held.finish(connection)
        assert waiting(engine) == [("one", NOON + MINUTE)]

    def test_a_duty_comes_again_and_again(self, engine, time):
        rounds: list[datetime] = []
        one = worker(engine, time, Duty("sweep", lambda held: rounds.append(time.now), every=MINUTE))
        for _ in range(3):
            assert one.turn()
            assert not one.turn()
            time.now += MINUTE
        assert rounds == [NOON, NOON + MINUTE, NOON + 2 * MINUTE]

    def test_a_clock_that_is_a_day_wrong_does_nothing_too_early(self, engine, monkeypatch):
        with writing(engine) as connection:
            schedule(connection, "letter", key="one", due_at=clock.now() + timedelta(hours=1))
        now = clock.now()
        monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=1))
        done: list[Held] = []
        assert not Worker(engine, [Duty("letter", done.append)], random=lambda: 1.0).turn()
        assert done == []


class TestFailing:
    def test_what_fails_is_tried_again_after_pauses_that_grow_and_then_parked(self, engine, time):
        def fail(held: Held) -> None:
            raise Problem("conflict")

        put(engine)
        one = worker(engine, time, Duty("letter", fail, attempts=3, pause=MINUTE))
        due = []
        while not in_parking(engine):
            assert one.turn()
            ((_, next_due),) = waiting(engine)
            due.append(next_due - time.now)
            time.now = max(time.now, next_due)
        assert due[:2] == [MINUTE, 2 * MINUTE]
        assert in_parking(engine) == [("one", "conflict")]
        assert not one.turn()

    def test_a_parked_job_is_revived(self, engine, time):
        def fail(held: Held) -> None:
            raise ValueError("no text of an error is kept: it may quote a person")

        put(engine)
        worker(engine, time, Duty("letter", fail, attempts=1)).turn()
        assert in_parking(engine) == [("one", "ValueError")]
        with writing(engine) as connection:
            assert revive(connection, "letter", "one", time.now)
        done: list[Held] = []
        worker(engine, time, Duty("letter", done.append, attempts=1)).turn()
        assert [held.attempt for held in done] == [1]

    def test_one_that_always_fails_starves_nobody(self, engine, time):
        def fail_one(held: Held) -> None:
            if held.key == "bad":
                raise ValueError
            done.append(held.key)

        put(engine, "bad", NOON - MINUTE)
        put(engine, "good")
        done: list[str] = []
        one = worker(engine, time, Duty("letter", fail_one))
        one.turn()
        one.turn()
        assert done == ["good"]

    def test_who_is_told_to_come_later_comes_later(self, engine, time):
        def refuse(held: Held) -> None:
            raise Later("rate-limited", timedelta(hours=5))

        put(engine)
        worker(engine, time, Duty("letter", refuse)).turn()
        assert waiting(engine) == [("one", NOON + timedelta(hours=5))]

    def test_a_job_that_kills_its_worker_each_time_is_parked(self, engine, time):
        put(engine)
        for _ in range(2):
            assert lookup(engine, time)
            time.now += 2 * MINUTE
        worker(engine, time, Duty("letter", lambda held: None, attempts=2)).turn()
        assert in_parking(engine) == [("one", "worker-died")]


class TestLeases:
    def test_a_job_in_somebodys_hands_is_nobody_elses(self, engine, time):
        put(engine)
        assert lookup(engine, time)
        assert lookup(engine, time) is None

    def test_who_stood_still_beyond_the_lease_has_no_effect(self, engine, time):
        put(engine)
        slow = lookup(engine, time)
        time.now += 2 * MINUTE
        quick = lookup(engine, time)
        with pytest.raises(LeaseLost):
            finish_with_an_effect(engine, slow)
        with writing(engine) as connection:
            quick.finish(connection)
        assert waiting(engine) == []

    def test_a_lease_can_be_held_longer_but_not_once_it_ended(self, engine, time):
        put(engine)
        held = lookup(engine, time)
        with writing(engine) as connection:
            held.extend(connection, time.now, time.now + 5 * MINUTE)
        time.now += 2 * MINUTE
        assert lookup(engine, time) is None
        time.now += 4 * MINUTE
        with pytest.raises(LeaseLost), writing(engine) as connection:
            held.extend(connection, time.now, time.now + MINUTE)

    def test_a_job_that_was_taken_back_has_no_effect(self, engine, time):
        put(engine)
        held = lookup(engine, time)
        with writing(engine) as connection:
            assert cancel(connection, "letter", "one")
        with pytest.raises(LeaseLost), writing(engine) as connection:
            held.finish(connection)


def finish_with_an_effect(engine: Engine, held: Held) -> None:
    with writing(engine) as connection:
        schedule(connection, "effect", key="of the slow one", due_at=NOON)
        held.finish(connection)


def in_parking(engine: Engine) -> list[tuple[str, str]]:
    with engine.connect() as connection:
        return [(each.key, each.reason) for each in parked(connection)]


def test_no_job_is_lost_or_done_twice_whatever_becomes_of_workers(engine):
    class Work(RuleBasedStateMachine):
        """Two workers that take jobs, and finish, fail, die or fall asleep over them, while time goes on."""

        def __init__(self) -> None:
            super().__init__()
            self.time = Time()
            self.scheduled: set[str] = set()
            self.effects: Counter[str] = Counter()
            self.hands: dict[str, Held] = {}
            with writing(engine) as connection:
                connection.execute(text("DELETE FROM jobs"))

        @rule(minutes=st.integers(0, 5))
        def schedule_one(self, minutes: int) -> None:
            key = f"{len(self.scheduled):03}"
            put(engine, key, self.time.now + minutes * MINUTE)
            self.scheduled.add(key)

        @rule(seconds=st.integers(1, 180))
        def time_goes_on(self, seconds: int) -> None:
            self.time.now += timedelta(seconds=seconds)

        @rule(who=st.sampled_from(["ann", "bob"]))
        def take_one(self, who: str) -> None:
            """Whoever had one in hand has died over it, and is a new worker now."""
            held = lookup(engine, self.time)
            self.hands.pop(who, None)
            if held:
                assert not any(
                    other.key == held.key and other.leased_until > self.time.now for other in self.hands.values()
                )
                self.hands[who] = held

        @precondition(lambda self: self.hands)
        @rule(data=st.data())
        def finish_one(self, data: st.DataObject) -> None:
            held = self.hands.pop(data.draw(st.sampled_from(sorted(self.hands))))
            try:
                with writing(engine) as connection:
                    held.finish(connection)
            except LeaseLost:
                return
            self.effects[held.key] += 1

        @precondition(lambda self: self.hands)
        @rule(data=st.data())
        def fail_one(self, data: st.DataObject) -> None:
            held = self.hands.pop(data.draw(st.sampled_from(sorted(self.hands))))
            try:
                with writing(engine) as connection:
                    held.retry(connection, self.time.now + MINUTE)
            except LeaseLost:
                return

        @invariant()
        def nothing_is_lost_and_nothing_done_twice(self) -> None:
            left = {key for key, _ in waiting(engine)}
            assert left | set(self.effects) == self.scheduled
            assert not left & set(self.effects)
            assert all(times == 1 for times in self.effects.values())

        def teardown(self) -> None:
            self.time.now += timedelta(hours=1)
            done: list[str] = []
            last = worker(engine, self.time, Duty("letter", lambda held: done.append(held.key), attempts=1000))
            while last.turn():
                pass
            assert set(done) | set(self.effects) == self.scheduled

    run_state_machine_as_test(
        Work,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
