"""Choices about cookies over a real database: of visitors, of people, of several at once, and of the erased."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.identity.cookies.aggregate import CHOICE_LIFETIME
from services.identity.cookies.visitors import visitor_of
from shared.bus.actors import VISITOR, Client
from shared.contracts.vocabulary import COOKIE_WORDINGS
from shared.runtime.clock import now
from tests.component.services.identity.conftest import SECRET, at_once, refusal
from tests.making import PASSWORD, registration_body


def browser(token="", *, objects=False):
    return Client("192.0.2.7", visitor_token=token, objects=objects)


@pytest.fixture
def choose(ask, clock):
    """Chooses, at a time that reading takes for now."""
    clock.time = now()

    def choose(actor=VISITOR, client=None, *, preferences=False, analytics=False, **options):
        chosen = {"preferences": preferences, "analytics": analytics, "wording_version": COOKIE_WORDINGS[-1]}
        return ask("choose_cookies", actor, client=client or browser(), **chosen, **options)

    return choose


def states(answer):
    return {each["category"]: each["state"] for each in answer["categories"][1:]}


def read(ask, token="", **says):
    return ask("read_cookie_choices", client=browser(token, **says))


def events(ask):
    """The events about cookies, oldest first."""
    rows = ask.rows("SELECT type FROM events WHERE stream LIKE 'cookiechoices-%' ORDER BY event_id")
    return [row.type.rsplit(".", 1)[-1] for row in rows]


def test_looking_makes_nobody_a_visitor(ask, choose):
    for says in ({}, {"objects": True}):
        assert "visitor_token" not in read(ask, **says)
    assert ask.rows("SELECT FROM cookie_choices") == []
    assert events(ask) == []


def test_a_visitor_is_known_again_and_the_same_choice_is_no_event(ask, choose):
    token = choose(preferences=True)["visitor_token"]
    again = choose(client=browser(token), preferences=True)
    assert (again["visitor_token"], states(again)) == (token, {"preferences": "granted", "analytics": "refused"})
    assert len(events(ask)) == 2
    assert {each["wording_version"] for each in again["categories"][1:]} == {COOKIE_WORDINGS[-1]}
    assert states(choose(client=browser(token)))["preferences"] == "withdrawn"
    assert states(read(ask, token))["preferences"] == "withdrawn"


def test_a_repeated_choice_tells_the_same_visitor(ask, choose):
    command_id = uuid4()
    first, second = (choose(command_id=command_id, analytics=True) for _ in range(2))
    assert first["visitor_token"] == second["visitor_token"]
    assert len(events(ask)) == 2


def test_a_token_of_others_is_answered_like_one_of_nobody(ask, choose):
    token = choose(analytics=True)["visitor_token"]
    forged = f"{uuid4().hex}.{token.partition('.')[2]}"
    assert read(ask, forged) == read(ask)
    assert visitor_of(SECRET, choose(client=browser(forged))["visitor_token"]) != visitor_of(SECRET, token)


def test_a_visitor_whose_choice_expired_is_nobody(ask, choose, clock):
    clock.time -= CHOICE_LIFETIME
    token = choose(analytics=True, client=browser(objects=True)).get("visitor_token")
    assert token is None


def test_signing_up_carries_the_choice_over_once(ask, choose):
    token = choose(preferences=True, client=browser(objects=True))["visitor_token"]
    bodies = (registration_body(), registration_body())
    for body in bodies:
        ask("register_account", client=browser(token), **body)
    first, second = (ask.signed_in(body["email"]) for body in bodies)
    mine = ask("read_cookie_choices", first.actor)
    assert states(mine) == {"preferences": "granted", "analytics": "refused"}
    assert mine["sharing_objected"] is True
    assert set(states(ask("read_cookie_choices", second.actor)).values()) == {"not_chosen"}
    assert read(ask, token) == read(ask)
    assert visitor_of(SECRET, choose(client=browser(token))["visitor_token"]) != visitor_of(SECRET, token)


def test_of_two_who_sign_up_from_one_browser_at_once_one_carries_the_choice_over(ask, choose):
    token = choose(analytics=True)["visitor_token"]
    bodies = (registration_body(), registration_body())
    done = at_once(*(lambda body=body: ask("register_account", client=browser(token), **body) for body in bodies))
    assert done == ["done", "done"]
    assert events(ask).count("cookie_consent_carried_over") == 2
    assert events(ask).count("cookie_consent_granted") == 2


def test_the_browsers_objection_reaches_the_account_at_sign_up_and_at_sign_in(ask, choose, person):
    body = registration_body()
    ask("register_account", client=browser(objects=True), **body)
    for somebody in (ask.signed_in(body["email"]), person):
        signing_in = {"email": somebody.email, "password": PASSWORD, "guard": "influencer"}
        for _ in range(2):
            ask("open_session", client=browser(objects=True), **signing_in)
        mine = ask("read_cookie_choices", somebody.actor)
        assert (mine["sharing_objected"], states(mine)["analytics"]) == (True, "objected")
    assert events(ask) == ["browser_signal_heard"] * 4


def test_an_erased_person_allows_nothing_and_chooses_nothing(ask, choose, person):
    choose(person.actor, analytics=True)
    ask.operator("erase_account", account_id=person.actor.id)
    assert events(ask)[-1] == "cookie_consent_withdrawn"
    assert ask.rows("SELECT FROM cookie_choices") == []
    assert refusal(lambda: choose(person.actor, analytics=True)) == "subject-erased"


def test_choosing_and_being_erased_at_once_leave_nothing_allowed(ask, choose, person):
    at_once(
        lambda: choose(person.actor, analytics=True),
        lambda: ask.operator("erase_account", account_id=person.actor.id),
    )
    assert ask.rows("SELECT FROM cookie_choices") == []
    assert events(ask).count("cookie_consent_granted") == events(ask).count("cookie_consent_withdrawn")
