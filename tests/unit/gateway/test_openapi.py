import json
import re
from base64 import b64encode
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.cookies import Cookies
from gateway.openapi import openapi_document
from gateway.routes import ROUTES
from gateway.routing import Route
from shared.contracts.problems import PROBLEMS
from shared.contracts.vocabulary import TEAM
from tests.unit.gateway.playing import Browser, Services, bearer, cookie, csrf, documented_request

DOCUMENT = openapi_document(ROUTES, Cookies(local=True))

by_operation = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)


def operation(route: Route) -> dict[str, Any]:
    return DOCUMENT["paths"][route.template][route.method.lower()]


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found: Any = DOCUMENT
    for name in part["$ref"].split("/")[1:]:
        found = found[name]
    return found


def conforms(value: Any, schema: dict[str, Any]) -> None:
    """Fails unless the value fits the schema; references are looked up in the document."""
    whole = {**schema, "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)


def test_it_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_is_what_the_gateway_serves(ask: Browser) -> None:
    response = ask("GET", "/openapi.json")
    assert response.mimetype == "application/json"
    assert json.loads(response.data) == json.loads(json.dumps(DOCUMENT))


def test_it_describes_the_routes_and_nothing_else() -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {(route.method, route.template) for route in ROUTES}


def test_operations_have_names_of_their_own() -> None:
    assert len({route.operation_id for route in ROUTES}) == len(ROUTES)


@by_operation
def test_an_operation_says_what_it_is_for(route: Route) -> None:
    described = operation(route)
    assert described["summary"]
    assert described["tags"][0] in {tag["name"] for tag in DOCUMENT["tags"]}


@by_operation
def test_an_operation_names_every_problem_it_can_have(route: Route) -> None:
    described = {
        code
        for response in map(resolved, operation(route)["responses"].values())
        for code in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    assert described == set(route.all_problems)
    for code in described:
        assert str(PROBLEMS[code].status) in operation(route)["responses"]


@by_operation
def test_an_operation_says_who_may(route: Route) -> None:
    schemes = {name for scheme in operation(route)["security"] for name in scheme}
    assert schemes == (
        {"bearer"} | {f"{guard}_cookie" for guard in route.sessions if guard != TEAM} if route.sessions else set()
    )
    assert ({} in operation(route)["security"]) == (not route.guards and bool(route.sessions))


@by_operation
def test_an_operation_names_its_headers(route: Route) -> None:
    named = {
        parameter["name"] for parameter in map(resolved, operation(route)["parameters"]) if parameter["in"] == "header"
    }
    expected = set()
    if route.is_command:
        expected |= {"Idempotency-Key"} | ({"X-CSRF-Token"} if route.sessions else set())
    if len(route.sessions) > 1:
        expected.add("Okacrm-Guard")
    assert named == expected


@by_operation
def test_the_documented_request_is_what_it_says(route: Route) -> None:
    described = operation(route)
    if route.body:
        for media in described["requestBody"]["content"].values():
            conforms(media["example"], media["schema"])
    parameters = [*map(resolved, described["parameters"])]
    for parameter in parameters:
        conforms(parameter["example"], parameter["schema"])
    for name in re.findall(r"{(\w+)}", route.template):
        assert any(p["name"] == name and p["in"] == "path" and p["required"] for p in parameters)


@by_operation
def test_the_answer_is_what_the_document_says(ask: Browser, route: Route) -> None:
    response = documented_request(ask, route)
    described = resolved(operation(route)["responses"][str(route.status)])
    if route.status == 204:
        assert "content" not in described
        return
    (media,) = [media for name, media in described["content"].items() if name.partition(";")[0] == response.mimetype]
    if response.mimetype in ("application/octet-stream", "image/jpeg"):
        assert b64encode(response.data).decode() == media["example"]
        return
    value = json.loads(response.data) if response.is_json else response.text
    conforms(value, media["schema"])
    conforms(media["example"], media["schema"])


@by_operation
def test_every_described_status_carries_the_request_id(route: Route) -> None:
    for response in map(resolved, operation(route)["responses"].values()):
        assert "X-Request-Id" in response["headers"]


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_has_an_example_that_fits(code: str) -> None:
    example = DOCUMENT["components"]["examples"][code]
    conforms(example["value"], DOCUMENT["components"]["schemas"]["Problem"])


def test_real_problems_fit_too(ask: Browser, services: Services) -> None:
    services.refuse("identity.grant_consent", "consent-already-given", purpose="product_news")
    for response in (
        ask("GET", "/v1/me"),
        ask("POST", "/v1/accounts", json={"extra": 1}),
        ask("GET", "/v1/me?x=1", headers=bearer()),
        ask("PUT", "/v1/me/consents/product_news", headers=cookie("influencer") | csrf()),
    ):
        conforms(json.loads(response.data), DOCUMENT["components"]["schemas"]["Problem"])


def test_cookie_names_are_those_of_the_mode() -> None:
    secure = openapi_document(ROUTES, Cookies(local=False))
    names = {scheme["name"] for scheme in secure["components"]["securitySchemes"].values() if "name" in scheme}
    assert names == {f"__Host-okacrm_{guard}" for guard in ("influencer", "client", "compliance", "staff")}
