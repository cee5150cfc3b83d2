"""A limit holds for those who ask one after the other, and for those who ask at the same moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest

import services
from services.identity.access.evenly import evenly
from services.identity.inquiries.forms import FILLED_IN_AT_LEAST, form_token
from services.identity.inquiries.methods import inquiries
from shared.contracts.times import rfc3339
from shared.eventstore.transaction import Transaction
from tests.component.services.identity.conftest import SECRET, Asking, at_once
from tests.making import email

Ask = Callable[[], Any]
MOST, ASKED_AT_ONCE = 3, 8


def asking_to_found(ask: Asking) -> Ask:
    founder = ask.person()
    return lambda: ask("found_organisation", founder.actor, name="One of many")


def asking_to_issue_a_token(ask: Asking) -> Ask:
    person = ask.person()
    ask.step_up(person)
    ends = rfc3339(ask.clock() + timedelta(days=30))
    return lambda: ask("issue_token", person.actor, label="Export", scopes=["profile:read"], expires_at=ends)


def asking_to_open_an_inquiry(ask: Asking) -> Ask:
    person = ask.person()
    return lambda: ask("open_own_inquiry", person.actor, kind="support", text="Where is it?")


def asking_to_note(ask: Asking) -> Ask:
    opened = asking_to_open_an_inquiry(ask)()
    colleague = ask.member("staff")
    return lambda: ask("add_internal_note", colleague.actor, inquiry_id=opened["inquiry_id"], text="Once more.")


def asking_to_invite(ask: Asking) -> Ask:
    """From one organisation and from another: the day is the person's."""
    owner = ask.person()
    made = [ask("found_organisation", owner.actor, name="Studio")["organisation_id"] for _ in range(ASKED_AT_ONCE)]
    return lambda: ask("invite_member", owner.actor, organisation_id=made.pop(), email=email(), role="manager")


@dataclass(frozen=True)
class Limited:
    """Where a limit is declared, and who asks for what it bounds."""

    module: str
    name: str
    asking: Callable[[Asking], Ask]

    @property
    def limit(self) -> Any:
        return getattr(import_module(f"services.identity.{self.module}"), self.name)


LIMITS = [
    Limited("organisations.methods.organisations", "OWNED", asking_to_found),
    Limited("access.methods.tokens", "TOKENS", asking_to_issue_a_token),
    Limited("inquiries.methods.inquiries", "UNSETTLED", asking_to_open_an_inquiry),
    Limited("inquiries.methods.desk", "NOTES", asking_to_note),
    Limited("organisations.invitees", "A_DAY", asking_to_invite),
]
ELSEWHERE = {"too-many-exports"}
"""Tried with the exports."""


@pytest.fixture(autouse=True)
def one_clock(monkeypatch, clock):
    monkeypatch.setattr("services.identity.invitations.methods.now", clock)
    monkeypatch.setattr(inquiries, "now", clock)
    monkeypatch.setattr(inquiries, "evenly", lambda: evenly(sleep=lambda seconds: None))


def all_commit_together(monkeypatch) -> None:
    """Lets nobody commit before everybody has come so far, unless one of them keeps the others from it."""
    together, commit = Barrier(ASKED_AT_ONCE), Transaction.commit

    @contextmanager
    def commit_together(transaction: Transaction) -> Iterator[None]:
        with suppress(BrokenBarrierError):
            together.wait(timeout=0.5)
        with commit(transaction):
            yield

    monkeypatch.setattr(Transaction, "commit", commit_together)


@pytest.mark.parametrize("limited", LIMITS, ids=lambda each: each.limit.problem)
def test_a_limit_holds_when_many_ask_at_once(ask, monkeypatch, limited):
    limit = limited.limit
    more = limited.asking(ask)
    monkeypatch.setattr(f"services.identity.{limited.module}.{limited.name}", replace(limit, most=MOST))

    all_commit_together(monkeypatch)

    came = at_once(*[more] * ASKED_AT_ONCE)

    assert came == ["done"] * MOST + [limit.problem] * (ASKED_AT_ONCE - MOST)


def test_every_limit_that_is_declared_is_tried_so():
    sources = Path(services.__path__[0]).rglob("*.py")
    declared = {problem for path in sources for problem in re.findall(r'Limit\("([a-z-]+)"', path.read_text("utf-8"))}
    assert declared == {each.limit.problem for each in LIMITS} | ELSEWHERE


def test_a_network_that_sends_spam_is_told_of_once_also_when_it_sends_much_at_once(ask, clock):
    form = form_token(SECRET, clock() - FILLED_IN_AT_LEAST)

    def send():
        filled_in = {"form_token": form, "website": "https://spam.example", "kind": "support", "text": "Buy this"}
        ask("receive_inquiry", **filled_in, email=email())

    assert at_once(*[send] * ASKED_AT_ONCE) == ["done"] * ASKED_AT_ONCE
    assert len(ask.rows("SELECT FROM security_signals WHERE kind = 'inquiry_spam_suspected'")) == 1
