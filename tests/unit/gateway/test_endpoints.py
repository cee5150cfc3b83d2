import json
from typing import Any
from unittest.mock import ANY

import pytest
from marshmallow import fields

from gateway.endpoints import kept_by
from gateway.openapi import example_of
from gateway.routes import ROUTES
from gateway.routes.audit.records import EVIDENCE, TLOG_PROOF
from gateway.routing import Route
from gateway.schemas import Answer
from tests.unit.gateway.playing import Browser, Services, bearer, code_of, documented_request

ID = "019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11"
PROOF = f"/v1/audit/records/{ID}/proof"
REGISTRATION = {
    "email": "ada@example.org",
    "name": "Ada Lovelace",
    "time_zone": "Europe/Berlin",
    "country": "GB",
    "age_statement": True,
    "accepted_policy_version": "2026-11-01",
    "password": "violet-harbour-lantern-42",
}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_the_documented_request_reaches_its_service_and_gets_the_documented_answer(
    ask: Browser, services: Services, route: Route
) -> None:
    response = documented_request(ask, route)
    assert response.status_code == route.status, response.text
    assert response.headers["Cache-Control"] == route.cache
    if route.calls:
        call = services.to(route.calls)[-1]
        assert bool(call.command_id) == route.is_command
        parameters = {field.attribute or name for name, field in route.parameters.items()}
        declared = {*parameters, *route.query().fields, *(route.body().fields if route.body else ())}
        declared |= {route.upload.argument} if route.upload else set()
        assert set(call.arguments) <= declared
    if route.answers and route.session.value == "none":
        documented = example_of(route.answers()) | ({"next_cursor": ANY} if route.lists else {})
        assert json.loads(response.data) == documented


@pytest.mark.parametrize("route", [route for route in ROUTES if route.calls], ids=lambda route: route.operation_id)
@pytest.mark.parametrize("code", ["service-unavailable", "outcome-unknown", "internal"])
def test_a_service_that_fails_is_told_as_it_is(ask: Browser, services: Services, route: Route, code: str) -> None:
    services.refuse(route.calls, code)
    assert code_of(documented_request(ask, route)) == code


def test_a_registration_arrives_as_it_was_sent(ask: Browser, services: Services) -> None:
    ask("POST", "/v1/accounts", json=REGISTRATION)
    assert services.calls[-1].arguments == REGISTRATION


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"email": "not an address"}, "/email"),
        ({"email": "a" * 250 + "@example.org"}, "/email"),
        ({"email": 7}, "/email"),
        ({"email": None}, "/email"),
        ({"name": ""}, "/name"),
        ({"name": "   "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\u0000b"}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": ["Ada"]}, "/name"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"country": "XX"}, "/country"),
        ({"country": "gb"}, "/country"),
        ({"age_statement": "yes"}, "/age_statement"),
        ({"age_statement": 1}, "/age_statement"),
        ({"password": ""}, "/password"),
        ({"password": "x" * 1025}, "/password"),
        ({"guard": "staff"}, "/guard"),
        ({"accepted_policy_version": 1.5}, "/accepted_policy_version"),
    ],
)
def test_a_value_that_cannot_be_accepted_is_named_but_not_repeated(
    ask: Browser, services: Services, change: dict[str, Any], pointer: str
) -> None:
    response = ask("POST", "/v1/accounts", json=REGISTRATION | change)
    assert code_of(response) == "validation-failed"
    assert [error["pointer"] for error in json.loads(response.data)["errors"]] == [pointer]
    assert services.calls == []
    value = next(iter(change.values()))
    if isinstance(value, str) and len(value) > 3:
        assert value not in response.text


def test_what_is_missing_is_named(ask: Browser) -> None:
    errors = json.loads(ask("POST", "/v1/accounts", json={}).data)["errors"]
    assert {error["pointer"] for error in errors} == {f"/{name}" for name in REGISTRATION}


def test_a_change_of_nothing_is_refused(ask: Browser) -> None:
    response = ask("PATCH", "/v1/me", json={}, headers=bearer())
    assert json.loads(response.data)["errors"] == [{"pointer": "", "message": "Name at least one thing to change."}]


def test_only_what_changes_is_passed_on(ask: Browser, services: Services) -> None:
    ask("PATCH", "/v1/me", json={"country": "FR"}, headers=bearer())
    assert services.calls[-1].arguments == {"country": "FR"}


@pytest.mark.parametrize("purpose", ["unknown", "", "product_news%00", "%F0%9F%92%A5", "Product_News"])
def test_a_purpose_that_does_not_exist_is_nowhere(ask: Browser, services: Services, purpose: str) -> None:
    response = ask("PUT", "/", raw_path=f"/v1/me/consents/{purpose}", headers=bearer())
    assert code_of(response) == "not-found"
    assert services.to("identity.grant_consent") == []


@pytest.mark.parametrize("id", ["1", ID[:-1], ID + "0", f"{{{ID}}}", ID.replace("-", ""), f"urn:uuid:{ID}"])
def test_an_id_that_cannot_be_one_is_nowhere(ask: Browser, id: str) -> None:
    assert code_of(ask("GET", "/", raw_path=f"/v1/audit/records/{id}", headers=bearer("compliance"))) == "not-found"


def test_an_id_has_one_spelling(ask: Browser, services: Services) -> None:
    ask("GET", f"/v1/audit/records/{ID.upper()}", headers=bearer("compliance"))
    assert services.calls[-1].arguments == {"record_id": ID}


def test_an_unsaid_filter_is_none(ask: Browser, services: Services) -> None:
    ask("GET", "/v1/audit/records", headers=bearer("compliance"))
    assert services.calls[-1].arguments == {"q": None, "cursor": None, "limit": 50}


def test_times_travel_in_one_spelling(ask: Browser, services: Services) -> None:
    query = {"subject": ID, "as_of": "2026-11-24t10:30:00.5+01:00"}
    ask("GET", "/v1/audit/consents", query_string=query, headers=bearer("compliance"))
    assert services.calls[-1].arguments["as_of"] == "2026-11-24T09:30:00.500000Z"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "5_0"}, "limit"),
        ({"limit": " 5"}, "limit"),
        ({"limit": "\u0665"}, "limit"),
        ({"limit": "1e1"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"subject": "me"}, "subject"),
        ({"since": "2026-11-24"}, "since"),
        ({"since": "2026-11-24T10:00:00"}, "since"),
        ({"since": "2026-02-30T10:00:00Z"}, "since"),
        ({"since": "0001-01-01T00:00:00+23:59"}, "since"),
        ({"since": "2026-11-24T10:00:00 01:00"}, "since"),
        ({"type": "a b"}, "type"),
        ({"type": "x" * 121}, "type"),
        ({"actor": "influencer:" + "x" * 100}, "actor"),
        ({"publisher": "Identity"}, "publisher"),
        ({"unknown": "1"}, "unknown"),
        ({"": "1"}, "?"),
    ],
)
def test_a_parameter_that_cannot_be_accepted_is_named(ask: Browser, query: dict[str, str], name: str) -> None:
    response = ask("GET", "/v1/audit/records", query_string=query, headers=bearer("compliance"))
    assert code_of(response) == "validation-failed"
    assert [error["query"] for error in json.loads(response.data)["errors"]] == [name]


def test_a_parameter_where_there_is_none_is_refused(ask: Browser) -> None:
    assert code_of(ask("GET", "/v1/me?debug=1", headers=bearer())) == "validation-failed"


def test_of_an_answer_only_what_is_declared_leaves(ask: Browser, services: Services) -> None:
    services.answers["identity.read_profile"] = lambda _: {"email": "ada@example.org", "password_hash": "secret"}
    assert json.loads(ask("GET", "/v1/me", headers=bearer()).data) == {"email": "ada@example.org"}


def test_what_is_declared_is_kept_at_every_depth() -> None:
    class Inner(Answer):
        a = fields.Integer()

    class Outer(Answer):
        one = fields.Nested(Inner)
        many = fields.List(fields.Nested(Inner))
        none = fields.Nested(Inner, allow_none=True)
        free = fields.Dict()
        renamed = fields.Integer(data_key="from")

    keep = kept_by(Outer())
    given = {"one": {"a": 1, "x": 2}, "many": [{"a": 3, "x": 4}], "none": None, "free": {"x": 5}, "from": 6, "x": 7}
    assert keep(given) == {"one": {"a": 1}, "many": [{"a": 3}], "none": None, "free": {"x": 5}, "from": 6}
    assert keep(given | {"none": {"a": 8, "x": 9}})["none"] == {"a": 8}


# --- representations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "text/plain"),
        ("*/*", "text/plain"),
        ("text/*", "text/plain"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("text/plain;q=0.5, application/json", "application/json"),
        ("text/html, application/json;q=0.9, */*;q=0.1", "application/json"),
    ],
)
def test_a_proof_comes_in_the_form_that_is_asked_for(ask: Browser, accept: str | None, media_type: str) -> None:
    headers = bearer("compliance") | ({"Accept": accept} if accept else {})
    response = ask("GET", PROOF, headers=headers)
    assert response.mimetype == media_type
    assert response.data.decode() == (TLOG_PROOF if media_type == "text/plain" else EVIDENCE)


def test_evidence_is_sent_byte_for_byte(ask: Browser, services: Services) -> None:
    evidence = '{"b":"\u2014 \\u00e9",  "a":[ ]}'
    services.answers["audit.prove_record"] = lambda _: {"evidence": evidence, "tlog_proof": ""}
    response = ask("GET", PROOF, headers=bearer("compliance") | {"Accept": "application/json"})
    assert response.data == evidence.encode()


@pytest.mark.parametrize("accept", ["image/png", "text/plain;q=0", "nonsense", "application/json;q=0, text/html"])
def test_a_form_that_there_is_not_is_refused_before_anything_is_done(
    ask: Browser, services: Services, accept: str
) -> None:
    assert (
        code_of(ask("PATCH", "/v1/me", json={"name": "Ada"}, headers=bearer() | {"Accept": accept})) == "not-acceptable"
    )
    assert services.calls == []
