"""The head of a request, read so that no two readers can disagree about where the request ends.

Smuggling lives on such disagreement: a proxy takes bytes for a body that the server behind it takes for the next
request. RFC 9112 allows a recipient to be lenient in many places; here each of them is a refusal, after which the
connection is closed. What it says a server has to take, it takes: an empty line before the request, and a request line
that names the host. What was sent is repeated neither in the answer nor in a log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from shared.contracts.problems import Problem

LARGEST_HEAD = 32 * 1024
MOST_HEADERS = 64

_REQUEST_LINE = re.compile(rb"([A-Za-z]{1,20}) ([\x21-\x7e\x80-\xff]+) (HTTP/1\.[01])\r\n")
_ABSOLUTE = re.compile(
    rb"https?://((?:[A-Z0-9.-]{1,253}|\[[0-9A-F:.]{2,45}\])(?::[0-9]{1,5})?)([/?].*)?", re.IGNORECASE | re.DOTALL
)
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*\r\n")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_SAID_ONCE = frozenset(
    (b"authorization", b"content-encoding", b"content-length", b"content-type", b"host", b"origin", b"x-csrf-token")
)
"""Headers that would mean something else when they are said twice."""
EMPTY_LINE = b"\r\n"


class Lines(Protocol):
    """Where the bytes come from."""

    def readline(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Head:
    """Request line and headers. Bytes are characters of Latin-1, as WSGI has it."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]


def read_head(lines: Lines) -> Head:
    """The next head. Raises `Problem` for one that could be read in two ways, is too large, or breaks off.

    One empty line before it is passed over (RFC 9112, section 2.2).
    """
    left = LARGEST_HEAD
    request_line = lines.readline(left + 1)
    if request_line == EMPTY_LINE:
        request_line = lines.readline(left + 1)
    left -= len(request_line)
    read = _REQUEST_LINE.fullmatch(request_line) if left >= 0 else None
    if read is None:
        raise Problem("head-too-large" if left < 0 else "malformed-request")
    method, written, version = read.groups()
    target, host = _target(written)
    headers: list[tuple[bytes, bytes]] = []
    while (line := lines.readline(left + 1)) != EMPTY_LINE:
        left -= len(line)
        if left < 0 or len(headers) == MOST_HEADERS:
            raise Problem("head-too-large")
        headers.append(_header(line))
    _check_headers(headers, version.decode())
    if host:
        headers = [*((name, value) for name, value in headers if name.lower() != b"host"), (b"Host", host)]
    return Head(
        method.decode(),
        target.decode("latin-1"),
        version.decode(),
        [(name.decode(), value.decode("latin-1")) for name, value in headers],
    )


def _target(written: bytes) -> tuple[bytes, bytes | None]:
    """What is asked for, and the host where the request line names one: it counts, whatever the header says.

    Raises `Problem` for what is neither of the two forms that a server has to take (RFC 9112, section 3.2.2).
    """
    if written.startswith(b"/") or written == b"*":
        return written, None
    absolute = _ABSOLUTE.fullmatch(written)
    if absolute is None:
        raise Problem("malformed-request")
    host, rest = absolute[1], absolute[2] or b""
    return (rest if rest.startswith(b"/") else b"/" + rest), host


def _header(line: bytes) -> tuple[bytes, bytes]:
    """Raises `Problem` for a line that is folded, ends in a bare line feed or not at all, or is not UTF-8."""
    header = _HEADER.fullmatch(line)
    if header is None:
        raise Problem("malformed-request")
    name, value = header.groups()
    if not value.isascii():
        _check_unicode(value)
    return name, value


def _check_headers(headers: list[tuple[bytes, bytes]], version: str) -> None:
    """Raises `Problem` for headers that contradict each other, and for a length that is unclear."""
    seen: dict[bytes, bytes] = {}
    for written, value in headers:
        name = written.lower()
        if name in seen and name in _SAID_ONCE:
            raise Problem("malformed-request")
        seen[name] = value
    if version == "HTTP/1.1" and b"host" not in seen:
        raise Problem("malformed-request")
    if b"transfer-encoding" in seen:
        # RFC 9112, section 6.3: a server may insist on a Content-Length. With it nobody has to parse chunks, and both
        # CL.TE and TE.CL have nothing to disagree about.
        raise Problem("malformed-request" if b"content-length" in seen else "length-required")
    if b"content-length" in seen and not _LENGTH.fullmatch(seen[b"content-length"]):
        raise Problem("malformed-request")


def _check_unicode(value: bytes) -> None:
    try:
        value.decode()
    except UnicodeDecodeError:
        raise Problem("malformed-request") from None
