import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.problems import body_errors, problem_response, query_errors
from shared.contracts.problems import PROBLEMS, Problem
from tests.unit.gateway.playing import Browser, Services, bearer, code_of


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_has_a_document(code: str) -> None:
    response = problem_response(Problem(code, **({"allow": "GET"} if code == "method-not-allowed" else {})), "r-1")
    document = json.loads(response.body)
    assert response.media_type == "application/problem+json"
    assert (document["type"], document["status"]) == (f"https://okacrm.net/problems/{code}", PROBLEMS[code].status)
    assert (document["title"], document["detail"]) == (PROBLEMS[code].title, PROBLEMS[code].advice)
    assert document["instance"].endswith("/r-1")
    assert ("WWW-Authenticate" in dict(response.headers)) == (response.status == 401)
    assert ("Retry-After" in dict(response.headers)) == (
        response.status in (429, 503, 504) or code == "not-yet-published"
    )


def test_members_of_a_problem_are_told_but_change_nothing_else(ask: Browser, services: Services) -> None:
    services.refuse("identity.grant_consent", "consent-already-given", purpose="product_news", status=200, type="x")
    response = ask("PUT", "/v1/me/consents/product_news", headers=bearer())
    document = json.loads(response.data)
    assert (response.status_code, document["status"], document["purpose"]) == (409, 409, "product_news")
    assert document["type"].endswith("/consent-already-given")


def test_a_code_nobody_knows_is_a_fault_of_ours(ask: Browser, services: Services) -> None:
    services.refuse("identity.read_profile", "new-code", hint="secret")
    response = ask("GET", "/v1/me", headers=bearer())
    assert code_of(response) == "internal"
    assert b"secret" not in response.data


def test_an_exception_tells_nothing(ask: Browser, services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(arguments: object) -> object:
        raise ValueError("ada@example.org")

    services.answers["identity.read_profile"] = fail
    response = ask("GET", "/v1/me", headers=bearer())
    assert code_of(response) == "internal"
    assert b"ada@" not in response.data


@pytest.mark.parametrize("answer", [None, [], {}, {"name": object()}, "text"])
def test_a_nonsensical_answer_is_a_fault_of_ours(ask: Browser, services: Services, answer: object) -> None:
    services.answers["audit.read_checkpoint"] = lambda _: answer
    assert code_of(ask("GET", "/v1/audit/log/checkpoint")) == "internal"


def test_errors_point_into_the_body() -> None:
    messages = {"email": ["Bad."], "list": {1: {"name": ["Bad.", "Worse."]}}, "_schema": ["All wrong."]}
    assert body_errors(messages) == [
        {"pointer": "/email", "message": "Bad."},
        {"pointer": "/list/1/name", "message": "Bad."},
        {"pointer": "/list/1/name", "message": "Worse."},
        {"pointer": "", "message": "All wrong."},
    ]


def test_errors_name_the_parameter() -> None:
    assert query_errors({"limit": ["Bad."]}) == [{"query": "limit", "message": "Bad."}]


def test_errors_are_bounded() -> None:
    assert len(body_errors({f"name{number}": ["Unknown field."] for number in range(500)})) == 20


@given(st.text())
def test_a_name_that_could_be_a_value_is_not_repeated(name: str) -> None:
    (error,) = body_errors({name + "@": ["Unknown field."]})
    assert error == {"pointer": "/?", "message": "Unknown field."}
