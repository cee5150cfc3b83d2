"""What binds before an address is verified, what ends when, who joins the house, and what registering tells."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.identity.access import second_factors
from services.identity.access import tokens as access_tokens
from services.identity.access.aggregate.sessions import STEP_UP_LIFETIME
from services.identity.access.aggregate.tokens import Token
from services.identity.accounts.links import INVITATION, PASSWORD_RESET, link_token
from services.identity.organisations.aggregate.organisations import Organisation
from shared.contracts.times import rfc3339
from tests.component.services.identity.conftest import SECRET, at_once, refusal
from tests.making import PASSWORD, WORDING, command, email, registration_body

ANOTHER = "violet-harbour-lantern-42"
STEP = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def one_clock(monkeypatch, clock):
    """What is read is judged by the clock by which it was written."""
    for module in ("invitations.methods", "guards.methods", "access.methods.sessions"):
        monkeypatch.setattr(f"services.identity.{module}.now", clock)


def token_of(ask, person, **changes):
    body = {"label": "Export", "scopes": ["profile:read"], "expires_at": rfc3339(ask.clock() + timedelta(days=30))}
    return ask("issue_token", person.actor, **body | changes)


def tokens_of(ask, person):
    return ask.rows("SELECT FROM api_token_hashes WHERE account_id = :id", id=person.id)


def reset(ask, address, account, password=ANOTHER):
    ask("request_password_reset", email=address)
    ask("reset_password", token=ask.link(PASSWORD_RESET, account().password_reset), password=password)


class TestBeforeVerification:
    @pytest.mark.parametrize(
        ("operation", "arguments"),
        [
            ("enrol_authenticator", {}),
            ("enable_second_factor", {"one_time_code": "000000"}),
            ("issue_token", {"label": "X", "scopes": ["profile:read"], "expires_at": "2026-11-30T00:00:00.000000Z"}),
            ("add_own_guard", {"guard": "client"}),
            ("found_organisation", {"name": "Studio Lovelace"}),
        ],
    )
    def test_nothing_binds(self, ask, operation, arguments):
        squatter = ask.unverified()
        ask.step_up(squatter)
        assert refusal(lambda: ask(operation, squatter.actor, **arguments)) == "email-not-verified"

    def test_an_invitation_to_the_same_address_verifies_it(self, ask):
        owner, invited = ask.person(), ask.unverified()
        workspace = ask("found_organisation", owner.actor, name="Studio")["organisation_id"]
        made = ask("invite_member", owner.actor, organisation_id=workspace, email=invited.email, role="viewer")
        ask("accept_invitation", invited.actor, token=link_token(SECRET, INVITATION, UUID(made["invitation_id"])))
        assert ask("read_profile", invited.actor)["email_verified"] is True
        assert ask.account(invited).verified_at == ask.clock()

    def test_a_reset_by_the_owner_of_the_mailbox_ends_what_others_made(self, ask, clock):
        squatter = ask.unverified()
        ask("grant_consent", squatter.actor, purpose="product_news", wording_version=WORDING)
        ask.step_up(squatter)
        before_there_was_a_rule(ask, squatter)
        reset(ask, squatter.email, lambda: ask.account(squatter))
        assert ask.sessions_of(squatter) == tokens_of(ask, squatter) == []
        for table in ("authenticators", "recovery_codes", "known_devices", "memberships", "link_tokens"):
            assert ask.rows(f"SELECT FROM {table} WHERE account_id = :id", id=squatter.id) == []
        owner = ask.signed_in(squatter.email, password=ANOTHER)
        profile = ask("read_profile", owner.actor)
        assert (profile["email_verified"], profile["second_factor"]) == (True, False)
        consents = {each["purpose"]: each["state"] for each in ask("list_consents", owner.actor)["items"]}
        assert consents["product_news"] == "withdrawn"

    def test_once_verified_a_reset_leaves_the_second_factor(self, ask, person):
        ask.enrolled(person)
        reset(ask, person.email, lambda: ask.account(person))
        assert refusal(lambda: ask.signed_in(person.email, password=ANOTHER)) == "second-factor-required"


def before_there_was_a_rule(ask, person):
    """Gives an account whose address is not verified what such accounts could have: a factor, a token, a workspace."""
    secret = ask.app.secret

    def bind(work):
        account = work.load(type(ask.account(person)), person.id)
        account.verified_at = work.now
        work.record(account, account.enable_second_factor(now=work.now))
        account.verified_at = None
        second_factors.enrol(work.connection, ask.app.store.keyring, person.id, uuid4(), second_factors.new_secret())
        second_factors.confirm(work.connection, person.id)
        codes = second_factors.recovery_codes(secret, uuid4(), person.id)
        second_factors.keep_recovery_codes(work.connection, secret, person.id, codes)
        token = Token(work.new_id())
        issuing = token.issue(
            person.id, "influencer", ["profile:read"], label="X", expires_at=work.now + timedelta(days=9), now=work.now
        )
        work.record(token, issuing)
        access_tokens.keep_api_token(work.connection, token.id, person.id, "okat_squatter")
        organisation = Organisation(work.new_id())
        work.record(organisation, organisation.found("workspace", person.id, "Squat", now=work.now))
        return {}

    ask.app.store.perform(command(), bind)
    assert len(tokens_of(ask, person)) == 1


ENDED_BY = {
    "changed": True,
    "reset": False,
    "second factor removed by staff": False,
    "guard given": False,
    "guard taken away": False,
    "deactivated by staff": False,
}
"""Whether the session stays in which it was decided."""


class TestWhatEnds:
    @pytest.mark.parametrize("occasion", ENDED_BY)
    def test_sessions_tokens_and_links_end(self, ask, clock, occasion):
        person = ask.enrolled(ask.person())
        if occasion == "guard taken away":
            ask.made_one_of_the_house(person, "staff")
        clock.pass_time(STEP)
        code = person.authenticator.at(clock())
        person.actor = ask.signed_in(person.email, one_time_code=code).actor
        clock.pass_time(STEP)
        ask.step_up(person)
        token_of(ask, person)
        ask("request_password_reset", email=person.email)
        ask("request_email_change", person.actor, new_email=email())
        assert len(ask.rows("SELECT FROM link_tokens WHERE account_id = :id", id=person.id)) == 2

        self.happens(ask, person, occasion)
        assert ask.sessions_of(person) == ([person.actor.session_id] if ENDED_BY[occasion] else [])
        assert tokens_of(ask, person) == []
        assert ask.rows("SELECT FROM link_tokens WHERE account_id = :id", id=person.id) == []

    def happens(self, ask, person, occasion):
        account_id = person.actor.id
        if occasion == "changed":
            ask("change_password", person.actor, current_password=PASSWORD, new_password=ANOTHER)
        elif occasion == "reset":
            token = ask.link(PASSWORD_RESET, ask.account(person).password_reset)
            ask("reset_password", token=token, password=ANOTHER)
        elif occasion == "second factor removed by staff":
            ask.operator("disable_second_factor", account_id=account_id)
        elif occasion == "guard given":
            ask.made_one_of_the_house(person, "compliance")
        elif occasion == "guard taken away":
            ask.operator("revoke_guard", account_id=account_id, guard="staff")
        else:
            ask.operator("deactivate_account", account_id=account_id)

    def test_a_token_of_an_officer_ends_with_their_password(self, ask, clock):
        officer = ask.member("compliance")
        token_of(ask, officer, scopes=["audit:read"])
        ask("change_password", officer.actor, current_password=PASSWORD, new_password=ANOTHER)
        assert tokens_of(ask, officer) == []
        assert ask.sessions_of(officer) == [officer.actor.session_id]


class TestGuardsOfTheHouse:
    def ask_for(self, ask, by, person, guard="compliance"):
        return ask("request_guard", by.actor, account_id=person.actor.id, guard=guard)["request_id"]

    def test_it_takes_two_people_and_a_verified_address(self, ask, person):
        staff, officer = ask.member(), ask.member("compliance")
        squatter = ask.unverified()
        assert refusal(lambda: self.ask_for(ask, staff, squatter)) == "email-not-verified"
        request = self.ask_for(ask, staff, person)
        assert refusal(lambda: self.ask_for(ask, staff, person)) == "guard-already-requested"
        (waiting,) = ask("list_guard_requests", officer.actor)["items"]
        assert (waiting["request_id"], waiting["requested_by"]) == (request, staff.actor.id)
        assert refusal(lambda: ask("approve_guard", staff.actor, request_id=request)) == "own-request"
        assert ask.account(person).guards == ["influencer"]
        ask("approve_guard", officer.actor, request_id=request)
        assert ask.account(person).guards == ["influencer", "compliance"]
        assert ask("list_guard_requests", officer.actor)["items"] == []
        assert refusal(lambda: ask("approve_guard", officer.actor, request_id=request)) == "guard-request-closed"
        assert ask.signed_in(person.email, guard="compliance").id == person.id

    def test_the_person_approves_nothing_about_themselves(self, ask):
        staff, person = ask.member(), ask.member("compliance")
        request = self.ask_for(ask, staff, person, "staff")
        assert refusal(lambda: ask("approve_guard", person.actor, request_id=request)) == "own-account"
        assert refusal(lambda: self.ask_for(ask, staff, staff)) == "own-account"

    def test_an_operator_alone_gives_no_guard_to_somebody(self, ask, person):
        made = ask.operator("request_guard", account_id=person.actor.id, guard="staff")
        assert refusal(lambda: ask.operator("approve_guard", request_id=made["request_id"])) == "own-request"
        ask("approve_guard", ask.member().actor, request_id=made["request_id"])
        assert ask.signed_in(person.email, guard="staff").id == person.id

    def test_of_two_who_approve_at_once_one_does(self, ask, person):
        staff, others = ask.member(), [ask.member(), ask.member()]
        request = self.ask_for(ask, staff, person)
        outcomes = at_once(*(lambda o=o: ask("approve_guard", o.actor, request_id=request) for o in others))
        assert outcomes == ["done", "guard-request-closed"]

    def test_a_request_is_refused_by_anybody_of_the_house(self, ask, person):
        staff, officer = ask.member(), ask.member("compliance")
        request = self.ask_for(ask, staff, person)
        ask("refuse_guard", officer.actor, request_id=request)
        assert refusal(lambda: ask("approve_guard", ask.member().actor, request_id=request)) == "guard-request-closed"

    def test_a_guard_is_taken_away_and_what_it_opened_ends(self, ask, person):
        staff, officer = ask.member(), ask.member("compliance")
        assert ask("revoke_guard", staff.actor, account_id=officer.actor.id, guard="compliance")["guards"] == []
        assert ask.sessions_of(officer) == []
        code = officer.authenticator.at(ask.clock() + STEP)
        signing_in = {"guard": "compliance", "one_time_code": code}
        assert refusal(lambda: ask.signed_in(officer.email, **signing_in)) == "guard-not-held"

    def test_everybody_of_the_house_sees_signals(self, ask, person):
        staff, officer = ask.member(), ask.member("compliance")
        request = self.ask_for(ask, staff, person)
        ask("approve_guard", officer.actor, request_id=request)
        ask("revoke_guard", staff.actor, account_id=person.actor.id, guard="compliance")
        ask("refuse_guard", officer.actor, request_id=self.ask_for(ask, staff, person))
        signals = ask("list_signals", officer.actor, kind=None, cursor=None, limit=50)["items"]
        seen = [each["kind"] for each in reversed(signals) if each["account_id"] == person.actor.id]
        assert [kind for kind in seen if kind.startswith("guard")] == [
            "guard_requested",
            "guard_added",
            "guard_revoked",
            "guard_requested",
            "guard_refused",
        ]
        made = [each for each in signals if (each["kind"], each["account_id"]) == ("guard_added", staff.actor.id)]
        assert len(made) == 1

    def test_deciding_needs_a_fresh_proof_and_the_house(self, ask, clock, person):
        staff, officer = ask.member(), ask.member("compliance")
        request = self.ask_for(ask, staff, person)
        clock.pass_time(STEP_UP_LIFETIME)
        for operation in ("approve_guard", "refuse_guard"):
            asking = {"request_id": request}
            assert refusal(lambda o=operation, a=asking: ask(o, officer.actor, **a)) == "step-up-required"
            ask.step_up(person)
            assert refusal(lambda o=operation, a=asking: ask(o, person.actor, **a)) == "wrong-guard"


class TestLastOwner:
    @pytest.fixture
    def owner(self, ask):
        return ask.person()

    @pytest.fixture
    def workspace(self, ask, owner):
        return ask("found_organisation", owner.actor, name="Studio")["organisation_id"]

    def joins(self, ask, by, workspace, role="manager"):
        person = ask.person()
        made = ask("invite_member", by.actor, organisation_id=workspace, email=person.email, role=role)
        ask("accept_invitation", person.actor, token=link_token(SECRET, INVITATION, UUID(made["invitation_id"])))
        return person

    def roles(self, ask, workspace):
        rows = ask.rows("SELECT account_id, role FROM memberships WHERE organisation_id = :id", id=UUID(workspace))
        return {str(row.account_id): row.role for row in rows}

    def test_the_last_owner_does_not_deactivate_their_account(self, ask, owner, workspace):
        ask.step_up(owner)
        assert refusal(lambda: ask("deactivate_own_account", owner.actor)) == "last-owner"
        heir = self.joins(ask, owner, workspace)
        assert refusal(lambda: ask("deactivate_own_account", owner.actor)) == "last-owner"
        ask("change_member_role", owner.actor, organisation_id=workspace, member_id=heir.actor.id, role="owner")
        ask("deactivate_own_account", owner.actor)
        assert refusal(lambda: ask("leave_organisation", heir.actor, organisation_id=workspace)) == "last-owner"

    def test_of_two_owners_who_deactivate_themselves_at_once_one_stays(self, ask, owner, workspace):
        other = self.joins(ask, owner, workspace)
        ask.step_up(owner)
        ask.step_up(other)
        ask("change_member_role", owner.actor, organisation_id=workspace, member_id=other.actor.id, role="owner")
        outcomes = at_once(*(lambda p=p: ask("deactivate_own_account", p.actor) for p in (owner, other)))
        assert outcomes == ["done", "last-owner"]

    def test_whom_staff_shut_out_a_manager_follows(self, ask, owner, workspace):
        heir = self.joins(ask, owner, workspace)
        ask.operator("deactivate_account", account_id=owner.actor.id)
        assert self.roles(ask, workspace) == {owner.actor.id: "owner", heir.actor.id: "owner"}

    def test_the_first_who_comes_back_becomes_owner(self, ask, owner, workspace):
        heir = self.joins(ask, owner, workspace)
        for each in (heir, owner):
            ask.operator("deactivate_account", account_id=each.actor.id)
        assert self.roles(ask, workspace) == {owner.actor.id: "owner", heir.actor.id: "manager"}
        ask.operator("reactivate_account", account_id=heir.actor.id)
        assert self.roles(ask, workspace) == {owner.actor.id: "owner", heir.actor.id: "owner"}

    def test_a_restriction_takes_nobodys_right_to_act(self, ask, owner, workspace):
        ask.operator("restrict_account", account_id=owner.actor.id)
        ask("rename_organisation", owner.actor, organisation_id=workspace, name="Still mine")


class TestRegistering:
    def test_an_address_with_an_account_is_answered_alike(self, ask, person):
        new = ask("register_account", **registration_body())
        known = ask("register_account", **registration_body(email=person.email.upper()))
        assert known.keys() == new.keys()
        assert known["version"] == new["version"]
        assert known["stream"] == f"account-{known['account_id']}"
        assert known["account_id"] != person.actor.id
        assert ask.rows("SELECT FROM accounts WHERE account_id = :id", id=UUID(known["account_id"])) == []
        assert ask.signed_in(person.email).id == person.id

    def test_a_registration_that_comes_again_is_answered_again(self, ask, person):
        command_id, body = uuid4(), registration_body(email=person.email)
        answers = [ask("register_account", command_id=command_id, **body) for _ in range(2)]
        assert answers[0] == answers[1]

    def test_its_person_is_told_once_in_a_while(self, ask, person):
        for _ in range(3):
            ask("register_account", **registration_body(email=person.email))
        told = "SELECT count(*) FROM events WHERE type = 'okacrm.identity.account_registration_repeated'"
        assert ask.rows(told)[0][0] == 1

    def test_what_is_refused_is_refused_alike(self, ask, person):
        for changes in ({"age_statement": False}, {"password": "short"}, {"accepted_policy_version": "1999-01-01"}):
            refusals = {
                refusal(lambda a=address, c=changes: ask("register_account", **registration_body(email=a, **c)))
                for address in (person.email, email())
            }
            assert len(refusals) == 1

    def test_of_two_who_register_an_address_at_once_one_has_it_and_none_can_tell(self, ask):
        address = email()
        register = [lambda: ask("register_account", **registration_body(email=address)) for _ in range(2)]
        assert at_once(*register) == ["done", "done"]
        assert len(ask.rows("SELECT FROM email_index")) == 1
