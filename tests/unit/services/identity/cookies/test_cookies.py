"""Given these choices, when somebody says something about cookies, then this is on record, and no more than that."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.cookies.aggregate import CHOICE_LIFETIME, CookieChoices, as_heard, in_force, remembered_until
from services.identity.cookies.visitors import visitor_of, visitor_token
from shared.contracts.identity import (
    BrowserSignalHeard,
    CookieConsentCarriedOver,
    CookieConsentGranted,
    CookieConsentRefused,
    CookieConsentWithdrawn,
)
from shared.contracts.vocabulary import COOKIE_PURPOSES, COOKIE_WORDINGS, SHARING
from shared.privacy.secrets import ServiceSecret
from tests.making import NOON

PREFERENCES, ANALYTICS = COOKIE_PURPOSES.values()
WORDING = COOKIE_WORDINGS[-1]
UNTIL = NOON + CHOICE_LIFETIME
SECRET = ServiceSecret(b"s" * 32)


def play(choices, events):
    happened = []
    for event in events:
        choices.apply(event)
        happened.append(event)
    return happened


def choose(choices, *, wording=WORDING, now=NOON, **allowed):
    by_purpose = {COOKIE_PURPOSES[category]: yes for category, yes in allowed.items()}
    return play(choices, choices.choose(by_purpose, wording, now=now))


def hear(choices, *, until=None, now=NOON):
    return play(choices, choices.hear_signal(until=until, now=now))


def kinds(events):
    return [(type(event), event.purpose) for event in events]


def states(choices, now=NOON):
    return {purpose: standing.state for purpose, standing in in_force(choices.standings, now).items()}


@pytest.fixture
def choices():
    return CookieChoices(uuid4())


def test_a_grant_says_of_which_words_and_until_when(choices):
    assert choose(choices, analytics=True) == [
        CookieConsentGranted(
            subject_id=choices.id, purpose=ANALYTICS, wording_version=WORDING, effective_at=NOON, expires_at=UNTIL
        )
    ]


def test_a_first_no_is_a_refusal_and_a_later_one_takes_back(choices):
    assert kinds(choose(choices, preferences=False)) == [(CookieConsentRefused, PREFERENCES)]
    assert kinds(choose(choices, preferences=True)) == [(CookieConsentGranted, PREFERENCES)]
    assert kinds(choose(choices, preferences=False)) == [(CookieConsentWithdrawn, PREFERENCES)]


@pytest.mark.parametrize("yes", [True, False])
def test_the_same_choice_again_is_no_event_until_the_words_change(choices, yes):
    choose(choices, analytics=yes)
    assert choose(choices, analytics=yes, now=NOON + timedelta(days=300)) == []
    assert len(choose(choices, analytics=yes, wording="another")) == 1


def test_a_refusal_after_taking_back_is_the_same_choice(choices):
    choose(choices, analytics=True)
    choose(choices, analytics=False)
    assert choose(choices, analytics=False) == []


@pytest.mark.parametrize("yes", [True, False])
def test_a_choice_ends_after_its_time_and_can_be_made_again(choices, yes):
    choose(choices, analytics=yes)
    assert ANALYTICS in states(choices, UNTIL - timedelta(microseconds=1))
    assert states(choices, UNTIL) == {}
    (again,) = choose(choices, analytics=yes, now=UNTIL)
    assert type(again) is (CookieConsentGranted if yes else CookieConsentRefused)


def test_the_signal_objects_to_analytics_and_sharing_once(choices):
    choose(choices, analytics=True)
    assert kinds(hear(choices)) == [(BrowserSignalHeard, ANALYTICS), (BrowserSignalHeard, SHARING)]
    assert states(choices) == {ANALYTICS: "objected", SHARING: "objected"}
    assert hear(choices, now=NOON + timedelta(days=1000)) == []


def test_a_later_choice_is_stronger_than_the_signal_but_not_on_sharing(choices):
    hear(choices)
    choose(choices, analytics=True)
    hear(choices)
    assert states(choices) == {ANALYTICS: "granted", SHARING: "objected"}


def test_a_signal_that_is_not_on_record_closes_what_was_allowed_before(choices):
    choose(choices, analytics=True, preferences=True)
    heard = {purpose: standing.state for purpose, standing in as_heard(choices.standings, NOON).items()}
    assert heard == {PREFERENCES: "granted", ANALYTICS: "objected", SHARING: "objected"}
    assert states(choices) == {PREFERENCES: "granted", ANALYTICS: "granted"}


def test_a_visitor_is_forgotten_when_everything_has_expired(choices):
    assert remembered_until(choices.standings, NOON) is None
    hear(choices, until=UNTIL)
    choose(choices, preferences=True, now=NOON + timedelta(days=1))
    assert remembered_until(choices.standings, NOON) == UNTIL + timedelta(days=1)
    assert remembered_until(choices.standings, UNTIL + timedelta(days=1)) is None


def test_an_account_takes_over_what_its_person_chose_as_a_visitor(choices):
    account, later = CookieChoices(uuid4()), NOON + timedelta(days=10)
    hear(choices, until=UNTIL)
    choose(choices, preferences=True, analytics=True)
    choose(choices, preferences=False)
    play(account, account.take_over(choices, now=later))
    ended = play(choices, choices.carry_over(account.id, now=later))
    assert states(account) == {PREFERENCES: "refused", ANALYTICS: "granted", SHARING: "objected"}
    assert account.standings[ANALYTICS].expires_at == UNTIL
    assert account.standings[SHARING].expires_at is None
    assert {type(event) for event in ended} == {CookieConsentCarriedOver}
    assert remembered_until(choices.standings, later) is None


def test_what_expired_is_not_carried_over(choices):
    account = CookieChoices(uuid4())
    choose(choices, analytics=True)
    assert list(account.take_over(choices, now=UNTIL)) == []
    assert list(choices.carry_over(account.id, now=UNTIL)) == []


def test_an_erased_person_allows_nothing_any_more(choices):
    choose(choices, preferences=False, analytics=True)
    assert kinds(play(choices, choices.end(now=NOON))) == [(CookieConsentWithdrawn, ANALYTICS)]
    assert list(choices.end(now=NOON)) == []


said = st.one_of(
    st.tuples(st.just("choose"), st.booleans(), st.booleans()), st.tuples(st.just("hear"), st.none(), st.none())
)


@given(st.lists(st.tuples(said, st.integers(0, 500)), max_size=12))
def test_whatever_is_said_in_whatever_order(history):
    """Only the last word that was said by the person allows anything, and only while it lasts; sharing stays closed."""
    choices, now, last, heard, closed = CookieChoices(uuid4()), NOON, {}, False, True
    for (what, preferences, analytics), days in history:
        now += timedelta(days=days)
        if what == "choose":
            choose(choices, preferences=preferences, analytics=analytics, now=now)
            last = {PREFERENCES: preferences, ANALYTICS: analytics}
            closed = False
        else:
            hear(choices, now=now)
            closed = closed or not heard
            heard = True
        granted = {purpose for purpose, state in states(choices, now).items() if state == "granted"}
        assert granted <= {purpose for purpose, yes in last.items() if yes}
        assert not (closed and ANALYTICS in granted)
        assert (states(choices, now).get(SHARING) == "objected") == heard


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=8))
def test_saying_it_twice_is_saying_it_once(history):
    once, twice = CookieChoices(uuid4()), CookieChoices(uuid4())
    for preferences, analytics in history:
        choose(once, preferences=preferences, analytics=analytics)
        for _ in range(2):
            choose(twice, preferences=preferences, analytics=analytics)
    assert once.version == twice.version


def test_a_visitor_is_known_by_what_we_signed_and_by_nothing_else():
    visitor_id = uuid4()
    token = visitor_token(SECRET, visitor_id)
    assert visitor_of(SECRET, token) == visitor_id
    signature = token.partition(".")[2]
    forged = [
        "",
        ".",
        visitor_id.hex,
        f"{visitor_id.hex}.",
        f"{uuid4().hex}.{signature}",
        f"{visitor_id}.{signature}",
        token[:-1],
        f"{token}x",
        f" {token}",
        visitor_token(ServiceSecret(b"t" * 32), visitor_id),
        "ä" * 40,
    ]
    assert {visitor_of(SECRET, each) for each in forged} == {None}
