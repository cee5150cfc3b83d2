"""Registering an account."""

from __future__ import annotations

from marshmallow import Schema

from gateway.routing import PUBLIC, Route
from gateway.schemas import (
    EXAMPLE_ID,
    Address,
    CommandAnswer,
    Country,
    Id,
    Secret,
    Statement,
    Text,
    TimeZone,
    says,
)
from shared.contracts.vocabulary import POLICY_VERSIONS


class RegistrationSchema(Schema):
    """A person who wants an account as an influencer."""

    email = Address(required=True, metadata=says("Address to sign in with.", "ada@example.org"))
    name = Text(200, required=True, metadata=says("Name to be addressed by.", "Ada Lovelace"))
    time_zone = TimeZone(required=True)
    country = Country(required=True)
    age_statement = Statement(
        required=True, metadata=says("States to be old enough to consent for oneself; must be `true`.", True)
    )
    accepted_policy_version = Text(
        40, required=True, metadata=says("Version of the privacy policy that was read.", POLICY_VERSIONS[-1])
    )
    password = Secret(
        required=True,
        metadata=says("At least 12 characters that are hard to guess.", "violet-harbour-lantern-42"),
    )
    referral = Text(500, metadata=says("Where the person came from, such as a campaign.", "autumn-fair"))


class AccountSchema(CommandAnswer):
    """The new account."""

    account_id = Id(metadata=says("The account, which is also the person's subject id.", EXAMPLE_ID))


routes = [
    Route(
        "POST",
        "/v1/accounts",
        guards=PUBLIC,
        calls="identity.register_account",
        summary="Register an account",
        description="Creates the account of an influencer. Sign in with `POST /v1/sessions` afterwards.",
        tag="Accounts",
        body=RegistrationSchema,
        answers=AccountSchema,
        status=201,
        problems=("email-taken", "password-too-weak", "age-statement-required", "policy-version-unknown"),
    ),
]
