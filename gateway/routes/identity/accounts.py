"""Registering an account, and the links that are sent by mail."""

from __future__ import annotations

from marshmallow import Schema

from gateway.routing import ANY_PERSON, PUBLIC, Route, SessionStep
from gateway.schemas import (
    EXAMPLE_ID,
    Accepted,
    Address,
    CommandAnswer,
    Country,
    Id,
    LinkToken,
    Secret,
    Statement,
    Text,
    TimeZone,
    locale_field,
    says,
)
from shared.contracts.vocabulary import FIRST_POLICY_VERSION


def new_password() -> Secret:
    return Secret(
        required=True,
        metadata=says("At least 12 characters that are hard to guess.", "violet-harbour-lantern-42"),
    )


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
        40, required=True, metadata=says("Version of the privacy policy that was read.", FIRST_POLICY_VERSION)
    )
    password = new_password()
    locale = locale_field()
    referral = Text(500, metadata=says("Where the person came from, such as a campaign.", "autumn-fair"))


class AccountSchema(CommandAnswer):
    """The new account."""

    account_id = Id(metadata=says("The account, which is also the person's subject id.", EXAMPLE_ID))


class LinkFollowedSchema(Schema):
    """What shows that a message was read."""

    token = LinkToken()


class ForgottenPasswordSchema(Schema):
    """Whose password is forgotten."""

    email = Address(required=True, metadata=says("Address of the account.", "ada@example.org"))


class PasswordResetSchema(LinkFollowedSchema):
    """Another password, for whoever followed the link."""

    password = new_password()


routes = [
    Route(
        "POST",
        "/v1/accounts",
        guards=PUBLIC,
        calls="identity.register_account",
        summary="Register an account",
        description=(
            "Creates the account of an influencer, and sends a message with which the address is verified, unless too "
            "many were asked for to this mailbox or from this network; then ask for it again later. Sign in with "
            "`POST /v1/sessions` afterwards. For an address that has an account already, the answer is the same and "
            "nothing is made: whoever has the mailbox is told by mail. What the browser's visitor chose about cookies "
            "is the account's from now on, and the visitor's cookie is dropped."
        ),
        tag="Accounts",
        body=RegistrationSchema,
        answers=AccountSchema,
        status=201,
        session=SessionStep.REGISTERS,
        tells_client=True,
        problems=("password-too-weak", "age-statement-required", "policy-version-unknown"),
    ),
    Route(
        "POST",
        "/v1/email-verifications",
        guards=ANY_PERSON,
        calls="identity.verify_email",
        summary="Verify an address",
        description=(
            "Shows, by the link that was sent to it, that the address of the account is the person's own: the link "
            "shows the mailbox, and the session that the account is theirs as well. Other sessions of the person end. "
            "Before that, a second factor, an API token, another guard and an organisation are `email-not-verified`."
        ),
        tag="Accounts",
        body=LinkFollowedSchema,
        answers=CommandAnswer,
        before_second_factor=True,
        problems=("link-invalid", "account-not-found", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/email-changes",
        guards=ANY_PERSON,
        calls="identity.confirm_email_change",
        summary="Confirm another address",
        description=(
            "Moves the person's account to the address that the link was sent to. The old address is told, and what "
            "was sent there counts no more."
        ),
        tag="Accounts",
        body=LinkFollowedSchema,
        answers=CommandAnswer,
        problems=("link-invalid", "email-taken", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/password-reset-requests",
        guards=PUBLIC,
        calls="identity.request_password_reset",
        summary="Ask for a password reset",
        description=(
            "Sends a message with a link to the address, if there is an account with it. The answer, and the time it "
            "takes, are the same if there is none."
        ),
        tag="Accounts",
        body=ForgottenPasswordSchema,
        answers=Accepted,
        status=202,
        tells_client=True,
    ),
    Route(
        "POST",
        "/v1/password-resets",
        guards=PUBLIC,
        calls="identity.reset_password",
        summary="Reset a password",
        description=(
            "Takes another password from whoever followed the link, and ends all sessions, API tokens and links of the "
            "account. A link counts once. Where the address was not verified before, it is by this, and whatever "
            "somebody else may have made ends as well: second factor, memberships and consents."
        ),
        tag="Accounts",
        body=PasswordResetSchema,
        answers=CommandAnswer,
        problems=("link-invalid", "password-too-weak", "subject-erased"),
    ),
]
