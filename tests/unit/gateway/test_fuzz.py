"""Whatever is sent, the gateway answers, and never with a fault of its own."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.application import Application
from gateway.perimeter import Perimeter
from gateway.routes import ROUTES
from tests.mutating import altered
from tests.unit.gateway.playing import (
    CURSORS,
    TOKENS,
    Browser,
    bearer,
    code_of,
    cookie,
    csrf,
    documented_request,
    services_by_example,
)

SERVICES = services_by_example()
ASK = Browser(Application(SERVICES, Perimeter(), CURSORS))
COMMANDS = [route for route in ROUTES if route.is_command]
HEADERS = (
    "HTTP_ACCEPT",
    "HTTP_AUTHORIZATION",
    "HTTP_COOKIE",
    "HTTP_X_CSRF_TOKEN",
    "HTTP_IDEMPOTENCY_KEY",
    "HTTP_X_REQUEST_ID",
    "HTTP_OKACRM_GUARD",
    "HTTP_ORIGIN",
    "HTTP_HOST",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_CONTENT_ENCODING",
    "HTTP_TRANSFER_ENCODING",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "QUERY_STRING",
    "RAW_PATH_INFO",
)

latin = st.text(st.characters(max_codepoint=255), max_size=60)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
field_names = st.sampled_from(sorted({name for route in ROUTES if route.body for name in route.body().fields}))


def answered(method: str, path: str, **options: Any) -> None:
    response = ASK(method, path, **options)
    assert response.status_code < 500, response.text
    assert response.headers["X-Request-Id"]
    if response.status_code >= 400 and method != "HEAD":
        assert response.mimetype == "application/problem+json"
        assert json.loads(response.data)["status"] == response.status_code


def filled(path: str) -> str:
    values = {
        "purpose": "product_news",
        "record_id": "019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11",
        "level": "0",
        "+index": "x001/067",
        "width": "8",
    }
    for name, value in values.items():
        path = path.replace(f"{{{name}}}", value)
    return path


def as_officer_or_influencer(guards: frozenset[str]) -> dict[str, str]:
    guard = "influencer" if "influencer" in guards else "compliance"
    return cookie(guard) | csrf(guard)


@given(st.sampled_from(COMMANDS), st.dictionaries(field_names | st.text(), json_values, max_size=8))
def test_any_json_object(route: Any, body: dict[str, Any]) -> None:
    headers = as_officer_or_influencer(route.guards)
    answered(route.method, filled(route.path), data=json.dumps(body), content_type="application/json", headers=headers)


@given(st.sampled_from(COMMANDS), st.binary(max_size=400) | json_values.map(lambda value: json.dumps(value).encode()))
@example(COMMANDS[0], b'{"email":"\\ud83d"}')
@example(COMMANDS[0], b'{"' + b"a" * 5000 + b'":1}')
def test_any_bytes(route: Any, body: bytes) -> None:
    headers = as_officer_or_influencer(route.guards)
    answered(route.method, filled(route.path), data=body, content_type="application/json", headers=headers)


@settings(max_examples=400)
@given(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "x"]),
    st.sampled_from([filled(route.path) for route in ROUTES] + ["/", "*", "", "/docs", "/metrics"]),
    st.dictionaries(st.sampled_from(HEADERS), latin, max_size=5),
    st.booleans(),
)
def test_any_headers(method: str, path: str, environ: dict[str, str], signed_in: bool) -> None:
    answered(method, path, environ_overrides=environ, headers=bearer("compliance") if signed_in else {})


@given(st.lists(st.tuples(latin, latin), max_size=6), st.sampled_from(["GET", "POST", "PATCH"]))
def test_any_query(pairs: list[tuple[str, str]], method: str) -> None:
    for path in ("/v1/audit/records", "/v1/audit/log/consistency", "/v1/me"):
        answered(method, path, query_string=dict(pairs), headers=bearer("compliance"), json=None)


@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_any_cookie_header(text: str) -> None:
    joined = f"{text}; okacrm_influencer={TOKENS['influencer']}"
    answered("GET", "/v1/session", environ_overrides={"HTTP_COOKIE": text})
    answered("GET", "/v1/session", environ_overrides={"HTTP_COOKIE": joined})


@given(st.data(), st.sampled_from([route for route in ROUTES if route.lists]))
def test_any_cursor_that_was_given_and_altered(data: st.DataObject, route: Any) -> None:
    documented = SERVICES.answers[route.calls]
    place = data.draw(st.sampled_from(["42.41", "42.1795512600000000.41", "019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11"]))
    SERVICES.answers[route.calls] = lambda arguments: {**documented(arguments), "next_cursor": place}
    try:
        guard = next(guard for guard in TOKENS if guard in route.guards)
        page = documented_request(ASK, route)
        cursor = data.draw(altered(page.json["next_cursor"]))
        path = page.request.path
        asked = {name: value for name, value in page.request.args.items() if name != "cursor"} | {"cursor": cursor}
        response = ASK("GET", path, query_string=asked, headers=bearer(guard))
    finally:
        SERVICES.answers[route.calls] = documented
    assert (response.status_code, code_of(response)) == (422, "cursor-invalid")
