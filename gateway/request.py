"""What is received: the parts of a request, each read once, within bounds, and refused when it cannot be understood."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Collection, Mapping
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote

from werkzeug.datastructures import Accept
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_accept_header, parse_etags, parse_options_header

from gateway.limits import Standing
from gateway.perimeter import Provenance
from shared.contracts.problems import Problem

LARGEST_BODY = 64 * 1024
LARGEST_FORM = 4 * 1024
LONGEST_URL = 8 * 1024
MOST_PARAMETERS = 50
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
SAFE_METHODS = frozenset({"GET", "HEAD"})
HANG_UP = "okacrm.hang_up"
"""Key of the WSGI environment under which the server offers to close the connection after the answer."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DIGITS = re.compile(r"[0-9]{1,18}", re.ASCII)


class Request:
    """A WSGI environment, read as this gateway reads it."""

    __slots__ = (
        "_body_read",
        "environ",
        "id",
        "idempotency_key",
        "method",
        "path_template",
        "provenance",
        "standing",
    )

    def __init__(self, environ: Mapping[str, Any], provenance: Provenance) -> None:
        self.environ = environ
        self.provenance = provenance
        self.method: str = environ["REQUEST_METHOD"]
        self.id = _request_id(environ.get("HTTP_X_REQUEST_ID"))
        self.path_template = "unmatched"
        """The path without what stands in it: fit for logs and metrics."""
        self.idempotency_key = ""
        self.standing: Standing | None = None
        """Where whoever asks stands with their quota, once it was charged."""
        self._body_read = False

    def header(self, name: str) -> str | None:
        """A header by its WSGI name, such as `HTTP_ACCEPT`."""
        return self.environ.get(name)

    @property
    def client_address(self) -> str:
        """The IP address that the request comes from, behind the proxies that are trusted."""
        return self.provenance.client_address

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE_METHODS

    def accepts_encoding(self, coding: str) -> bool:
        """Whether the client says that it reads a content coding."""
        accepted = parse_accept_header(self.environ.get("HTTP_ACCEPT_ENCODING", ""), Accept)
        return bool(accepted.quality(coding) > 0)

    def has_copy_of(self, tag: str) -> bool:
        """Whether the client holds what has this entity tag (RFC 9110, section 13.1.2)."""
        return parse_etags(self.environ.get("HTTP_IF_NONE_MATCH")).contains_weak(tag)

    @property
    def raw_path(self) -> str:
        """The path as it was sent."""
        raw: str = self.environ.get("RAW_PATH_INFO") or self.environ.get("PATH_INFO", "")
        return raw

    def path_segments(self) -> list[str]:
        """The path, split and then decoded, so that an escaped slash stays inside its segment."""
        raw = self.raw_path
        query: str = self.environ.get("QUERY_STRING", "")
        if len(raw) + len(query) > LONGEST_URL or not query.isascii():
            raise Problem("malformed-request")
        segments = raw.split("/")[1:]
        if "%" in raw or not raw.isascii():
            segments = [_decoded(segment) for segment in segments]
        return segments

    def query(self) -> dict[str, str]:
        """The parameters of the query. One that is given twice is refused, for nobody can know which is meant."""
        raw: str = self.environ.get("QUERY_STRING", "")
        if not raw:
            return {}
        if _BROKEN_ESCAPE.search(raw):
            raise Problem("malformed-request")
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
        except ValueError:
            raise Problem("malformed-request") from None
        parameters = dict(pairs)
        if len(parameters) != len(pairs):
            raise Problem("malformed-request")
        return parameters

    @property
    def has_body(self) -> bool:
        return "HTTP_TRANSFER_ENCODING" in self.environ or self.environ.get("CONTENT_LENGTH") not in (None, "", "0")

    def json_object(self) -> dict[str, Any]:
        """The body: one JSON object without repeated names, `NaN`, or text that is not Unicode."""
        self._check_media_type()
        body = self._read_body(LARGEST_BODY)
        try:
            value = json.loads(body.decode(), object_pairs_hook=_without_repeats, parse_constant=_refuse)
            if b"\\u" in body:
                json.dumps(value, ensure_ascii=False).encode()  # fails on a lone surrogate
        except (ValueError, RecursionError):
            raise Problem("malformed-json") from None
        if not isinstance(value, dict):
            raise Problem("malformed-json")
        return value

    def form(self) -> dict[str, str]:
        """The body: what an HTML form sends, without files. A name that is given twice is refused."""
        media_type, options = parse_options_header(self.environ.get("CONTENT_TYPE", ""))
        if media_type not in FORMS:
            raise Problem("unsupported-media-type")
        self._check_not_encoded()
        body = self._read_body(LARGEST_FORM)
        parser = FormDataParser(max_form_parts=MOST_PARAMETERS, silent=False)
        try:
            _, values, files = parser.parse(BytesIO(body), media_type, len(body), options)
        except (ValueError, HTTPException):
            raise Problem("malformed-request") from None
        if files or any(len(each) > 1 for _, each in values.lists()):
            raise Problem("malformed-request")
        return values.to_dict()

    def file(self, media_types: Collection[str], largest: int) -> bytes:
        """The body: a file of one of these media types, and not empty."""
        if self.environ.get("CONTENT_TYPE", "").lower().strip() not in media_types:
            raise Problem("unsupported-media-type")
        self._check_not_encoded()
        body = self._read_body(largest)
        if not body:
            raise Problem("malformed-request")
        return body

    def let_go(self) -> None:
        """Before the answer: a body that was not read, and might be long, is not worth keeping the connection for."""
        if self._body_read or not self.has_body:
            return
        length = self.environ.get("CONTENT_LENGTH", "")
        if "HTTP_TRANSFER_ENCODING" in self.environ or not _DIGITS.fullmatch(length) or int(length) > LARGEST_BODY:
            self._hang_up()

    def _check_media_type(self) -> None:
        media_type, _, parameter = self.environ.get("CONTENT_TYPE", "").lower().partition(";")
        if media_type.strip() != "application/json" or parameter.replace('"', "").strip() not in ("", "charset=utf-8"):
            raise Problem("unsupported-media-type")
        self._check_not_encoded()

    def _check_not_encoded(self) -> None:
        if self.environ.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
            raise Problem("unsupported-media-type")

    def _read_body(self, largest: int) -> bytes:
        length = self.environ.get("CONTENT_LENGTH")
        if not length or "HTTP_TRANSFER_ENCODING" in self.environ:
            raise Problem("length-required")
        if not _DIGITS.fullmatch(length):
            raise Problem("malformed-request")
        expected = int(length)
        if expected > largest:
            raise Problem("body-too-large")
        body = self._read(expected)
        if len(body) < expected:
            raise Problem("malformed-request")
        self._body_read = True
        return body

    def _read(self, length: int) -> bytes:
        try:
            body: bytes = self.environ["wsgi.input"].read(length)
        except TimeoutError:
            self._hang_up()
            raise Problem("request-too-slow") from None
        except (OSError, ValueError):  # the client went away
            self._hang_up()
            raise Problem("malformed-request") from None
        return body

    def _hang_up(self) -> None:
        hang_up: Callable[[], None] = self.environ.get(HANG_UP, _nothing)
        hang_up()


def _request_id(given: str | None) -> str:
    return given if given is not None and _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())


def _decoded(segment: str) -> str:
    if _BROKEN_ESCAPE.search(segment):
        raise Problem("malformed-request")
    try:
        return unquote(segment, encoding="latin-1").encode("latin-1").decode()
    except UnicodeError:
        raise Problem("malformed-request") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is repeated")
    return members


def _refuse(constant: str) -> None:
    raise ValueError("not a JSON number")


def _nothing() -> None:
    pass
