"""Deciding about an account, and ending what ends with that: the one place that consults the table of endings."""

from __future__ import annotations

from collections.abc import Iterator

from services.identity.access import devices, second_factors
from services.identity.access.methods.sessions import end_sessions
from services.identity.access.methods.tokens import end_tokens
from services.identity.accounts import credentials, link_tokens
from services.identity.accounts.aggregate import Account
from services.identity.accounts.endings import Ending, Sessions, ending_of
from services.identity.accounts.links import EMAIL_CHANGE, PASSWORD_RESET, VERIFICATION
from services.identity.organisations.methods.organisations import take_out_of_organisations
from shared.contracts.events import Event
from shared.eventstore.work import UnitOfWork

LINKS = (VERIFICATION, EMAIL_CHANGE, PASSWORD_RESET)
"""What the links are for that are sent to a person about their account."""


def decide(work: UnitOfWork, account: Account, events: Iterator[Event], *, keeping: str = "") -> None:
    """Ends what the table says of each event that is decided about an account, and records it.

    `keeping` is the id of the session in which it was decided.
    """
    for event in events:
        _end(work, account, ending_of(event), keeping)
        work.record(account, iter([event]))


def _end(work: UnitOfWork, account: Account, ending: Ending, keeping: str) -> None:
    if ending.sessions is not Sessions.STAY:
        kept = keeping if ending.sessions is Sessions.OTHERS_END else ""
        end_sessions(work, account.id, ending.word, but=kept)
    if ending.tokens:
        # A token that is being issued holds the password, as a sign-in does.
        credentials.keep_others_out(work.connection, account.id)
        end_tokens(work, account.id, ending.word)
    if ending.links:
        link_tokens.withdraw(work.connection, account.id, *LINKS)
    if ending.made_before:
        _end_what_was_made_before(work, account)


def _end_what_was_made_before(work: UnitOfWork, account: Account) -> None:
    """Ends what bound an account whose address nobody had shown to be theirs; before there was a rule, it could."""
    if account.second_factor:
        decide(work, account, account.disable_second_factor("address_proven", now=work.now))
    second_factors.remove(work.connection, account.id)
    devices.forget(work.connection, account.id)
    take_out_of_organisations(work, account.id, "address_proven")
