"""Fields that requests and answers are made of.

A loaded value is what travels in a call to a service: JSON, in one spelling. Messages never repeat what was submitted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

from shared.contracts.codes import code_as_meant
from shared.contracts.countries import COUNTRIES
from shared.contracts.mailboxes import LONGEST, mailbox
from shared.contracts.time_zones import TIME_ZONES
from shared.contracts.times import END_OF_TIMES, FIRST_MOMENT
from shared.contracts.visible import must_be_readable, must_be_seen
from shared.contracts.vocabulary import GUARDS, LOCALES, PURPOSES, STAFF_GUARDS

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_COUNT = re.compile(r"\d{1,16}", re.ASCII)
_TILE_INDEX = re.compile(r"(x(?!000)\d{3}/(x\d{3}/){0,3})?\d{3}", re.ASCII)
_CODE = re.compile(r"[A-Z0-9]{1,40}", re.ASCII)

EXAMPLE_ID = "019abf2e-5c1d-7a40-9c52-7d1f0a3b6e11"
EXAMPLE_INSTANT = "2026-11-24T09:30:00.000000Z"
EXAMPLE_CURSOR = "uFfcr7QXq4dNq3oYb7Wn1N4sQ1p4m8QG0k2ZtqvRj7cXo2J9"
LONGEST_CURSOR = 200
EXAMPLE_HASH = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def says(description: str, example: Any) -> dict[str, Any]:
    """What the documentation says about a field."""
    return {"description": description, "example": example}


def _check(rule: Callable[[str], Any], text: str) -> None:
    """Holds a text to a rule, whose `ValueError` is the message about it."""
    try:
        rule(text)
    except ValueError as reason:
        raise ValidationError(str(reason)) from None


class Text(fields.String):
    """One line of text: all of it can be seen, and its length is bounded."""

    def __init__(self, longest: int, *, shortest: int = 1, pattern: str | None = None, **options: Any) -> None:
        super().__init__(
            validate=[Length(shortest, longest), *([Regexp(f"^(?:{pattern})$", re.ASCII)] if pattern else [])],
            **options,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **more)
        _check(must_be_seen, text)
        return text


class Prose(fields.String):
    """Text of several lines: it can be read, and its length is bounded."""

    def __init__(self, longest: int, **options: Any) -> None:
        super().__init__(validate=Length(1, longest), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **more)
        _check(must_be_readable, text)
        return text


class Secret(fields.String):
    """A password: any text up to a length that is safe to hash, with no rule that would make it easier to guess."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validate=Length(1, 1024), **options)


class Address(fields.Email):
    """An e-mail address that we can write to, as it is written."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validate=Length(max=LONGEST), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        address: str = super()._deserialize(value, attr, data, **more)
        _check(mailbox, address)
        return address


class Statement(fields.Boolean):
    """Something a person states: `true` or `false` and no other spelling of them."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid")
        return value


class Id(fields.UUID):
    """A UUID in its usual spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not isinstance(value, str) or not _UUID.fullmatch(value):
            raise self.make_error("invalid_uuid")
        return value.lower()


class Instant(fields.AwareDateTime):
    """A moment as RFC 3339 with an offset; loads as the same moment in UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not isinstance(value, str) or not _INSTANT.fullmatch(value):
            raise ValidationError(
                "Not an RFC 3339 time with an offset, such as 2026-11-24T09:30:00Z (a + is sent as %2B)."
            )
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("There is no such moment.") from None
        if not FIRST_MOMENT <= moment < END_OF_TIMES:
            raise ValidationError("A moment lies in the years from 1900 to 2999.")
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


class Day(fields.Date):
    """A day (UTC); loads as it is written."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValidationError("Not a day such as 2026-11-24.")
        day = super()._deserialize(value, attr, data, **more)
        if not FIRST_MOMENT.date() <= day < END_OF_TIMES.date():
            raise ValidationError("A day lies in the years from 1900 to 2999.")
        return day.isoformat()


class Count(fields.Integer):
    """A number of something, in decimal digits."""

    def __init__(self, smallest: int, largest: int = 2**53 - 1, **options: Any) -> None:
        super().__init__(validate=Range(smallest, largest), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> int:
        if isinstance(value, bool) or not _COUNT.fullmatch(str(value)):
            raise self.make_error("invalid")
        return int(value)


class Numeral(Count):
    """A number in the one spelling that an address may have: no leading zeros."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> int:
        number = super()._deserialize(value, attr, data, **more)
        if str(value) != str(number):
            raise self.make_error("invalid")
        return number


class TileIndex(fields.String):
    """Index of a tile in groups of three digits, all but the last with an x before them (C2SP tlog-tiles)."""

    def __init__(self, *, metadata: dict[str, Any], **options: Any) -> None:
        super().__init__(metadata=metadata | {"pattern": f"^{_TILE_INDEX.pattern}$"}, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> Any:
        if not isinstance(value, str) or not _TILE_INDEX.fullmatch(value):
            raise self.make_error("invalid")
        return int(value.replace("x", "").replace("/", ""))


class TimeZone(Text):
    """An IANA time zone."""

    def __init__(self, **options: Any) -> None:
        super().__init__(64, metadata=says("IANA time zone.", "Europe/Berlin"), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        text = super()._deserialize(value, attr, data, **more)
        if text not in TIME_ZONES:
            raise ValidationError("Not an IANA time zone.")
        return text


class Country(Text):
    """A country."""

    def __init__(self, **options: Any) -> None:
        super().__init__(2, shortest=2, metadata=says("ISO 3166-1 alpha-2 code.", "DE"), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        text = super()._deserialize(value, attr, data, **more)
        if text not in COUNTRIES:
            raise ValidationError("Not an ISO 3166-1 alpha-2 code.")
        return text


class LinkToken(Text):
    """The token of a link that was sent by mail."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            100,
            pattern="[A-Za-z0-9_-]+",
            required=True,
            metadata=says("The `token` of the link in the message.", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
            **options,
        )


class OneTimeCode(fields.String):
    """A code of an authenticator, or a recovery code; loads without what only makes it easier to read."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            validate=Length(1, 100),
            metadata=says(
                "Six digits of the authenticator, or one of the recovery codes. Spaces, dashes and case do not count.",
                "492039",
            ),
            **options,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **more: Any) -> str:
        code = code_as_meant(super()._deserialize(value, attr, data, **more))
        if not _CODE.fullmatch(code):
            raise ValidationError("Not a code: letters and digits.")
        return code


class Cursor(fields.String):
    """Where a list goes on: what the gateway sealed. What is no cursor it tells by opening it, and always alike."""

    def __init__(self) -> None:
        super().__init__(
            load_default=None,
            metadata=says("`next_cursor` of the page before; all but `limit` stays the same.", EXAMPLE_CURSOR)
            | {"pattern": "^[A-Za-z0-9_-]+$", "maxLength": LONGEST_CURSOR},
        )


class NextCursor(fields.String):
    """Where the next page begins."""

    def __init__(self, remark: str = "") -> None:
        description = "Send it as `cursor` for the next page; null on the last."
        super().__init__(allow_none=True, metadata=says(f"{description} {remark}".rstrip(), EXAMPLE_CURSOR))


def username_field(**options: Any) -> Text:
    return Text(
        30,
        shortest=3,
        pattern="[A-Za-z0-9._]+",
        metadata=says("A name of one's own that nobody else has; case does not count.", "ada.lovelace"),
        **options,
    )


def locale_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(LOCALES), metadata=says("Preferred language (BCP 47).", "en"), **options)


def guard_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(GUARDS), metadata=says("In which capacity.", "influencer"), **options)


def staff_guard_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(STAFF_GUARDS), metadata=says("In which capacity.", "compliance"), **options)


def purpose_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(PURPOSES), metadata=says("What the consent is for.", "product_news"), **options)


class Nothing(Schema):
    """No member at all."""


class Answer(Schema):
    """Part of an answer: every member is there unless its field says `optional`, and more members may come."""

    class Meta:
        unknown = EXCLUDE

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        field_obj.required = not field_obj.metadata.get("optional", False)


class Accepted(Answer):
    """It was taken in. What comes of it is told in a message, if anything does."""


class CommandAnswer(Answer):
    """Every command says which stream it wrote to and how far that stream has come."""

    stream = fields.String(metadata=says("The stream that was written to.", f"account-{EXAMPLE_ID}"))
    version = fields.Integer(metadata=says("The stream's version after it.", 1))
