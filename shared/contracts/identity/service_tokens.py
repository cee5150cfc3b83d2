"""Events of the tokens by which programs of internal teams follow feeds."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from marshmallow import fields
from marshmallow.validate import Length, OneOf, Regexp

from shared.contracts.events import event
from shared.contracts.fields import public
from shared.contracts.services import PUBLISHERS
from shared.contracts.times import Moment

SHORTEST_TEAM_NAME, LONGEST_TEAM_NAME = 2, 40
TEAM_NAME = r"[a-z][a-z0-9]*(-[a-z0-9]+)*\Z"
"""Of a team or a program, never of a person; so it has neither capitals nor spaces, and an operator is told."""


@event(version=1)
class ServiceTokenIssued:
    """An operator let the programs of an internal team follow the feeds of some services, for a time."""

    token_id: UUID = public(fields.UUID(required=True))
    team: str = public(
        fields.String(
            required=True,
            validate=[Length(SHORTEST_TEAM_NAME, LONGEST_TEAM_NAME), Regexp(TEAM_NAME)],
            metadata={"example": "data-platform"},
        )
    )
    feeds: list[str] = public(fields.List(fields.String(validate=OneOf(PUBLISHERS)), required=True))
    expires_at: datetime = public(Moment(required=True))
    issued_at: datetime = public(Moment(required=True))


@event(version=1)
class ServiceTokenRevoked:
    """The programs of a team can no longer follow anything with a token."""

    token_id: UUID = public(fields.UUID(required=True))
    revoked_at: datetime = public(Moment(required=True))
