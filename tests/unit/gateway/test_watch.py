"""Refusals to people who are signed in are reported once, by nobody who waits, and never without bound."""

from __future__ import annotations

import threading

import pytest

from gateway.application import Application
from gateway.perimeter import Perimeter
from gateway.watch import MOST_WAITING
from shared.bus.actors import Actor
from shared.contracts.problems import Problem
from tests.making import eventually
from tests.unit.gateway.playing import ACCOUNT, CURSORS, TOKENS, Browser, Services, bearer, code_of, cookie
from tests.unit.gateway.playing import services_by_example as example_services

REPORT = "identity.report_refusal"
READ_RECORDS = ("GET", "/v1/audit/records")
CHANGE_PROFILE = ("PATCH", "/v1/me")


def reported(services: Services) -> list[tuple[str, str]]:
    return [(call.arguments["kind"], call.arguments["refused"]) for call in services.to(REPORT)]


def test_the_refused_person_and_operation_are_named(ask: Browser, services: Services) -> None:
    assert code_of(ask(*READ_RECORDS, headers=bearer() | {"X-Request-Id": "request-1"})) == "wrong-guard"
    (report,) = eventually(lambda: services.to(REPORT))
    assert report.arguments == {"kind": "cross_guard", "refused": "audit_list_records"}
    assert report.actor == Actor("influencer", ACCOUNT, "019abf2e-0000-7000-8000-000000000000")
    assert report.correlation_id == "request-1"


def test_a_missing_csrf_token_is_reported(ask: Browser, services: Services) -> None:
    ask(*CHANGE_PROFILE, headers=cookie("influencer"))
    eventually(lambda: reported(services) == [("csrf", "identity_change_profile")])


def test_what_is_foreign_is_reported_and_answered_like_what_does_not_exist(ask: Browser, services: Services) -> None:
    answers = []
    for code in ("foreign-organisation", "not-found"):
        services.refuse("identity.read_organisation", code)
        answers.append(ask("GET", f"/v1/workspaces/{ACCOUNT}", headers=bearer() | {"X-Request-Id": "the-same"}))
    assert code_of(answers[0]) == "not-found"
    assert answers[0].data == answers[1].data
    eventually(lambda: reported(services) == [("cross_workspace", "workspace_read_organisation")])


def test_the_same_is_reported_once(ask: Browser, services: Services) -> None:
    for _ in range(5):
        ask(*READ_RECORDS, headers=bearer())
    ask(*CHANGE_PROFILE, headers=cookie("influencer"))
    eventually(lambda: len(reported(services)) >= 2)
    assert reported(services) == [("cross_guard", "audit_list_records"), ("csrf", "identity_change_profile")]


def test_two_gateways_report_the_same_under_the_same_command_id() -> None:
    ids = set()
    for _ in range(2):
        services = example_services()
        Browser(Application(services, Perimeter(), CURSORS))(*READ_RECORDS, headers=bearer())
        ids |= {call.command_id for call in eventually(lambda services=services: services.to(REPORT))}
    assert len(ids) == 1


def test_who_is_not_signed_in_is_not_reported(ask: Browser, services: Services) -> None:
    ask(*READ_RECORDS)
    ask(*READ_RECORDS, headers={"Authorization": "Bearer forged-forged-forged-forged"})
    ask(*READ_RECORDS, headers=bearer("staff"))
    eventually(lambda: services.to(REPORT))
    assert {call.actor.kind for call in services.to(REPORT)} == {"staff"}


def test_a_refusal_does_not_wait_for_its_report_and_reports_do_not_pile_up(ask: Browser, services: Services) -> None:
    slow, begun = threading.Event(), threading.Event()

    def report(arguments: dict) -> dict:
        begun.set()
        slow.wait()
        return {}

    services.answers[REPORT] = report
    known = services.sessions.copy()
    template = next(iter(known.values()))
    try:
        ask(*READ_RECORDS, headers=bearer())
        assert begun.wait(10)
        for number in range(MOST_WAITING + 50):
            services.answers["identity.resolve_session"] = lambda _, number=number: (
                template | {"session_id": f"019abf2e-0000-7000-9000-{number:012}"}
            )
            token = f"token-of-another-session-{number:04}"
            assert code_of(ask(*READ_RECORDS, headers={"Authorization": f"Bearer {token}"})) == "wrong-guard"
    finally:
        slow.set()
    eventually(lambda: len(services.to(REPORT)) >= 1 + MOST_WAITING)
    assert len(services.to(REPORT)) == 1 + MOST_WAITING


@pytest.mark.parametrize("error", [Problem("service-unavailable"), ZeroDivisionError()])
def test_a_report_that_fails_ends_neither_the_answer_nor_further_reports(
    ask: Browser, services: Services, error: Exception
) -> None:
    def fail(arguments: dict) -> dict:
        raise error

    services.answers[REPORT] = fail
    assert code_of(ask(*READ_RECORDS, headers=bearer())) == "wrong-guard"
    eventually(lambda: services.to(REPORT))
    services.answers[REPORT] = lambda _: {}
    ask(*CHANGE_PROFILE, headers=cookie("influencer"))
    eventually(lambda: ("csrf", "identity_change_profile") in reported(services))


def test_a_report_carries_no_token(ask: Browser, services: Services) -> None:
    ask(*READ_RECORDS, headers=bearer())
    assert TOKENS["influencer"] not in repr(eventually(lambda: services.to(REPORT)))
