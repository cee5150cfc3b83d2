"""Links that are sent by mail: the request is an event, and the link that it asks for counts from then on."""

from __future__ import annotations

from uuid import UUID

from services.identity.access import throttles
from services.identity.accounts import link_tokens
from services.identity.accounts.aggregate import Account, LinkRequest
from services.identity.accounts.links import PASSWORD_RESET, VERIFICATION
from services.identity.application import Identity
from shared.bus.actors import Client
from shared.contracts.fields import Erased
from shared.contracts.mailboxes import can_be_written_to
from shared.eventstore.work import UnitOfWork


def request_verification(app: Identity, work: UnitOfWork, account: Account, client: Client | None) -> None:
    """Asks for the message of verification, unless there is no need for another one or too many were asked for."""
    request_id = work.new_id()
    asked = list(account.request_verification(request_id, now=work.now))
    if asked and may_be_mailed(app, work, account.email, client):
        work.record(account, iter(asked))
        keep_link(app, work, account, VERIFICATION, account.verification, request_id)


def request_reset(app: Identity, work: UnitOfWork, account: Account, client: Client | None) -> None:
    """Asks for the message to reset a password, unless there is no need for another one or too many were asked for."""
    request_id = work.new_id()
    asked = list(account.request_password_reset(request_id, now=work.now))
    # Nobody who names the mailbox of others is to use up the mails by which they find back in.
    address = None if account.verified_at else account.email
    if asked and may_be_mailed(app, work, address, client):
        work.record(account, iter(asked))
        keep_link(app, work, account, PASSWORD_RESET, account.password_reset, request_id)


def request_first_password(app: Identity, work: UnitOfWork, account: Account) -> None:
    """Asks for the message with which somebody of the house chooses a password."""
    request_id = work.new_id()
    work.record(account, account.request_password_reset(request_id, now=work.now))
    keep_link(app, work, account, PASSWORD_RESET, account.password_reset, request_id)


def may_be_mailed(app: Identity, work: UnitOfWork, to: str | Erased | None, client: Client | None) -> bool:
    """Whether one more mail may go to an address that somebody named, or of a client if none is given; counts it."""
    if to is not None and not (isinstance(to, str) and can_be_written_to(to)):
        return False
    return throttles.count_mail(work.connection, app.secret, to, client, work.now)


def keep_link(
    app: Identity, work: UnitOfWork, account: Account, purpose: str, request: LinkRequest | None, request_id: UUID
) -> None:
    """Makes the link of an account's last request count, if it is the one with this id: it may have been needless."""
    if request is not None and request.id == request_id:
        link_tokens.keep(work.connection, app.secret, purpose, account.id, request)
