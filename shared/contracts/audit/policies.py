"""Events of the policies that the house publishes: texts of the house, meant for everybody, and about nobody."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from uuid import UUID

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range, Regexp

from shared.contracts.events import event
from shared.contracts.fields import public
from shared.contracts.times import Moment
from shared.contracts.versions import PolicyVersion
from shared.contracts.vocabulary import LOCALES, POLICIES


class SummarySchema(Schema):
    """What changes, in one language."""

    language = fields.String(required=True, validate=OneOf(LOCALES))
    subject_line = fields.String(required=True, validate=[Length(1, 200), Regexp(r"[^\x00-\x1f\x7f]*\Z")])
    text = fields.String(required=True, validate=Length(1, 5000))


@event(version=1)
class PolicyPublished:
    """A version of a policy was made known `notice_days` or more before it takes effect.

    `summaries` say what changes, in English and in other languages. A `material` change is one that people have to be
    told of. The document is at `document_url`, and is the one with the hash `document_sha256`.
    """

    policy_id: UUID = public(fields.UUID(required=True))
    policy: str = public(fields.String(required=True, validate=OneOf(POLICIES)))
    policy_version: str = public(PolicyVersion(required=True))
    material: bool = public(fields.Boolean(required=True))
    notice_days: int = public(fields.Integer(required=True, strict=True, validate=Range(0, 365)))
    summaries: list[dict[str, Any]] = public(
        fields.List(fields.Nested(SummarySchema), required=True, validate=Length(1, len(LOCALES)))
    )
    document_url: str = public(
        fields.String(
            required=True,
            validate=[Length(1, 500), Regexp(r"https://[!-~]+\Z")],
            metadata={"example": "https://okacrm.net/privacy/2027-01-01"},
        )
    )
    document_sha256: str = public(
        fields.String(required=True, validate=Regexp(r"[0-9a-f]{64}\Z", re.ASCII), metadata={"example": "0" * 64})
    )
    published_at: datetime = public(Moment(required=True))
    effective_at: datetime = public(Moment(required=True))


@event(version=1)
class PolicyWithdrawn:
    """A version of a policy was taken back before it took effect; its name is not given again."""

    policy_id: UUID = public(fields.UUID(required=True))
    policy: str = public(fields.String(required=True, validate=OneOf(POLICIES)))
    policy_version: str = public(PolicyVersion(required=True))
    withdrawn_at: datetime = public(Moment(required=True))
