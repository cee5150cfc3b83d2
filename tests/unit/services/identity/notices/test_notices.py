"""Given these events, when this command, then these events: notices, preferences and announcements."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.accounts.aggregate import Account
from services.identity.notices.aggregate import Announcement, Wording
from services.identity.notices.kinds import EMAIL, KINDS, Correspondence, Notice, Preferences
from shared.contracts.identity import (
    AccountRestricted,
    AccountUnrestricted,
    AnnouncementPublished,
    AnnouncementWorded,
    NoticeFailed,
    NoticeObjectionRaised,
    NoticeObjectionWithdrawn,
    NoticePreferenceChanged,
    NoticeSent,
)
from shared.contracts.problems import Problem
from tests.making import NOON, registration

WRITTEN = Correspondence(uuid4(), uuid4(), "service", "new_device", "ada@example.org", "Somebody signed in", "en")
REFUSABLE = [name for name, kind in KINDS.items() if kind.refusable]


def play(aggregate, events):
    happened = []
    for event in events:
        aggregate.apply(event)
        happened.append(event)
    return happened


def kinds_of(happened):
    return [type(event) for event in happened]


def test_a_notice_is_settled_once_whatever_is_said_of_it_later():
    notice = Notice(uuid4())
    (sent,) = play(notice, notice.send(WRITTEN, relied_on=None, now=NOON))
    assert (type(sent), sent.address, sent.about) == (NoticeSent, WRITTEN.address, WRITTEN.about)
    assert play(notice, notice.send(WRITTEN, relied_on=None, now=NOON)) == []
    assert play(notice, notice.fail(WRITTEN, "refused", now=NOON)) == []


def test_a_notice_that_failed_says_how():
    notice = Notice(uuid4())
    (failed,) = play(notice, notice.fail(WRITTEN, "given_up", now=NOON))
    assert (type(failed), failed.failure) == (NoticeFailed, "given_up")


@given(st.lists(st.dictionaries(st.sampled_from(REFUSABLE), st.booleans()), max_size=6))
def test_the_last_choice_stands_and_only_what_differs_is_an_event(choices):
    preferences = Preferences(uuid4())
    for chosen in choices:
        before = set(preferences.refused)
        wanted = {(kind, EMAIL): is_wanted for kind, is_wanted in chosen.items()}
        changed = play(preferences, preferences.choose(wanted, now=NOON))
        assert preferences.refused == {choice for choice, is_wanted in wanted.items() if not is_wanted}
        assert {(event.kind, event.channel) for event in changed} == before ^ preferences.refused
        assert play(preferences, preferences.choose(wanted, now=NOON)) == []


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if not kind.refusable])
def test_what_everybody_is_told_cannot_be_turned_off(kind):
    preferences = Preferences(uuid4())
    with pytest.raises(Problem, match="notice-not-refusable"):
        play(preferences, preferences.choose({(kind, EMAIL): False}, now=NOON))
    assert play(preferences, preferences.choose({(kind, EMAIL): True}, now=NOON)) == []


def test_an_objection_is_raised_and_withdrawn_once():
    preferences = Preferences(uuid4())
    assert play(preferences, preferences.withdraw_objection("product", now=NOON)) == []
    assert kinds_of(play(preferences, preferences.object_to("product", now=NOON))) == [NoticeObjectionRaised]
    assert play(preferences, preferences.object_to("product", now=NOON)) == []
    assert kinds_of(play(preferences, preferences.withdraw_objection("product", now=NOON))) == [
        NoticeObjectionWithdrawn
    ]


def test_a_choice_says_which_kind_by_which_channel():
    preferences = Preferences(uuid4())
    (changed,) = play(preferences, preferences.choose({("product", EMAIL): False}, now=NOON))
    assert changed == NoticePreferenceChanged(
        account_id=preferences.id, kind="product", channel=EMAIL, wanted=False, changed_at=NOON
    )


def test_an_announcement_is_worded_before_it_is_published():
    announcement = Announcement(uuid4())
    words = {"en": Wording("News", "Text."), "de": Wording("Neues", "Text.")}
    happened = play(announcement, announcement.publish("policy_update", words, now=NOON))
    assert kinds_of(happened) == [AnnouncementWorded, AnnouncementWorded, AnnouncementPublished]
    assert [event.language for event in happened[:2]] == ["de", "en"]


def test_an_announcement_without_english_is_none():
    announcement = Announcement(uuid4())
    with pytest.raises(Problem, match="words-missing"):
        play(announcement, announcement.publish("legal", {"de": Wording("Neues", "Text.")}, now=NOON))


def test_a_restriction_is_imposed_and_lifted_once():
    account = Account(uuid4())
    play(account, account.register("influencer", registration(), now=NOON))
    assert play(account, account.lift_restriction(now=NOON)) == []
    assert kinds_of(play(account, account.restrict(now=NOON))) == [AccountRestricted]
    assert play(account, account.restrict(now=NOON)) == []
    assert kinds_of(play(account, account.lift_restriction(now=NOON))) == [AccountUnrestricted]
