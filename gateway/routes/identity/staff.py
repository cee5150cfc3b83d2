"""What staff decide about the accounts of others."""

from __future__ import annotations

from marshmallow import Schema, fields

from gateway.routes.identity.me import GuardsSchema
from gateway.routing import COMPLIANCE, STAFF, Route
from gateway.schemas import EXAMPLE_ID, EXAMPLE_INSTANT, Answer, CommandAnswer, Id, Instant, says, staff_guard_field


def account_id() -> Id:
    return Id(required=True, metadata=says("Whose account it is.", EXAMPLE_ID))


def request_id() -> Id:
    return Id(required=True, metadata=says("Which request.", EXAMPLE_ID))


class StaffGuardSchema(Schema):
    """A guard of the house."""

    guard = staff_guard_field(required=True)


class GuardRequestMadeSchema(CommandAnswer):
    """A request that waits for a second person."""

    request_id = Id(metadata=says("The request.", EXAMPLE_ID))
    expires_at = Instant(metadata=says("Until when it can be decided.", EXAMPLE_INSTANT))


class GuardRequestSchema(Answer):
    """Somebody who is to act for the house."""

    request_id = Id(metadata=says("The request.", EXAMPLE_ID))
    account_id = Id(metadata=says("Who is to hold the guard.", EXAMPLE_ID))
    guard = staff_guard_field()
    requested_by = Id(allow_none=True, metadata=says("Who asked; null for an operator.", EXAMPLE_ID))
    requested_at = Instant(metadata=says("When.", EXAMPLE_INSTANT))
    expires_at = Instant(metadata=says("Until when it can be decided.", EXAMPLE_INSTANT))


class GuardRequestsSchema(Answer):
    """The requests that wait."""

    items = fields.List(fields.Nested(GuardRequestSchema))


routes = [
    Route(
        "POST",
        "/v1/staff/accounts/{account_id}/guards",
        guards=STAFF,
        calls="identity.request_guard",
        summary="Ask that a colleague may act for the house",
        description=(
            "Asks for the guard `compliance` or `staff`, for an account whose address is verified; nobody asks for "
            "their own. Somebody else of the house has to approve it within seven days. Whoever watches over the "
            "platform sees a signal."
        ),
        tag="Staff",
        parameters={"account_id": account_id()},
        body=StaffGuardSchema,
        answers=GuardRequestMadeSchema,
        status=201,
        step_up=True,
        problems=(
            "guard-already-held",
            "guard-already-requested",
            "email-not-verified",
            "own-account",
            "subject-erased",
        ),
    ),
    Route(
        "DELETE",
        "/v1/staff/accounts/{account_id}/guards/{guard}",
        guards=STAFF,
        calls="identity.revoke_guard",
        summary="Let somebody act for the house no longer",
        description=(
            "Takes the guard `compliance` or `staff` away, and ends all sessions and API tokens of the person, who is "
            "told by mail. One person is enough for that."
        ),
        tag="Staff",
        parameters={"account_id": account_id(), "guard": staff_guard_field(required=True)},
        answers=GuardsSchema,
        step_up=True,
        problems=("guard-not-held", "own-account", "subject-erased"),
    ),
    Route(
        "GET",
        "/v1/staff/guard-requests",
        guards=STAFF | COMPLIANCE,
        calls="identity.list_guard_requests",
        summary="See who is to act for the house",
        description="The requests that wait for a second person, oldest first.",
        tag="Staff",
        answers=GuardRequestsSchema,
    ),
    Route(
        "PUT",
        "/v1/staff/guard-requests/{request_id}/approval",
        guards=STAFF | COMPLIANCE,
        calls="identity.approve_guard",
        summary="Approve that somebody acts for the house",
        description=(
            "Adds the guard that was asked for. Neither whoever asked nor the person themselves can approve it. All "
            "sessions and API tokens of the person end, and they are told by mail."
        ),
        tag="Staff",
        parameters={"request_id": request_id()},
        answers=CommandAnswer,
        step_up=True,
        problems=(
            "guard-request-closed",
            "own-request",
            "own-account",
            "guard-already-held",
            "email-not-verified",
            "subject-erased",
        ),
    ),
    Route(
        "PUT",
        "/v1/staff/guard-requests/{request_id}/refusal",
        guards=STAFF | COMPLIANCE,
        calls="identity.refuse_guard",
        summary="Refuse that somebody acts for the house",
        description="Anybody of the house can; whoever asked takes it back by that.",
        tag="Staff",
        parameters={"request_id": request_id()},
        answers=CommandAnswer,
        step_up=True,
        problems=("guard-request-closed",),
    ),
    Route(
        "PUT",
        "/v1/staff/accounts/{account_id}/deactivation",
        guards=STAFF,
        calls="identity.deactivate_account",
        summary="Deactivate an account",
        description=(
            "Ends all sessions and API tokens of the person; from then on sign-in is refused as if the password were "
            "wrong. Where they were the last owner of an organisation who could act, another member becomes an owner."
        ),
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
