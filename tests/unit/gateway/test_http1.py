"""What two readers could read in two ways is read by nobody."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http1 import LARGEST_HEAD, MOST_HEADERS, read_head
from shared.contracts.problems import Problem

LINE = b"POST /v1/accounts HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"


def refusal(data: bytes) -> str | None:
    """The problem that a head meets, if any."""
    try:
        read_head(io.BytesIO(data))
    except Problem as problem:
        return problem.code
    return None


def test_a_head_is_read_to_its_end_and_no_further() -> None:
    stream = io.BytesIO(LINE + HOST + b"Content-Length: 2\r\n\r\n{}GET")
    head = read_head(stream)
    assert (head.method, head.target, head.version) == ("POST", "/v1/accounts", "HTTP/1.1")
    assert head.headers == [("Host", "localhost"), ("Content-Length", "2")]
    assert stream.read() == b"{}GET"


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"GET / HTTP/1.1 \r\n",
        b" GET / HTTP/1.1\r\n",
        b"GET\t/\tHTTP/1.1\r\n",
        b"GET / HTTP/1.1\n",
        b"GET / HTTP/2.0\r\n",
        b"GET / HTTP/01.1\r\n",
        b"GET / http/1.1\r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"GET /a\x00 HTTP/1.1\r\n",
        b"GET /a\rb HTTP/1.1\r\n",
        b"GET http:/v1/me HTTP/1.1\r\n",
        b"GET http:///v1/me HTTP/1.1\r\n",
        b"GET //localhost HTTP/1.1 HTTP/1.1\r\n",
        b"GET http://localhost\\@elsewhere.example/ HTTP/1.1\r\n",
        b"GET http://ada@localhost/v1/me HTTP/1.1\r\n",
        b"GET http://localhost:/v1/me HTTP/1.1\r\n",
        b"GET http://localhost#/v1/me HTTP/1.1\r\n",
        b"GET http://local%68ost/v1/me HTTP/1.1\r\n",
        b"GET ftp://localhost/v1/me HTTP/1.1\r\n",
        b"GET localhost/v1/me HTTP/1.1\r\n",
        b"CONNECT elsewhere.example:443 HTTP/1.1\r\n",
        b"\r\n",
        b"",
    ],
)
def test_a_request_line_has_one_form(request_line: bytes) -> None:
    assert refusal(request_line + HOST + b"\r\n") == "malformed-request"


@pytest.mark.parametrize(
    ("written", "target", "host"),
    [
        (b"http://localhost:8000/v1/me?a=b", "/v1/me?a=b", "localhost:8000"),
        (b"HTTPS://Okacrm.Example/", "/", "Okacrm.Example"),
        (b"http://[::1]:8000/v1/me", "/v1/me", "[::1]:8000"),
        (b"http://elsewhere.example/v1/me", "/v1/me", "elsewhere.example"),
        (b"http://localhost", "/", "localhost"),
        (b"http://localhost?a=b", "/?a=b", "localhost"),
    ],
)
def test_a_host_in_the_request_line_takes_the_place_of_the_header(written: bytes, target: str, host: str) -> None:
    """RFC 9112, section 3.2.2: whether the host is ours says the perimeter, as of any other request."""
    for header in (HOST, b"host: elsewhere.example\r\n"):
        head = read_head(io.BytesIO(b"GET " + written + b" HTTP/1.1\r\n" + header + b"Accept: */*\r\n\r\n"))
        assert (head.target, head.headers) == (target, [("Accept", "*/*"), ("Host", host)])


def test_a_host_in_the_request_line_spares_nobody_the_header() -> None:
    line = b"GET http://localhost/ HTTP/1.1\r\n"
    assert refusal(line + b"\r\n") == "malformed-request"
    assert refusal(line + HOST + HOST + b"\r\n") == "malformed-request"


def test_one_empty_line_before_a_request_is_passed_over() -> None:
    """RFC 9112, section 2.2: old clients send one behind a body."""
    assert read_head(io.BytesIO(b"\r\n" + LINE + HOST + b"\r\n")).target == "/v1/accounts"
    for line in (b"\r\n\r\n", b"\n", b"\r", b" \r\n"):
        assert refusal(line + LINE + HOST + b"\r\n") == "malformed-request"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"Content-Length: 3\r\nContent-Length: 3\r\n", id="the same length twice"),
        pytest.param(b"Content-Length: 3\r\nContent-Length: 30\r\n", id="two lengths"),
        pytest.param(b"Content-Length: 3, 3\r\n", id="two lengths in one header"),
        pytest.param(b"Content-Length: +3\r\n", id="signed length"),
        pytest.param(b"Content-Length: 0x3\r\n", id="hexadecimal length"),
        pytest.param(b"Content-Length: 1_0\r\n", id="underscored length"),
        pytest.param(b"Content-Length: -5\r\n", id="negative length"),
        pytest.param(b"Content-Length:\r\n", id="no length"),
        pytest.param("Content-Length: ٣\r\n".encode(), id="length in other digits"),
        pytest.param(b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", id="CL.TE"),
        pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", id="TE.CL"),
        pytest.param(b"X-A: b\r\n Content-Length: 3\r\n", id="folded line"),
        pytest.param(b"X-A: b\r\n\tc\r\n", id="folded line with a tab"),
        pytest.param(b" X-A: b\r\n", id="folded first line"),
        pytest.param(b"Content-Length : 3\r\n", id="space before the colon"),
        pytest.param(b"X-A: b\nContent-Length: 3\r\n", id="bare line feed"),
        pytest.param(b"X-A: b\rContent-Length: 3\r\n", id="bare carriage return"),
        pytest.param(b"X-A: b\x00\r\n", id="NUL"),
        pytest.param(b"X-A\r\n", id="no colon"),
        pytest.param(b": b\r\n", id="no name"),
        pytest.param(b"X(A): b\r\n", id="name that is no token"),
        pytest.param("Ä: b\r\n".encode(), id="name that is not ASCII"),
        pytest.param(b"X-A: \xff\r\n", id="value that is not UTF-8"),
        pytest.param(b"X-A: \xed\xa0\x80\r\n", id="value with a surrogate"),
        pytest.param(b"Host: elsewhere.example\r\n", id="second host"),
        pytest.param(b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", id="two authorizations"),
        pytest.param(b"Origin: http://a\r\nOrigin: http://b\r\n", id="two origins"),
    ],
)
def test_headers_that_can_be_read_in_two_ways_are_refused(headers: bytes) -> None:
    assert refusal(LINE + HOST + headers + b"\r\n") == "malformed-request"


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b"gzip, chunked", b"\x0bchunked", b"identity", b"xchunked"])
def test_no_body_comes_in_chunks(coding: bytes) -> None:
    assert refusal(LINE + HOST + b"Transfer-Encoding: " + coding + b"\r\n\r\n") in (
        "length-required",
        "malformed-request",
    )


def test_a_request_names_its_host() -> None:
    assert refusal(LINE + b"\r\n") == "malformed-request"
    assert refusal(b"GET / HTTP/1.0\r\n\r\n") is None


def test_a_head_that_breaks_off_is_refused() -> None:
    assert refusal(LINE + HOST + b"X-A: b") == "malformed-request"
    assert refusal(LINE + HOST) == "malformed-request"


def test_heads_are_bounded_in_bytes_and_in_headers() -> None:
    assert refusal(LINE + HOST + b"X-A: b\r\n" * (MOST_HEADERS - 1) + b"\r\n") is None
    assert refusal(LINE + HOST + b"X-A: b\r\n" * MOST_HEADERS + b"\r\n") == "head-too-large"
    assert refusal(LINE + HOST + b"X-A: " + b"b" * LARGEST_HEAD + b"\r\n\r\n") == "head-too-large"
    assert refusal(b"GET /" + b"a" * LARGEST_HEAD + b" HTTP/1.1\r\n") == "head-too-large"


def test_what_browsers_send_is_read() -> None:
    headers = (
        b"Cookie: a=b; okacrm_influencer=c\r\nUser-Agent: Mozilla/5.0 (X11; \xc3\x84)\r\nAccept: */*\r\n"
        b'sec-ch-ua: "Chromium";v="130"\r\nX-Empty:\r\nX-Spaces: \t b \t \r\n'
    )
    assert refusal(LINE + HOST + headers + b"\r\n") is None


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert refusal(LINE + HOST + data) in (None, "malformed-request", "length-required", "head-too-large")
