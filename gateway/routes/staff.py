"""What staff decide about the accounts of others."""

from __future__ import annotations

from marshmallow import Schema

from gateway.routes.me import GuardsSchema
from gateway.routing import COMPLIANCE, STAFF, Route
from gateway.schemas import EXAMPLE_ID, CommandAnswer, Id, says, staff_guard_field


def account_id() -> Id:
    return Id(required=True, metadata=says("Whose account it is.", EXAMPLE_ID))


class StaffGuardSchema(Schema):
    """A guard of the house."""

    guard = staff_guard_field(required=True)


routes = [
    Route(
        "POST",
        "/v1/staff/accounts/{account_id}/guards",
        guards=STAFF,
        calls="identity.add_guard",
        summary="Let a colleague act for the house",
        description="Adds the guard `compliance` or `staff` to an account. Nobody adds one to their own.",
        tag="Staff",
        parameters={"account_id": account_id()},
        body=StaffGuardSchema,
        answers=GuardsSchema,
        step_up=True,
        problems=("guard-already-held", "own-account", "subject-erased"),
    ),
    Route(
        "PUT",
        "/v1/staff/accounts/{account_id}/deactivation",
        guards=STAFF,
        calls="identity.deactivate_account",
        summary="Deactivate an account",
        description="Ends all sessions of the person; from then on sign-in is refused as if the password were wrong.",
        tag="Staff",
        parameters={"account_id": account_id()},
        answers=CommandAnswer,
        step_up=True,
        problems=("own-account", "subject-erased"),
    ),
    Route(
        "DELETE",
        "/v1/staff/accounts/{account_id}/deactivation",
        guards=STAFF,
        calls="identity.reactivate_account",
        summary="Reactivate an account",
        tag="Staff",
        parameters={"account_id": account_id()},
        answers=CommandAnswer,
        step_up=True,
        problems=("own-account", "subject-erased"),
    ),
    Route(
        "PUT",
        "/v1/staff/accounts/{account_id}/restriction",
        guards=STAFF | COMPLIANCE,
        calls="identity.restrict_account",
        summary="Restrict the use of somebody's data",
        description=(
            "For as long as something about it is disputed, or because they asked (Art. 18 GDPR). From then on they "
            "are told only what serves their account or is required by law."
        ),
        tag="Staff",
        parameters={"account_id": account_id()},
        answers=CommandAnswer,
        step_up=True,
        problems=("own-account", "subject-erased"),
    ),
    Route(
        "DELETE",
        "/v1/staff/accounts/{account_id}/restriction",
        guards=STAFF | COMPLIANCE,
        calls="identity.lift_restriction",
        summary="Lift a restriction",
        tag="Staff",
        parameters={"account_id": account_id()},
        answers=CommandAnswer,
        step_up=True,
        problems=("own-account", "subject-erased"),
    ),
    Route(
        "DELETE",
        "/v1/staff/accounts/{account_id}/second-factor",
        guards=STAFF,
        calls="identity.disable_second_factor",
        summary="Disable somebody's second factor",
        description=(
            "For a person who lost both authenticator and recovery codes, and has shown otherwise who they are. They "
            "are told by mail."
        ),
        tag="Staff",
        parameters={"account_id": account_id()},
        answers=CommandAnswer,
        step_up=True,
        problems=("second-factor-not-enabled", "own-account", "subject-erased"),
    ),
]
