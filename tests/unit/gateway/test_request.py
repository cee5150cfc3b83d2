import io
import json
from typing import Any

import pytest

from gateway.request import HANG_UP, LARGEST_BODY, LONGEST_URL
from tests.unit.gateway.playing import Browser, Services, bearer, code_of, cookie, csrf

ACCOUNT = {
    "email": "ada@example.org",
    "name": "Ada Lovelace",
    "time_zone": "Europe/Berlin",
    "country": "GB",
    "age_statement": True,
    "accepted_policy_version": "2026-11-01",
    "password": "violet-harbour-lantern-42",
}
JSON = "application/json"


SPELLINGS = (JSON, "Application/JSON", "application/json;charset=UTF-8", 'application/json; charset="utf-8"')


def register(ask: Browser, body: bytes, *, content_type: str = JSON, **options: Any):
    return ask("POST", "/v1/accounts", data=body, content_type=content_type, **options)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{}",
        b'{"email": "\xff"}',
        b'{"email": "\\ud800"}',
        b'{"email": NaN}',
        b'{"email": -Infinity}',
        b'{"email": "a@b.cd", "email": "a@b.cd"}',
        b'{"email": ' + b"9" * 5000 + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"[" * 60_000,
        b"{} {}",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
def test_what_is_not_one_json_object_is_refused(ask: Browser, services: Services, body: bytes) -> None:
    assert code_of(register(ask, body)) == "malformed-json"
    assert services.calls == []


@pytest.mark.parametrize("media_type", ["", "text/plain", "text/json", "application/json; charset=latin-1", "json"])
def test_another_media_type_is_refused(ask: Browser, media_type: str) -> None:
    assert code_of(register(ask, json.dumps(ACCOUNT).encode(), content_type=media_type)) == "unsupported-media-type"


def test_a_compressed_body_is_refused(ask: Browser) -> None:
    response = register(ask, json.dumps(ACCOUNT).encode(), headers={"Content-Encoding": "gzip"})
    assert code_of(response) == "unsupported-media-type"


@pytest.mark.parametrize("media_type", SPELLINGS)
def test_json_is_known_in_every_spelling(ask: Browser, media_type: str) -> None:
    assert register(ask, json.dumps(ACCOUNT).encode(), content_type=media_type).status_code == 201


class Watched(io.BytesIO):
    """A body that knows how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_a_body_that_says_it_is_too_large_is_not_read(ask: Browser) -> None:
    body, closed = Watched(b" " * (LARGEST_BODY + 1)), []
    response = ask(
        "POST",
        "/v1/accounts",
        input_stream=body,
        content_type=JSON,
        content_length=LARGEST_BODY + 1,
        environ_overrides={HANG_UP: lambda: closed.append(True)},
    )
    assert (code_of(response), body.taken, closed) == ("body-too-large", 0, [True])


def test_a_body_that_does_not_say_how_large_it_is_is_not_read(ask: Browser) -> None:
    body, closed = Watched(b" " * (LARGEST_BODY * 3)), []
    response = ask(
        "POST",
        "/v1/accounts",
        environ_overrides={
            "HTTP_TRANSFER_ENCODING": "chunked",
            "CONTENT_TYPE": JSON,
            "wsgi.input": body,
            HANG_UP: lambda: closed.append(True),
        },
    )
    assert (code_of(response), body.taken, closed) == ("length-required", 0, [True])


def test_a_body_of_the_largest_size_is_read(ask: Browser) -> None:
    body = json.dumps(ACCOUNT).encode().ljust(LARGEST_BODY)
    assert register(ask, body).status_code == 201


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"CONTENT_LENGTH": ""}, "length-required"),
        ({"CONTENT_LENGTH": "1_0"}, "malformed-request"),
        ({"CONTENT_LENGTH": "+10"}, "malformed-request"),
        ({"CONTENT_LENGTH": "9" * 30}, "malformed-request"),
        ({"CONTENT_LENGTH": "100000"}, "body-too-large"),
        ({"CONTENT_LENGTH": "500"}, "malformed-request"),
        ({"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, "length-required"),
    ],
)
def test_a_length_that_cannot_be_trusted_is_refused(ask: Browser, overrides: dict[str, str], code: str) -> None:
    environ = {"CONTENT_TYPE": JSON, "wsgi.input": io.BytesIO(b"{}"), **overrides}
    assert code_of(ask("POST", "/v1/accounts", environ_overrides=environ)) == code


@pytest.mark.parametrize(
    ("error", "code"), [(ConnectionResetError, "malformed-request"), (TimeoutError, "request-too-slow")]
)
def test_a_client_that_goes_away_gets_no_fault_of_ours(ask: Browser, error: type[Exception], code: str) -> None:
    class Gone(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise error

    closed: list[bool] = []
    environ = {"CONTENT_TYPE": JSON, "CONTENT_LENGTH": "10", "wsgi.input": Gone(), HANG_UP: lambda: closed.append(True)}
    assert code_of(ask("POST", "/v1/accounts", environ_overrides=environ)) == code
    assert closed == [True]


def test_a_short_body_nobody_read_does_not_end_the_connection(ask: Browser) -> None:
    closed: list[bool] = []
    ask("PATCH", "/v1/me", json={"name": "Ada"}, environ_overrides={HANG_UP: lambda: closed.append(True)})
    assert closed == []


def test_a_command_without_a_body_takes_none_or_an_empty_object(ask: Browser) -> None:
    headers = cookie("influencer") | csrf()
    assert ask("PUT", "/v1/me/consents/product_news", headers=headers).status_code == 200
    assert ask("PUT", "/v1/me/consents/product_news", headers=headers, json={}).status_code == 200
    assert code_of(ask("PUT", "/v1/me/consents/product_news", headers=headers, json={"a": 1})) == "validation-failed"


def test_a_question_takes_no_body(ask: Browser) -> None:
    assert code_of(ask("GET", "/v1/me", headers=bearer(), json={})) == "malformed-request"


@pytest.mark.parametrize(
    "path", ["/v1/%zz", "/v1/%", "/v1/%4", "/v1/%ff", "/v1/me/consents/%c3", "/" + "a" * LONGEST_URL, "/v1/\xff"]
)
def test_a_path_that_cannot_be_read_is_refused(ask: Browser, path: str) -> None:
    assert code_of(ask("GET", "/", raw_path=path)) == "malformed-request"


def test_an_escaped_slash_stays_in_its_segment(ask: Browser) -> None:
    assert code_of(ask("GET", "/", raw_path="/v1%2Fme")) == "not-found"


def test_an_escaped_letter_is_that_letter(ask: Browser) -> None:
    assert ask("GET", "/", raw_path="/v1/%6De", headers=bearer()).status_code == 200


@pytest.mark.parametrize("query", ["from=%zz&to=2", "from=%ff&to=2", "from=1&from=1&to=2", "a=1&" * 60, "x=ÿ"])
def test_a_query_that_cannot_be_read_is_refused(ask: Browser, query: str) -> None:
    overrides = {"QUERY_STRING": query}
    assert code_of(ask("GET", "/v1/audit/log/consistency", environ_overrides=overrides)) == "malformed-request"


@pytest.mark.parametrize("given", ["abc", "A.b_c-9", "x" * 64])
def test_a_request_id_is_kept(ask: Browser, services: Services, given: str) -> None:
    response = ask("GET", "/v1/audit/log/key", headers={"X-Request-Id": given})
    assert response.headers["X-Request-Id"] == given
    assert services.calls[-1].correlation_id == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a,b", "ä", "a\tb"])
def test_an_unsuitable_request_id_is_replaced(ask: Browser, given: str) -> None:
    made = ask("GET", "/healthz", environ_overrides={"HTTP_X_REQUEST_ID": given}).headers["X-Request-Id"]
    assert made != given
    assert len(made) == 36
