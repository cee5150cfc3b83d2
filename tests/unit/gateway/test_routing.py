import json
import re
from dataclasses import dataclass

import pytest

from gateway.routes import ROUTES
from gateway.routing import Router
from shared.contracts.problems import PROBLEMS, Problem
from tests.unit.gateway.playing import Browser, code_of


@dataclass(frozen=True)
class Place:
    method: str
    path: str


PLACES = [
    Place("GET", "/a"),
    Place("POST", "/a"),
    Place("GET", "/a/{id}"),
    Place("GET", "/a/{id}/b"),
    Place("DELETE", "/a/fixed"),
    Place("GET", "/long/{kind}/{+rest}"),
    Place("GET", "/long/{kind}/{+rest}.p/{width}"),
]


def found(method: str, path: str) -> tuple[Place, dict[str, str]]:
    return Router(PLACES).match(method, path.split("/")[1:])


def test_a_path_is_matched_with_its_parameters() -> None:
    assert found("GET", "/a") == (PLACES[0], {})
    assert found("GET", "/a/7") == (PLACES[2], {"id": "7"})
    assert found("GET", "/a/7/b") == (PLACES[3], {"id": "7"})
    assert found("DELETE", "/a/fixed") == (PLACES[4], {})


def test_a_parameter_of_any_length_takes_one_segment_or_more() -> None:
    assert found("GET", "/long/7/x") == (PLACES[5], {"kind": "7", "rest": "x"})
    assert found("GET", "/long/7/x/y/z") == (PLACES[5], {"kind": "7", "rest": "x/y/z"})
    assert found("GET", "/long/7/x/y.p/8") == (PLACES[6], {"kind": "7", "rest": "x/y", "width": "8"})
    assert found("GET", "/long/7/x.p/y/8") == (PLACES[5], {"kind": "7", "rest": "x.p/y/8"})


def test_an_escaped_slash_parts_nothing() -> None:
    with pytest.raises(Problem, match="not-found"):
        Router(PLACES).match("GET", ["long", "7", "x/y"])


def test_what_can_be_read_can_be_asked_for_its_headers() -> None:
    assert found("HEAD", "/a") == (PLACES[0], {})


@pytest.mark.parametrize("path", ["/", "/b", "/a/7/c", "/a/7/b/c", "/a/fixed/b", "//a", "/long", "/long/7", "/long/7/"])
def test_another_path_leads_nowhere(path: str) -> None:
    with pytest.raises(Problem, match="not-found"):
        found("GET", path)


def test_another_method_is_told_which_there_are() -> None:
    with pytest.raises(Problem) as refusal:
        found("PUT", "/a")
    assert (refusal.value.code, refusal.value.members) == ("method-not-allowed", {"allow": "GET, HEAD, POST"})


def test_declaring_a_route_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="twice"):
        Router([PLACES[0], PLACES[0]])


def test_the_routes_that_clients_rely_on_and_no_others() -> None:
    assert {f"{route.method} {route.path.removeprefix('/v1')}" for route in ROUTES} == {
        "POST /accounts",
        "POST /email-verifications",
        "POST /email-changes",
        "POST /password-reset-requests",
        "POST /password-resets",
        "POST /sessions",
        "GET /session",
        "POST /session/step-up",
        "DELETE /session",
        "POST /session/token",
        "GET /me/sessions",
        "DELETE /me/sessions",
        "DELETE /me/sessions/{session_id}",
        "POST /me/tokens",
        "GET /me/tokens",
        "DELETE /me/tokens/{token_id}",
        "GET /feeds/audit",
        "GET /feeds/identity",
        "GET /security/signals",
        "GET /security/signals/counts",
        "GET /me",
        "PATCH /me",
        "GET /me/image",
        "PUT /me/image",
        "DELETE /me/image",
        "POST /me/email-verification-requests",
        "POST /me/email-change-requests",
        "PUT /me/password",
        "POST /me/guards",
        "POST /me/deactivation",
        "POST /me/authenticator",
        "PUT /me/second-factor",
        "DELETE /me/second-factor",
        "POST /me/recovery-codes",
        "GET /inquiry-form",
        "POST /inquiries",
        "GET /inquiry-thread",
        "POST /inquiry-thread/messages",
        "POST /inquiry-thread/links",
        "POST /me/inquiries",
        "GET /me/inquiries",
        "GET /me/inquiries/{inquiry_id}",
        "POST /me/inquiries/{inquiry_id}/messages",
        "GET /staff/inquiries",
        "GET /staff/inquiries/{inquiry_id}",
        "POST /staff/inquiries/{inquiry_id}/answers",
        "PUT /staff/inquiries/{inquiry_id}/assignee",
        "DELETE /staff/inquiries/{inquiry_id}/assignee",
        "PUT /staff/inquiries/{inquiry_id}/kind",
        "PUT /staff/inquiries/{inquiry_id}/closure",
        "DELETE /staff/inquiries/{inquiry_id}/closure",
        "PUT /staff/inquiries/{inquiry_id}/child-report",
        "GET /staff/inquiries/{inquiry_id}/notes",
        "POST /staff/inquiries/{inquiry_id}/notes",
        "POST /workspaces",
        "GET /workspaces",
        "GET /workspaces/{workspace_id}",
        "PATCH /workspaces/{workspace_id}",
        "DELETE /workspaces/{workspace_id}",
        "GET /workspaces/{workspace_id}/members",
        "PUT /workspaces/{workspace_id}/members/{member_id}/role",
        "DELETE /workspaces/{workspace_id}/members/{member_id}",
        "DELETE /workspaces/{workspace_id}/membership",
        "POST /workspaces/{workspace_id}/ownership-transfers",
        "POST /workspaces/{workspace_id}/invitations",
        "GET /workspaces/{workspace_id}/invitations",
        "DELETE /workspaces/{workspace_id}/invitations/{invitation_id}",
        "POST /workspaces/{workspace_id}/client-invitations",
        "GET /workspaces/{workspace_id}/clients",
        "DELETE /workspaces/{workspace_id}/clients/{client_organisation_id}",
        "POST /client-organisations",
        "GET /client-organisations",
        "GET /client-organisations/{client_organisation_id}",
        "PATCH /client-organisations/{client_organisation_id}",
        "DELETE /client-organisations/{client_organisation_id}",
        "GET /client-organisations/{client_organisation_id}/members",
        "PUT /client-organisations/{client_organisation_id}/members/{member_id}/role",
        "DELETE /client-organisations/{client_organisation_id}/members/{member_id}",
        "DELETE /client-organisations/{client_organisation_id}/membership",
        "POST /client-organisations/{client_organisation_id}/ownership-transfers",
        "POST /client-organisations/{client_organisation_id}/invitations",
        "GET /client-organisations/{client_organisation_id}/invitations",
        "DELETE /client-organisations/{client_organisation_id}/invitations/{invitation_id}",
        "GET /client-organisations/{client_organisation_id}/workspaces",
        "DELETE /client-organisations/{client_organisation_id}/workspaces/{workspace_id}",
        "GET /invitations/{token}",
        "GET /unsubscriptions/{token}",
        "POST /unsubscriptions/{token}",
        "POST /invitations/{token}/acceptance",
        "POST /staff/accounts/{account_id}/guards",
        "DELETE /staff/accounts/{account_id}/guards/{guard}",
        "GET /staff/guard-requests",
        "PUT /staff/guard-requests/{request_id}/approval",
        "PUT /staff/guard-requests/{request_id}/refusal",
        "PUT /staff/accounts/{account_id}/deactivation",
        "DELETE /staff/accounts/{account_id}/deactivation",
        "DELETE /staff/accounts/{account_id}/second-factor",
        "GET /me/consents",
        "GET /me/notices",
        "GET /me/notice-preferences",
        "PUT /me/notice-preferences",
        "PUT /me/notice-objections/{kind}",
        "DELETE /me/notice-objections/{kind}",
        "POST /staff/announcements",
        "PUT /staff/accounts/{account_id}/restriction",
        "DELETE /staff/accounts/{account_id}/restriction",
        "GET /policies",
        "GET /policies/{policy}/{policy_version}",
        "GET /me/policies",
        "PUT /me/policies/{policy}/{policy_version}/acknowledgement",
        "POST /audit/policies",
        "GET /audit/policies",
        "PUT /audit/policies/{policy}/{policy_version}/withdrawal",
        "GET /audit/policies/in-force",
        "GET /audit/processing-register",
        "PUT /me/consents/{purpose}",
        "DELETE /me/consents/{purpose}",
        "GET /cookie-choices",
        "PUT /cookie-choices",
        "POST /audit/subject-lookups",
        "GET /audit/records",
        "GET /audit/facets",
        "GET /audit/records/{record_id}",
        "GET /audit/records/{record_id}/proof",
        "GET /purposes",
        "GET /me/consents/{purpose}/receipt",
        "GET /audit/consents",
        "GET /audit/consent-receipts",
        "GET /audit/processing-without-basis",
        "POST /audit/records/{record_id}/corrections",
        "POST /audit/exports",
        "GET /audit/exports",
        "GET /audit/exports/{export_id}",
        "GET /audit/exports/{export_id}/parts/{number}",
        "GET /audit/completeness",
        "POST /audit/recipients",
        "GET /audit/recipients",
        "GET /audit/recipients/{recipient_id}",
        "PUT /audit/recipients/{recipient_id}",
        "DELETE /audit/recipients/{recipient_id}",
        "GET /audit/recipient-kinds",
        "POST /audit/disclosures",
        "GET /audit/disclosures",
        "GET /audit/disclosures/summary",
        "GET /me/disclosures",
        "GET /audit/log/checkpoint",
        "GET /audit/log/key",
        "GET /audit/log/consistency",
        "GET /audit/log/tile/{level}/{+index}",
        "GET /audit/log/tile/{level}/{+index}.p/{width}",
        "GET /audit/log/keys",
        "GET /audit/log/entries",
    }


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_a_route_declares_known_problems_and_arguments_that_do_not_collide(route) -> None:
    assert set(route.all_problems) <= set(PROBLEMS)
    names = [*route.parameters, *route.query().fields, *(route.body().fields if route.body else ())]
    assert len(names) == len(set(names))
    assert set(route.parameters) == set(re.findall(r"{(\w+)}", route.template))


def test_over_http_a_missing_place_and_a_wrong_method_are_problems(ask: Browser) -> None:
    assert code_of(ask("GET", "/v1/nothing")) == "not-found"
    assert code_of(ask("GET", "/v1/me/")) == "not-found"
    refused = ask("POST", "/v1/me")
    assert code_of(refused) == "method-not-allowed"
    assert refused.headers["Allow"] == "GET, HEAD, PATCH"
    assert "allow" not in json.loads(refused.data)


def test_a_head_request_gets_the_headers_alone(ask: Browser) -> None:
    whole, head = ask("GET", "/v1/audit/log/key"), ask("HEAD", "/v1/audit/log/key")
    assert head.data == b""
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == str(len(whole.data))
