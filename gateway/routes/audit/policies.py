"""Policies: their versions, what people acknowledge, and what counted for whom."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import Length, OneOf, Regexp

from gateway.routing import ANY_PERSON, COMPLIANCE, PUBLIC, Route
from gateway.schemas import (
    EXAMPLE_ID,
    EXAMPLE_INSTANT,
    Answer,
    CommandAnswer,
    Count,
    Id,
    Instant,
    Prose,
    Statement,
    Text,
    locale_field,
    says,
)
from shared.contracts.versions import POLICY_VERSION_PATTERN
from shared.contracts.vocabulary import (
    ACKNOWLEDGEMENTS,
    FIRST_POLICY_VERSION,
    LOCALES,
    POLICIES,
    POLICY_STATES,
    PRIVACY_POLICY,
)

EXAMPLE_URL = "https://okacrm.net/privacy/2027-01-01"
EXAMPLE_DIGEST = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def policy_field(**options: Any) -> fields.String:
    return fields.String(validate=OneOf(POLICIES), metadata=says("Which document.", PRIVACY_POLICY), **options)


def version_field(example: str = FIRST_POLICY_VERSION, **options: Any) -> fields.String:
    return fields.String(
        validate=Regexp(f"^(?:{POLICY_VERSION_PATTERN})$", re.ASCII),
        metadata=says("Which version: a day, and a number if the day has several.", example),
        **options,
    )


class SummarySchema(Schema):
    """What changes, in one language."""

    language = locale_field(required=True)
    subject = Text(200, required=True, metadata=says("The subject.", "Our privacy policy changes on 1 January"))
    text = Prose(
        5000,
        required=True,
        metadata=says("What changes; an empty line begins another paragraph.", "From 1 January we keep less."),
    )


class PolicyEditionSchema(Schema):
    """A version of a policy that is to be made known."""

    policy = policy_field(required=True)
    policy_version = version_field("2027-01-01", required=True)
    material = Statement(
        required=True,
        metadata=says("Whether people have to be told of the change, whatever they said about updates.", True),
    )
    notice_days = Count(
        0, 365, required=True, metadata=says("How many days before it takes effect; thirty if it is material.", 30)
    )
    effective_at = Instant(required=True, metadata=says("When it takes effect.", "2027-01-01T00:00:00.000000Z"))
    summaries = fields.List(
        fields.Nested(SummarySchema),
        required=True,
        validate=Length(1, len(LOCALES)),
        metadata={"description": "In English, and in as many other languages as it is written in."},
    )
    document_url = Text(
        500, pattern="https://[!-~]+", required=True, metadata=says("Where the full text is.", EXAMPLE_URL)
    )
    document_sha256 = Text(
        64,
        pattern="[0-9a-f]{64}",
        required=True,
        metadata=says("SHA-256 of its bytes, in hexadecimal.", EXAMPLE_DIGEST),
    )

    @validates_schema
    def write_once(self, data: dict[str, Any], **more: Any) -> None:
        languages = [each["language"] for each in data["summaries"]]
        if len(set(languages)) < len(languages):
            raise ValidationError("Write each language once.", "summaries")


class ChangedPolicySchema(CommandAnswer):
    """A version of a policy after what was decided about it."""

    policy = policy_field()
    policy_version = version_field()


class SummaryAnswerSchema(Answer):
    """What changes, in one language."""

    language = locale_field()
    subject = fields.String(metadata=says("The subject.", "Our privacy policy changes on 1 January"))
    text = fields.String(metadata=says("What changes.", "From 1 January we keep less."))


class PolicySchema(Answer):
    """A version of a policy. The first was not published by this platform, which began with it."""

    policy = policy_field()
    policy_version = version_field()
    state = fields.String(validate=OneOf(POLICY_STATES), metadata=says("How it stands.", "in_force"))
    effective_at = Instant(metadata=says("When it takes effect, or did.", EXAMPLE_INSTANT))
    published_at = Instant(allow_none=True, metadata=says("When it was made known, or null.", EXAMPLE_INSTANT))
    material = fields.Boolean(
        allow_none=True, metadata=says("Whether people had to be told of the change, or null.", True)
    )
    notice_days = fields.Integer(allow_none=True, metadata=says("Days of notice at the least, or null.", 30))
    summaries = fields.List(fields.Nested(SummaryAnswerSchema))
    document_url = fields.String(allow_none=True, metadata=says("Where the full text is, or null.", EXAMPLE_URL))
    document_sha256 = fields.String(
        allow_none=True, metadata=says("SHA-256 of its bytes, in hexadecimal, or null.", EXAMPLE_DIGEST)
    )


class PoliciesSchema(Answer):
    """Every version that is or was in force, or is to come."""

    items = fields.List(fields.Nested(PolicySchema))


class ReviewedPolicySchema(PolicySchema):
    """A version of a policy with the records of what was decided about it."""

    published_by = fields.String(allow_none=True, metadata=says("Who published it.", f"compliance:{EXAMPLE_ID}"))
    record_id = Id(allow_none=True, metadata=says("The record of its publication, or null.", EXAMPLE_ID))
    withdrawn_at = Instant(allow_none=True, metadata=says("When it was taken back, or null.", EXAMPLE_INSTANT))
    withdrawn_by = fields.String(allow_none=True, metadata=says("Who took it back.", f"compliance:{EXAMPLE_ID}"))
    withdrawal_record_id = Id(allow_none=True, metadata=says("The record of that, or null.", EXAMPLE_ID))


def checkpoint_field() -> fields.Integer:
    return fields.Integer(metadata=says("Size of the checkpoint that the answer shows the log at.", 42))


class ReviewedPoliciesSchema(Answer):
    """Every version there ever was."""

    items = fields.List(fields.Nested(ReviewedPolicySchema))
    checkpoint = checkpoint_field()


class PolicyQuestionSchema(Schema):
    """For whom, and at which moment."""

    subject = Id(required=True, metadata=says("The person.", EXAMPLE_ID))
    at = Instant(load_default=None, metadata=says("The moment, or now.", EXAMPLE_INSTANT))


def how_field(**options: Any) -> fields.String:
    return fields.String(
        validate=OneOf(ACKNOWLEDGEMENTS),
        metadata=says("By registering, by saying so, or by using the product on after it took effect.", "explicit"),
        **options,
    )


class AcknowledgementSchema(Answer):
    """An acknowledgement, and the record that shows it."""

    policy_version = version_field()
    how = how_field()
    acknowledged_at = Instant(metadata=says("When.", EXAMPLE_INSTANT))
    recorded_at = Instant(metadata=says("When the log received it.", EXAMPLE_INSTANT))
    record_id = Id(metadata=says("The record that shows it.", EXAMPLE_ID))


class ToldSchema(Answer):
    """A notice that reached a mail server for the person, and the record that shows it."""

    told_at = Instant(metadata=says("When.", EXAMPLE_INSTANT))
    record_id = Id(metadata=says("The record that shows it.", EXAMPLE_ID))


class PolicyForSubjectSchema(Answer):
    """What counted of one policy, and what of it had reached the person."""

    policy = policy_field()
    policy_version = version_field()
    effective_at = Instant(metadata=says("Since when it counted.", EXAMPLE_INSTANT))
    record_id = Id(allow_none=True, metadata=says("The record of its publication, or null.", EXAMPLE_ID))
    told = fields.Nested(
        ToldSchema, allow_none=True, metadata={"description": "How the person was told of it; null if they were not."}
    )
    acknowledgement = fields.Nested(
        AcknowledgementSchema, allow_none=True, metadata={"description": "Of this version, or null."}
    )
    last_acknowledgement = fields.Nested(
        AcknowledgementSchema, allow_none=True, metadata={"description": "Of whichever version, or null."}
    )


class PoliciesForSubjectSchema(Answer):
    """Which versions counted at a moment, and what of them had reached a person by then."""

    subject = Id(metadata=says("The person.", EXAMPLE_ID))
    at = Instant(metadata=says("The moment.", EXAMPLE_INSTANT))
    checkpoint = checkpoint_field()
    policies = fields.List(fields.Nested(PolicyForSubjectSchema))


class OwnPolicySchema(Answer):
    """A version of a policy, and one's own acknowledgement of it."""

    policy = policy_field()
    policy_version = version_field()
    state = fields.String(validate=OneOf(POLICY_STATES), metadata=says("How it stands.", "in_force"))
    effective_at = Instant(metadata=says("When it takes effect, or did.", EXAMPLE_INSTANT))
    how = how_field(allow_none=True)
    acknowledged_at = Instant(allow_none=True, metadata=says("When it was acknowledged, or null.", EXAMPLE_INSTANT))


class OwnPoliciesSchema(Answer):
    """What is in force, what is to come, and what one acknowledged before."""

    items = fields.List(fields.Nested(OwnPolicySchema))


class AcknowledgedPolicySchema(CommandAnswer):
    """The acknowledgement, which is the first one that was given."""

    policy = policy_field()
    policy_version = version_field()
    how = how_field()
    acknowledged_at = Instant(metadata=says("When.", EXAMPLE_INSTANT))


def of_version() -> dict[str, fields.String]:
    return {"policy": policy_field(required=True), "policy_version": version_field(required=True)}


routes = [
    Route(
        "GET",
        "/v1/policies",
        guards=PUBLIC,
        calls="audit.list_policies",
        summary="List the versions of the policies",
        tag="Policies",
        answers=PoliciesSchema,
    ),
    Route(
        "GET",
        "/v1/policies/{policy}/{policy_version}",
        guards=PUBLIC,
        calls="audit.read_policy",
        summary="Read a version of a policy",
        tag="Policies",
        parameters=of_version(),
        answers=PolicySchema,
    ),
    Route(
        "GET",
        "/v1/me/policies",
        guards=ANY_PERSON,
        calls="identity.list_own_policies",
        summary="See which policies count, and what one acknowledged",
        tag="Policies",
        answers=OwnPoliciesSchema,
        scope="profile:read",
    ),
    Route(
        "PUT",
        "/v1/me/policies/{policy}/{policy_version}/acknowledgement",
        guards=ANY_PERSON,
        calls="identity.acknowledge_policy",
        summary="Acknowledge a version of a policy",
        description=(
            "One that is in force or to come. Whoever signs in, or goes on with a session, after a version took effect "
            "acknowledges it by that; of each version the first acknowledgement is kept. None is ever a consent."
        ),
        tag="Policies",
        parameters=of_version(),
        answers=AcknowledgedPolicySchema,
        problems=("policy-not-current", "account-not-found", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/audit/policies",
        guards=COMPLIANCE,
        calls="audit.publish_policy",
        summary="Publish a version of a policy",
        description=(
            "Everybody who has an account at this moment is written to with the summary, in their language or else in "
            "English: of a material change whatever they said about notices, of another one unless they did not want "
            "to be told. It can be withdrawn until it takes effect."
        ),
        tag="Audit",
        body=PolicyEditionSchema,
        answers=ChangedPolicySchema,
        status=201,
        step_up=True,
        problems=("policy-version-taken", "policy-notice-too-short", "policy-out-of-order", "words-missing"),
    ),
    Route(
        "PUT",
        "/v1/audit/policies/{policy}/{policy_version}/withdrawal",
        guards=COMPLIANCE,
        calls="audit.withdraw_policy",
        summary="Withdraw a version before it takes effect",
        description="Its name is not given again. What people were told of it stays on record.",
        tag="Audit",
        parameters=of_version(),
        answers=ChangedPolicySchema,
        step_up=True,
        problems=("policy-in-effect",),
    ),
    Route(
        "GET",
        "/v1/audit/policies",
        guards=COMPLIANCE,
        calls="audit.review_policies",
        summary="List every version of the policies with its records",
        tag="Audit",
        scope="audit:read",
        answers=ReviewedPoliciesSchema,
    ),
    Route(
        "GET",
        "/v1/audit/policies/in-force",
        guards=COMPLIANCE,
        calls="audit.read_policies_in_force",
        summary="Ask which policies counted for a person at a moment",
        description=(
            "What was in force for everybody, whether this person had been told of it, and what they had acknowledged."
        ),
        tag="Audit",
        scope="audit:read",
        query=PolicyQuestionSchema,
        answers=PoliciesForSubjectSchema,
    ),
]
