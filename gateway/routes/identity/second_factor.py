"""A person's second factor: an authenticator and its recovery codes."""

from __future__ import annotations

from marshmallow import Schema, fields

from gateway.routing import ANY_PERSON, Route
from gateway.schemas import CommandAnswer, OneTimeCode, says

EXAMPLE_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - of the documentation


class AuthenticatorSchema(CommandAnswer):
    """What an authenticator has to know. It is told here and nowhere else."""

    secret = fields.String(metadata=says("The secret, base32, to be typed in.", EXAMPLE_SECRET))
    uri = fields.String(
        metadata=says(
            "The same as an `otpauth` URI, to be shown as a QR code.",
            f"otpauth://totp/Okacrm:ada%40example.org?secret={EXAMPLE_SECRET}&issuer=Okacrm",
        )
    )


class ConfirmationSchema(Schema):
    """What shows that the authenticator knows the secret."""

    one_time_code = OneTimeCode(required=True)


class RecoveryCodesSchema(CommandAnswer):
    """Ten codes, each of which stands in for the authenticator once. They are told here and nowhere else."""

    recovery_codes = fields.List(fields.String(metadata={"example": "MFRG-GZDF-MZTW-Q2LK"}))


routes = [
    Route(
        "POST",
        "/v1/me/authenticator",
        guards=ANY_PERSON,
        calls="identity.enrol_authenticator",
        summary="Enrol an authenticator",
        description=(
            "Makes a secret for an authenticator app (TOTP, RFC 6238: SHA-1, six digits, 30 seconds). It counts once "
            "it has been confirmed with `PUT /v1/me/second-factor`; enrolling again before that makes another secret."
        ),
        tag="Second factor",
        answers=AuthenticatorSchema,
        status=201,
        step_up=True,
        before_second_factor=True,
        problems=("second-factor-enabled", "email-not-verified", "account-not-found", "subject-erased"),
    ),
    Route(
        "PUT",
        "/v1/me/second-factor",
        guards=ANY_PERSON,
        calls="identity.enable_second_factor",
        summary="Enable the second factor",
        description="Confirms the authenticator with a code of it. From then on signing in asks for a code.",
        tag="Second factor",
        body=ConfirmationSchema,
        answers=RecoveryCodesSchema,
        step_up=True,
        before_second_factor=True,
        problems=(
            "second-factor-enabled",
            "second-factor-refused",
            "email-not-verified",
            "account-not-found",
            "subject-erased",
        ),
    ),
    Route(
        "DELETE",
        "/v1/me/second-factor",
        guards=ANY_PERSON,
        calls="identity.disable_own_second_factor",
        summary="Disable the second factor",
        description="The authenticator and the recovery codes are forgotten.",
        tag="Second factor",
        answers=CommandAnswer,
        step_up=True,
        problems=("second-factor-not-enabled", "account-not-found", "subject-erased"),
    ),
    Route(
        "POST",
        "/v1/me/recovery-codes",
        guards=ANY_PERSON,
        calls="identity.renew_recovery_codes",
        summary="Renew the recovery codes",
        description="The old ones count no more.",
        tag="Second factor",
        answers=RecoveryCodesSchema,
        status=201,
        step_up=True,
        problems=("second-factor-not-enabled", "account-not-found", "subject-erased"),
    ),
]
