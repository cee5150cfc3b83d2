"""Links that are sent by mail: the request is an event, and the link that it asks for counts from then on."""

from __future__ import annotations

from uuid import UUID

from services.identity import link_tokens
from services.identity.accounts import Account, LinkRequest
from services.identity.links import PASSWORD_RESET, VERIFICATION
from services.identity.service.application import Identity
from shared.eventstore.work import UnitOfWork


def request_verification(app: Identity, work: UnitOfWork, account: Account) -> None:
    """Asks for the message of verification, unless there is no need for another one."""
    request_id = work.new_id()
    work.record(account, account.request_verification(request_id, now=work.now))
    keep_link(app, work, account, VERIFICATION, account.verification, request_id)


def request_reset(app: Identity, work: UnitOfWork, account: Account) -> None:
    """Asks for the message with which a password is chosen, unless there is no need for another one."""
    request_id = work.new_id()
    work.record(account, account.request_password_reset(request_id, now=work.now))
    keep_link(app, work, account, PASSWORD_RESET, account.password_reset, request_id)


def keep_link(
    app: Identity, work: UnitOfWork, account: Account, purpose: str, request: LinkRequest | None, request_id: UUID
) -> None:
    """Makes the link of an account's last request count, if it is the one with this id: it may have been needless."""
    if request is not None and request.id == request_id:
        link_tokens.keep(work.connection, app.secret, purpose, account.id, request)
