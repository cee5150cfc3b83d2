"""A policy changes by versions that people hear of in time, one after the other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.audit.policies.aggregate import FIRST_EFFECTIVE_AT, Edition, Policy, Summary, policy_id
from shared.contracts.audit import PolicyPublished, PolicyWithdrawn
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import FIRST_POLICY_VERSION, PRIVACY_POLICY
from tests.making import NOON

DAY = timedelta(days=1)
SUMMARY = Summary("en", "Our privacy policy changes", "We keep less.")


def edition(
    version="2027-01-01", *, material=True, notice=30 * DAY, effective_at=NOON + 30 * DAY, summaries=(SUMMARY,)
):
    return Edition(version, material, notice, effective_at, summaries, "https://okacrm.net/privacy", "0" * 64)


def play(policy, events):
    recorded = []
    for event in events:
        policy.apply(event)
        recorded.append(event)
    return recorded


@pytest.fixture
def policy():
    return Policy(policy_id(PRIVACY_POLICY))


def test_a_version_is_published_with_its_notice(policy):
    assert play(policy, policy.publish(PRIVACY_POLICY, edition(), now=NOON)) == [
        PolicyPublished(
            policy_id=policy.id,
            policy=PRIVACY_POLICY,
            policy_version="2027-01-01",
            material=True,
            notice_days=30,
            summaries=[vars(SUMMARY)],
            document_url="https://okacrm.net/privacy",
            document_sha256="0" * 64,
            published_at=NOON,
            effective_at=NOON + 30 * DAY,
        )
    ]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"effective_at": NOON + 30 * DAY - timedelta(microseconds=1)}, "policy-notice-too-short"),
        ({"notice": 29 * DAY}, "policy-notice-too-short"),
        ({"summaries": (Summary("de", "Neues", "Wir behalten weniger."),)}, "words-missing"),
        ({"version": FIRST_POLICY_VERSION}, "policy-version-taken"),
    ],
)
def test_a_version_is_refused_that_people_would_not_hear_of_in_time_or_by_name(policy, changes, refusal):
    with pytest.raises(Problem, match=refusal):
        list(policy.publish(PRIVACY_POLICY, edition(**changes), now=NOON))


def test_a_change_that_is_not_material_may_take_effect_when_it_is_posted(policy):
    assert play(
        policy, policy.publish(PRIVACY_POLICY, edition(material=False, notice=0 * DAY, effective_at=NOON), now=NOON)
    )


def test_the_first_version_counts_for_the_privacy_policy_alone():
    assert Policy(policy_id(PRIVACY_POLICY)).versions == {FIRST_POLICY_VERSION: FIRST_EFFECTIVE_AT}
    assert Policy(policy_id("terms")).versions == {}


def test_a_version_is_withdrawn_until_it_takes_effect_and_its_name_is_not_given_again(policy):
    play(policy, policy.publish(PRIVACY_POLICY, edition(), now=NOON))
    with pytest.raises(Problem, match="policy-in-effect"):
        list(policy.withdraw(PRIVACY_POLICY, "2027-01-01", now=NOON + 30 * DAY))
    assert play(policy, policy.withdraw(PRIVACY_POLICY, "2027-01-01", now=NOON + 29 * DAY)) == [
        PolicyWithdrawn(
            policy_id=policy.id,
            policy=PRIVACY_POLICY,
            policy_version="2027-01-01",
            withdrawn_at=NOON + 29 * DAY,
        )
    ]
    assert list(policy.withdraw(PRIVACY_POLICY, "2027-01-01", now=NOON + 31 * DAY)) == []
    with pytest.raises(Problem, match="policy-version-taken"):
        list(policy.publish(PRIVACY_POLICY, edition(), now=NOON))
    with pytest.raises(Problem, match="not-found"):
        list(policy.withdraw(PRIVACY_POLICY, "2028-01-01", now=NOON))


@given(
    decisions=some.lists(
        some.tuples(some.sampled_from(["publish", "withdraw"]), some.integers(1, 4), some.integers(0, 90))
    )
)
def test_whatever_is_decided_no_two_versions_take_effect_together_or_out_of_the_order_in_which_they_came(decisions):
    policy, now, published = Policy(policy_id(PRIVACY_POLICY)), NOON, []
    for what, number, days in decisions:
        now += DAY
        version = f"2027-01-0{number}"
        try:
            if what == "publish":
                wanted = edition(version, material=False, notice=0 * DAY, effective_at=now + days * DAY)
                published += play(policy, policy.publish(PRIVACY_POLICY, wanted, now=now))
            else:
                play(policy, policy.withdraw(PRIVACY_POLICY, version, now=now))
        except Problem:
            continue
    standing = [event.effective_at for event in published if event.policy_version in policy.versions]
    assert standing == sorted(set(standing))
    assert all(event.effective_at >= event.published_at for event in published)
