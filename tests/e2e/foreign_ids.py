"""Ids of things that exist and are not for the one who asks: a maker for each name under which a route takes an id.

The leak prover finds these names in the route tables by itself. Whoever adds a route that takes a new id adds its maker
here; until then `tests/e2e/test_leaks.py` fails and says so.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from shared.contracts.vocabulary import STAFF_GUARDS
from tests.e2e.conftest import Browser
from tests.e2e.test_disclosures import recipient_body
from tests.e2e.test_tokens import token_request
from tests.making import email, eventually


@dataclass(frozen=True)
class Strangers:
    """People to whom things belong that are nobody else's business."""

    influencer: Browser
    officer: Browser
    okacrm: Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True)
class ForeignId:
    """How to come by such an id. To the guards in `open_to` none is foreign, for the reason that is given."""

    make: Callable[[Strangers], str]
    open_to: frozenset[str] = frozenset()
    because: str = ""

    def __post_init__(self) -> None:
        if bool(self.open_to) != bool(self.because):
            raise ValueError("guards to whom nothing is foreign need a reason, and only they")


def _record_about(strangers: Strangers) -> str:
    """A record of the audit log that is about the stranger."""

    def records() -> list[dict[str, str]]:
        found: list[dict[str, str]] = strangers.officer.get(
            "/audit/records", q=f"subject:{strangers.influencer.account_id}"
        )["items"]
        return found

    return str(eventually(records)[0]["id"])


def _account(strangers: Strangers) -> str:
    return strangers.influencer.account_id


def _guard_request(strangers: Strangers) -> str:
    """A request that the stranger may act for the house."""
    made = strangers.okacrm("accounts", "request-guard", strangers.influencer.account_id, "--role", "staff")
    assert made.returncode == 0, made.stderr
    return made.stdout.split()[1]


def _session(strangers: Strangers) -> str:
    return str(strangers.influencer.get("/session")["session_id"])


def _token(strangers: Strangers) -> str:
    strangers.influencer.step_up()
    return str(strangers.influencer.done("POST", "/me/tokens", token_request("profile:read"))["token_id"])


def _inquiry(strangers: Strangers) -> str:
    """An inquiry about neither law nor privacy, with which compliance officers have nothing to do."""
    inquiry = {"kind": "support", "text": "The page with my proposals stays empty."}
    return str(strangers.influencer.done("POST", "/me/inquiries", inquiry)["inquiry_id"])


def _workspace(strangers: Strangers) -> str:
    return str(strangers.influencer.done("POST", "/workspaces", {"name": "Studio Hopper"})["organisation_id"])


def _client_organisation(strangers: Strangers) -> str:
    """A client organisation of the stranger, who is a client as well."""
    stranger = Browser(strangers.influencer.base_url)
    stranger.email = strangers.influencer.email
    stranger.done("POST", "/me/guards", {"guard": "client"}, headers=stranger.bearer("influencer"))
    stranger.sign_in("client")
    return str(stranger.done("POST", "/client-organisations", {"name": "Hopper & Co"})["organisation_id"])


def _invitation(strangers: Strangers) -> str:
    """An invitation to a workspace of the stranger."""
    invited = {"email": email(), "role": "viewer"}
    path = f"/workspaces/{_workspace(strangers)}/invitations"
    return str(strangers.influencer.done("POST", path, invited)["invitation_id"])


def _recipient(strangers: Strangers) -> str:
    """A recipient in the register, as the log shows it."""
    entered: str = strangers.officer.done("POST", "/audit/recipients", recipient_body())["recipient_id"]
    eventually(lambda: strangers.officer.request("GET", f"/audit/recipients/{entered}").ok)
    return entered


def _export(strangers: Strangers) -> str:
    """An export that another officer asked for."""
    return str(strangers.officer.done("POST", "/audit/exports", {"form": "ndjson"})["export_id"])


FOREIGN_IDS: dict[str, ForeignId] = {
    "workspace_id": ForeignId(_workspace),
    "client_organisation_id": ForeignId(_client_organisation),
    "invitation_id": ForeignId(_invitation),
    "member_id": ForeignId(_account),
    "session_id": ForeignId(_session),
    "token_id": ForeignId(_token),
    "account_id": ForeignId(
        _account, open_to=frozenset(STAFF_GUARDS), because="compliance officers and staff decide about every account"
    ),
    "request_id": ForeignId(
        _guard_request, open_to=frozenset(STAFF_GUARDS), because="everybody of the house decides who joins it"
    ),
    "inquiry_id": ForeignId(_inquiry, open_to=frozenset({"staff"}), because="staff deal with every inquiry"),
    "assigned_to": ForeignId(_account),
    "record_id": ForeignId(
        _record_about, open_to=frozenset({"compliance"}), because="compliance officers read every record"
    ),
    "recipient_id": ForeignId(
        _recipient, open_to=frozenset({"compliance"}), because="compliance officers keep the register of recipients"
    ),
    "recipient": ForeignId(
        _recipient, open_to=frozenset({"compliance"}), because="compliance officers ask about every recipient"
    ),
    "consent_record_id": ForeignId(
        _record_about, open_to=frozenset({"compliance"}), because="compliance officers read every record"
    ),
    "replaced_by": ForeignId(
        _record_about, open_to=frozenset({"compliance"}), because="compliance officers read every record"
    ),
    "export_id": ForeignId(_export),
    "subject": ForeignId(
        _account, open_to=frozenset({"compliance"}), because="compliance officers ask about every person"
    ),
}

NOBODYS = {
    "token": "nobody comes upon 256 bits by chance, and they open nothing to whoever was not invited",
    "guard": "the guards are a few that everybody knows",
    "purpose": "a purpose is one of a few that everybody can consent to",
    "policy": "the policies are public",
    "policy_version": "the versions of the policies are public",
    "kind": "a kind of notice is one of a few that everybody can object to",
    "level": "the log is public",
    "index": "the log is public",
    "number": "it numbers the parts of an export, whose id is one's own",
    "width": "the log is public",
}
"""Other parameters of paths, and why none of their values can be somebody else's."""
