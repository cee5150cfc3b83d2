"""Aggregates kept in memory: one command at a time has one, for a while, and there are never too many."""

from __future__ import annotations

from uuid import uuid4

from services.identity.accounts.aggregate import Account
from shared.eventstore.recent import RecentAggregates


class Watch:
    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


def test_what_was_kept_is_lent_to_one_command_at_a_time():
    recent, account = RecentAggregates(), Account(uuid4())
    recent.keep(recent.now(), account)
    opened_at, taken = recent.take(account.stream)
    assert taken is account
    assert recent.take(account.stream) is None
    recent.keep(opened_at, taken)
    assert recent.take(account.stream) is not None


def test_the_time_counts_from_when_the_events_were_opened_however_often_it_is_used():
    watch, account = Watch(), Account(uuid4())
    recent = RecentAggregates(seconds=20, monotonic=watch)
    recent.keep(recent.now(), account)
    for watch.time in (10.0, 19.9):
        recent.keep(*recent.take(account.stream))
    watch.time = 20.0
    assert recent.take(account.stream) is None


def test_the_oldest_make_room():
    recent, accounts = RecentAggregates(limit=2), [Account(uuid4()) for _ in range(3)]
    for account in accounts:
        recent.keep(recent.now(), account)
    assert [recent.take(account.stream) is not None for account in accounts] == [False, True, True]
