"""Usernames, pictures, guards, and closing an account: by its person, by staff and by operators; and its erasure."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import asdict
from datetime import timedelta
from io import BytesIO
from uuid import uuid4

import pytest
from PIL import Image
from pyotp import TOTP

from services.identity.access.aggregate.sessions import STEP_UP_LIFETIME
from services.identity.accounts.aggregate import BETWEEN_MESSAGES
from shared.bus.actors import Actor
from shared.contracts.times import rfc3339
from shared.privacy.secrets import token_hash
from tests.component.services.identity.conftest import at_once, refusal
from tests.making import PASSWORD, email, registration


def picture():
    file = BytesIO()
    Image.new("RGB", (40, 20), "red").save(file, "PNG")
    return b64encode(file.getvalue()).decode()


def test_a_username_belongs_to_one_person_whatever_its_case(ask, person):
    other = ask.person()
    ask("change_profile", person.actor, username="Ada.Lovelace")
    assert refusal(lambda: ask("change_profile", other.actor, username="ada.lovelace")) == "username-taken"
    ask("change_profile", person.actor, username="ADA.lovelace")
    assert ask("read_profile", person.actor)["username"] == "ADA.lovelace"


def test_a_username_that_was_given_up_is_free(ask, person):
    ask("change_profile", person.actor, username="ada")
    ask("change_profile", person.actor, username="countess")
    other = ask.person()
    ask("change_profile", other.actor, username="ada")
    assert [ask("read_profile", each.actor)["username"] for each in (person, other)] == ["countess", "ada"]


def test_of_two_who_choose_a_username_at_once_one_gets_it(ask, person):
    people = (person, ask.person())
    chosen = at_once(*(lambda p=p: ask("change_profile", p.actor, username="countess") for p in people))
    assert chosen == ["done", "username-taken"]


def test_a_refused_username_leaves_the_old_one(ask, person):
    ask("change_profile", ask.person().actor, username="taken")
    ask("change_profile", person.actor, username="mine")
    assert refusal(lambda: ask("change_profile", person.actor, username="taken")) == "username-taken"
    assert refusal(lambda: ask("change_profile", ask.person().actor, username="mine")) == "username-taken"


def test_compliance_finds_a_person_by_exact_username(ask, person):
    officer = ask.member("compliance")
    ask("change_profile", person.actor, username="countess")
    assert ask("look_up_subject", officer.actor, username="Countess")["subject"] == person.actor.id
    assert ask("look_up_subject", officer.actor, username="count")["found"] is False


def test_a_language_is_chosen_at_registration_or_later(ask):
    person = ask.person(locale="fr")
    assert ask("read_profile", person.actor)["locale"] == "fr"
    ask("change_profile", person.actor, locale="de")
    assert ask("read_profile", person.actor)["locale"] == "de"


def test_a_picture_is_kept_sealed_and_taken_away(ask, person):
    ask("change_image", person.actor, image=picture())
    kept = ask("read_image", person.actor)["image"]
    (row,) = ask.rows("SELECT image FROM accounts WHERE account_id = :id", id=person.id)
    assert kept not in row.image
    ask("remove_image", person.actor)
    assert refusal(lambda: ask("read_image", person.actor)) == "not-found"


def test_a_person_may_hold_both_open_guards_and_takes_no_other(ask, person):
    ask("add_own_guard", person.actor, guard="client")
    assert ask.signed_in(person.email, guard="client").id == person.id
    assert refusal(lambda: ask("add_own_guard", person.actor, guard="client")) == "guard-already-held"
    for guard in ("staff", "compliance"):
        assert refusal(lambda g=guard: ask("add_own_guard", person.actor, guard=g)) == "validation-failed"


STAFF_OPERATIONS = [
    ("request_guard", {"guard": "compliance"}),
    ("revoke_guard", {"guard": "compliance"}),
    ("deactivate_account", {}),
    ("reactivate_account", {}),
    ("disable_second_factor", {}),
]


@pytest.mark.parametrize(("operation", "arguments"), STAFF_OPERATIONS)
def test_what_staff_decide_needs_the_guard_a_fresh_proof_and_somebody_else(ask, clock, person, operation, arguments):
    member = ask.member()
    clock.pass_time(STEP_UP_LIFETIME)

    def decide(actor, account_id):
        return refusal(lambda: ask(operation, actor, account_id=account_id, **arguments))

    assert decide(member.actor, person.actor.id) == "step-up-required"
    ask.step_up(member)
    assert decide(member.actor, member.actor.id) == "own-account"
    assert decide(member.actor, str(uuid4())) == "not-found"
    ask.step_up(person)
    assert decide(person.actor, member.actor.id) == "wrong-guard"


def test_a_deactivated_account_is_closed_to_its_person(ask, person):
    ask.signed_in(person.email)
    ask.step_up(person)
    ask("deactivate_own_account", person.actor)
    assert ask.sessions_of(person) == []
    assert refusal(lambda: ask.signed_in(person.email)) == "sign-in-refused"


def test_a_deactivated_account_keeps_what_it_holds_and_can_be_opened_again(ask, person):
    ask("change_profile", person.actor, username="countess")
    ask.operator("deactivate_account", account_id=person.actor.id)
    assert refusal(lambda: ask("change_profile", ask.person().actor, username="countess")) == "username-taken"
    ask.operator("reactivate_account", account_id=person.actor.id)
    assert ask("read_profile", ask.signed_in(person.email).actor)["username"] == "countess"


def test_deactivating_twice_is_deactivating_once(ask, person):
    first = ask.operator("deactivate_account", account_id=person.actor.id)
    assert ask.operator("deactivate_account", account_id=person.actor.id) == first


def test_staff_can_let_somebody_in_who_lost_their_second_factor(ask, person):
    ask.enrolled(person)
    ask("disable_second_factor", ask.member().actor, account_id=person.actor.id)
    assert ask.sessions_of(person) == []
    assert ask.signed_in(person.email).id == person.id


OF_THE_HOUSE = [
    *((operation, {"account_id": str(uuid4()), **arguments}) for operation, arguments in STAFF_OPERATIONS),
    ("list_signals", {"kind": None, "cursor": None, "limit": 1}),
    ("count_signals", {}),
    ("look_up_subject", {"username": "countess"}),
    ("issue_token", {"label": "Export", "scopes": ["audit:read"], "expires_at": "2026-11-30T00:00:00.000000Z"}),
]


@pytest.mark.parametrize(("operation", "arguments"), OF_THE_HOUSE, ids=[name for name, _ in OF_THE_HOUSE])
def test_nothing_is_done_for_the_house_without_a_second_factor(ask, operation, arguments):
    member = ask.newcomer("staff")
    ask.step_up(member)
    assert refusal(lambda: ask(operation, member.actor, **arguments)) == "second-factor-missing"


def test_a_session_of_the_house_counts_once_a_second_factor_was_shown_in_it(ask, clock):
    member = ask.newcomer("staff")
    before = ask.signed_in(member.email, guard="staff")
    ask.enrolled(member)
    assert ask("count_signals", member.actor)["counts"]
    assert refusal(lambda: ask("count_signals", before.actor)) == "second-factor-missing"
    clock.pass_time(timedelta(seconds=30))
    ask.step_up(before, one_time_code=member.authenticator.at(clock()))
    assert ask("count_signals", before.actor)["counts"]
    ask("disable_own_second_factor", before.actor)
    assert ask.sessions_of(member) == [before.actor.session_id]
    assert refusal(lambda: ask("count_signals", before.actor)) == "second-factor-missing"


def test_a_session_of_the_house_ends_after_half_an_hour_without_use(ask, clock, person, monkeypatch):
    monkeypatch.setattr("services.identity.access.methods.sessions.now", clock)
    member = ask.newcomer("staff")

    def tokens():
        return {str(row.session_id): row.token_hash.hex() for row in ask.rows("SELECT * FROM session_tokens")}

    clock.pass_time(timedelta(minutes=30))
    ask("resolve_session", token_hash=tokens()[person.actor.session_id])
    idle = tokens()[member.actor.session_id]
    assert refusal(lambda: ask("resolve_session", token_hash=idle)) == "not-signed-in"
    assert tokens().keys() == {person.actor.session_id}


def test_a_program_of_the_house_has_a_second_factor_as_long_as_its_person(ask, clock, monkeypatch):
    monkeypatch.setattr("services.identity.access.methods.sessions.now", clock)
    member = ask.member("compliance")
    expires_at = rfc3339(clock() + timedelta(days=30))
    issued = ask("issue_token", member.actor, label="Export", scopes=["audit:read"], expires_at=expires_at)

    def has_second_factor():
        return ask("resolve_session", token_hash=token_hash(issued["token"]).hex())["second_factor"]

    assert has_second_factor() is True
    ask("disable_own_second_factor", member.actor)
    assert has_second_factor() is False


def test_a_colleague_has_no_password_until_they_choose_one(ask):
    told = asdict(registration(email="grace@example.com"))
    del told["policy_version"]  # it is the one that is in force
    made = ask.operator("create_staff", registration=told, guard="staff")
    for guess in (PASSWORD, made["token"]):
        assert refusal(lambda g=guess: ask.signed_in("grace@example.com", password=g)) == "sign-in-refused"
    assert refusal(lambda: ask("reset_password", token=made["token"], password="short")) == "password-too-weak"
    ask("reset_password", token=made["token"], password=PASSWORD)
    assert refusal(lambda: ask("reset_password", token=made["token"], password=PASSWORD)) == "link-invalid"
    assert str(ask.signed_in("grace@example.com", guard="staff").id) == made["account_id"]


def test_of_an_erased_person_no_row_is_left_by_which_they_could_be_recognised(ask, clock, person):
    ask("change_profile", person.actor, username="countess")
    ask("change_image", person.actor, image=picture())
    ask.step_up(person)
    secret = ask("enrol_authenticator", person.actor)["secret"]
    ask("request_email_change", person.actor, new_email=email())
    ask("request_password_reset", email=person.email)
    clock.pass_time(BETWEEN_MESSAGES)

    ask("enable_second_factor", person.actor, one_time_code=TOTP(secret).at(clock()))
    tables = [row.table_name for row in ask.rows(_TABLES_WITH_ACCOUNTS)]
    assert {"username_index", "link_tokens", "authenticators", "recovery_codes"} <= set(tables)
    ask.operator("erase_account", account_id=person.actor.id)
    left = [table for table in tables if ask.rows(f"SELECT FROM {table} WHERE account_id = :id", id=person.id)]
    assert left == ["consents"] or left == []


_TABLES_WITH_ACCOUNTS = "SELECT table_name FROM information_schema.columns WHERE column_name = 'account_id'"


def test_a_visitor_is_nobody(ask):
    assert refusal(lambda: ask("read_image", Actor("influencer", str(uuid4())))) == "not-found"
