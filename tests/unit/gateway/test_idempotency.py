import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.idempotency import command_id
from shared.bus.actors import VISITOR, Actor
from tests.unit.gateway.playing import Browser, Services, bearer, code_of

PUT = ("PUT", "/v1/me/consents/product_news")
KEY = "0123456789abcdef"


def put(ask: Browser, key: str | None):
    return ask(*PUT, headers=bearer(), environ_overrides={} if key is None else {"HTTP_IDEMPOTENCY_KEY": key})


def test_the_same_key_makes_the_same_command(ask: Browser, services: Services) -> None:
    put(ask, KEY), put(ask, KEY), put(ask, KEY + "x")
    first, second, third = (call.command_id for call in services.to("identity.grant_consent"))
    assert first == second != third


def test_without_a_key_every_request_is_another_command_and_its_key_is_told(ask: Browser, services: Services) -> None:
    told = [put(ask, None).headers["Idempotency-Key"] for _ in range(2)]
    put(ask, told[0])
    first, second, repeated = (call.command_id for call in services.to("identity.grant_consent"))
    assert first == repeated != second


@pytest.mark.parametrize("code", ["outcome-unknown", "service-unavailable", "idempotency-key-reused", "conflict"])
def test_the_key_is_told_with_a_problem_too(ask: Browser, services: Services, code: str) -> None:
    services.refuse("identity.grant_consent", code)
    assert put(ask, KEY).headers["Idempotency-Key"] == KEY
    response = put(ask, None)
    assert code_of(response) == code
    assert len(response.headers["Idempotency-Key"]) >= 16


@pytest.mark.parametrize("key", ["", "x" * 15, "x" * 256, "has a space in it", "tab\tin the middle", "ümlaut" * 4])
def test_an_unsuitable_key_is_refused(ask: Browser, services: Services, key: str) -> None:
    response = put(ask, key)
    assert code_of(response) == "idempotency-key-malformed"
    assert "Idempotency-Key" not in response.headers
    assert services.calls == []


def test_a_question_has_no_key(ask: Browser, services: Services) -> None:
    response = ask("GET", "/v1/me", headers=bearer() | {"Idempotency-Key": KEY})
    assert "Idempotency-Key" not in response.headers
    assert services.to("identity.read_profile")[0].command_id == ""


def test_a_command_id_is_a_uuid_of_version_8() -> None:
    made = uuid.UUID(command_id(VISITOR, "POST", "/v1/accounts", KEY))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)


actors = st.builds(Actor, st.sampled_from(["influencer", "client", "visitor"]), st.sampled_from(["", "1", "2"]))
parts = st.tuples(
    actors,
    st.sampled_from(["POST", "PUT"]),
    st.sampled_from(["/v1/a", "/v1/b"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=16, max_size=20),
)


@given(parts, parts)
def test_whatever_differs_makes_another_command(one, other) -> None:
    assert (command_id(*one) == command_id(*other)) == (one == other)


def test_the_session_does_not_matter_only_the_person() -> None:
    assert command_id(Actor("client", "1", "a"), "PUT", "/", KEY) == command_id(
        Actor("client", "1", "b"), "PUT", "/", KEY
    )
