"""Whoever registers accepts what is in force, and of each version a person's first acknowledgement is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest

from services.identity.notices.mail.distributing import distribute_page
from services.identity.policies.projections import follow_policies
from shared.bus.subscriptions import Delivery
from shared.contracts.audit import PolicyPublished, PolicyWithdrawn
from shared.contracts.events import contract_of
from shared.contracts.problems import Problem
from shared.contracts.vocabulary import FIRST_POLICY_VERSION, PRIVACY_POLICY
from shared.eventstore.recorded import record
from shared.eventstore.store import FeedEntry
from shared.privacy.keyring import NoKeyring
from shared.runtime import clock as runtime_clock
from tests.making import CIRCUMSTANCES, NOON, eventually, registration_body

DAY = timedelta(days=1)
NEXT = "2026-12-01"


def edition(version=NEXT, *, effective_at=NOON + 30 * DAY, material=True):
    return PolicyPublished(
        policy_id=uuid4(),
        policy=PRIVACY_POLICY,
        policy_version=version,
        material=material,
        notice_days=30,
        summaries=[
            {"language": "en", "subject_line": "Our privacy policy changes", "text": "We keep less.\n\nMuch less."},
            {"language": "de", "subject_line": "Unsere Erklärung ändert sich", "text": "Wir behalten weniger."},
        ],
        document_url="https://okacrm.example/privacy",
        document_sha256="0" * 64,
        published_at=NOON,
        effective_at=effective_at,
    )


def withdrawal(version=NEXT):
    return PolicyWithdrawn(policy_id=uuid4(), policy=PRIVACY_POLICY, policy_version=version, withdrawn_at=NOON)


def told(event):
    """The event as identity gets it from audit's feed."""
    recorded = record(
        event,
        contract_of(type(event)),
        event_id=runtime_clock.new_id(),
        stream="policy-1",
        version=1,
        now=runtime_clock.now(),
        circumstances=CIRCUMSTANCES,
        keyring=NoKeyring(),
    )
    return Delivery("audit", FeedEntry(1, 1, None, recorded))


@pytest.fixture
def hear(databases):
    def hear(*events):
        with databases.engine("identity").begin() as connection:
            follow_policies(connection, [told(event) for event in events])

    return hear


@pytest.fixture
def now(clock, monkeypatch):
    """One clock for reads and commands."""
    monkeypatch.setattr("services.identity.policies.methods.now", clock)
    return clock


def shown(ask, person):
    return {
        each["policy_version"]: (each["state"], each["how"]) for each in ask("list_own_policies", person.actor)["items"]
    }


def acknowledge(ask, person, version=NEXT):
    return ask("acknowledge_policy", person.actor, policy=PRIVACY_POLICY, policy_version=version)


def acknowledgements(ask, person):
    return [
        (row.policy_version, row.how)
        for row in ask.rows(
            "SELECT policy_version, how FROM policy_acknowledgements WHERE account_id = :id ORDER BY acknowledged_at",
            id=person.id,
        )
    ]


def test_registering_takes_the_version_that_is_in_force(ask, now, hear):
    hear(edition())
    for version, refused in ((FIRST_POLICY_VERSION, NEXT), (NEXT, FIRST_POLICY_VERSION)):
        with pytest.raises(Problem, match="policy-version-unknown"):
            ask("register_account", **registration_body(accepted_policy_version=refused))
        ask("register_account", **registration_body(accepted_policy_version=version))
        now.pass_time(30 * DAY)


def test_a_version_that_was_withdrawn_never_comes(ask, now, hear):
    hear(edition(), edition(), withdrawal())
    now.pass_time(31 * DAY)
    person = ask.person()
    assert shown(ask, person) == {FIRST_POLICY_VERSION: ("in_force", "registration")}
    with pytest.raises(Problem, match="not-found"):
        acknowledge(ask, person)


def test_going_on_after_a_version_took_effect_acknowledges_it_once_and_consents_to_nothing(ask, now, hear):
    address = ask.registered()
    hear(edition())
    now.pass_time(30 * DAY - timedelta(minutes=1))
    person = ask.signed_in(address)
    ask("renew_session", person.actor)
    assert shown(ask, person)[NEXT] == ("coming", None)
    now.pass_time(timedelta(minutes=1))
    ask("renew_session", person.actor)
    assert shown(ask, person)[NEXT] == ("in_force", "continued_use")
    ask.signed_in(address)
    assert acknowledge(ask, person)["how"] == "continued_use"
    assert acknowledgements(ask, person) == [(FIRST_POLICY_VERSION, "registration"), (NEXT, "continued_use")]
    assert ask.account(person).consents == {}


def test_signing_in_is_going_on(ask, now, hear):
    address = ask.registered()
    hear(edition())
    now.pass_time(31 * DAY)
    assert acknowledgements(ask, ask.signed_in(address))[-1] == (NEXT, "continued_use")


def test_saying_so_counts_before_a_version_takes_effect_and_not_after_it_was_replaced(ask, now, hear):
    address = ask.registered()
    hear(edition())
    person = ask.signed_in(address)
    assert acknowledge(ask, person)["how"] == "explicit"
    now.pass_time(31 * DAY)
    assert acknowledgements(ask, ask.signed_in(address)) == [
        (FIRST_POLICY_VERSION, "registration"),
        (NEXT, "explicit"),
    ]
    hear(edition("2027-01-01", effective_at=now() + DAY))
    newcomer = ask.person(accepted_policy_version=NEXT)
    now.pass_time(2 * DAY)
    with pytest.raises(Problem, match="policy-not-current"):
        acknowledge(ask, newcomer)


def test_of_many_acknowledgements_at_once_one_is_kept(ask, now, hear):
    hear(edition())
    person = ask.person()
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: acknowledge(ask, person)["version"], range(6)))
    assert len(set(answers)) == 1
    assert [version for version, _ in acknowledgements(ask, person)].count(NEXT) == 1


@pytest.mark.parametrize("material", [True, False])
def test_everybody_is_told_of_a_material_change_and_of_another_one_whoever_may_be(post, catcher, material):
    """In their language, and with the day on which it takes effect."""
    verified, stranger = post.person("ada@example.org", locale="de"), post.person("bob@example.org", verified=False)
    post.react(told(edition(material=material)))
    with post.engine.begin() as connection:
        while distribute_page(connection):
            pass
    reached = {verified, stranger} if material else {verified}
    assert {row.account_id for row in post.rows()} == reached
    with post.sending(catcher[0]):
        eventually(lambda: post.states() == {"sent": len(reached)})
    mails = {mail.to: mail for mail in catcher[1].mails()}
    assert mails["ada@example.org"].subject == "Unsere Erklärung ändert sich"
    assert "Gilt ab: 1. Dezember 2026" in mails["ada@example.org"].text
    if material:
        assert "Full text: https://okacrm.example/privacy" in mails["bob@example.org"].text
