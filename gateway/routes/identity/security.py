"""Security signals, for those who watch over the platform."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from gateway.routing import Route
from gateway.schemas import EXAMPLE_ID, EXAMPLE_INSTANT, Answer, Count, Cursor, Id, Instant, NextCursor, says
from shared.contracts.vocabulary import SIGNAL_KINDS, STAFF_GUARDS

STAFF = frozenset(STAFF_GUARDS)


class SignalFilterSchema(Schema):
    """Which signals."""

    kind = fields.String(
        validate=OneOf(SIGNAL_KINDS), load_default=None, metadata=says("Signals of this kind.", "signin_failed")
    )
    cursor = Cursor()
    limit = Count(1, 200, load_default=50, metadata=says("How many at most.", 50))


class SignalSchema(Answer):
    """Something that may be an attack."""

    signal_id = Id(metadata=says("The signal; for a new device the session.", EXAMPLE_ID))
    kind = fields.String(validate=OneOf(SIGNAL_KINDS), metadata=says("What it is.", "signin_failed"))
    detail = fields.String(allow_none=True, metadata=says("Why, or of what sort.", "wrong_password"))
    account_id = Id(allow_none=True, metadata=says("Whose account it concerns, if anybody's.", EXAMPLE_ID))
    network = fields.String(
        allow_none=True,
        metadata=says("Stands for the network: the same for the same one.", "9f86d081884c7d659a2feaa0c55ad015"),
    )
    operation = fields.String(allow_none=True, metadata=says("What was refused.", "audit_list_records"))
    occurred_at = Instant(metadata=says("When it happened.", EXAMPLE_INSTANT))


class SignalPageSchema(Answer):
    """A page of signals, newest first."""

    items = fields.List(fields.Nested(SignalSchema))
    next_cursor = NextCursor()


class SignalCountSchema(Answer):
    """How many signals of one kind there were."""

    kind = fields.String(validate=OneOf(SIGNAL_KINDS), metadata=says("The kind.", "signin_failed"))
    signals = fields.Integer(metadata=says("How many.", 12))


class SignalCountsSchema(Answer):
    """How many signals there were, one entry per kind."""

    since = Instant(metadata=says("From when on they are counted: a day ago.", EXAMPLE_INSTANT))
    counts = fields.List(fields.Nested(SignalCountSchema))


routes = [
    Route(
        "GET",
        "/v1/security/signals",
        guards=STAFF,
        calls="identity.list_signals",
        summary="List security signals",
        description=(
            "Failed and throttled sign-ins, refusals to people who are signed in, tokens presented after their end, "
            "dropped spam and new devices. Refusals, tokens and spam are told once an hour for the same session and "
            "operation, token or network."
        ),
        tag="Security",
        query=SignalFilterSchema,
        answers=SignalPageSchema,
    ),
    Route(
        "GET",
        "/v1/security/signals/counts",
        guards=STAFF,
        calls="identity.count_signals",
        summary="Count the security signals of a day",
        tag="Security",
        answers=SignalCountsSchema,
    ),
]
