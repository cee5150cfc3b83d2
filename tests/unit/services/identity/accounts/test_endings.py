"""The table of what ends when: every event of an account has a line, and what must end on which of them does."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from marshmallow.validate import OneOf

from services.identity.accounts.aggregate import Account, EmailChangeRequest, LinkRequest
from services.identity.accounts.endings import ENDINGS, NOTHING, Sessions, ending_of
from shared.contracts.events import contract_of
from shared.contracts.vocabulary import SESSION_ENDINGS, TOKEN_ENDINGS
from tests.making import NOON, example_of

ALL, OTHERS, STAY = Sessions.ALL_END, Sessions.OTHERS_END, Sessions.STAY

ENDS = {
    # event and, where it matters, how: sessions, tokens, links, what was made before
    "account_verified by_link": (OTHERS, True, True, False),
    "account_verified by_invitation": (OTHERS, True, True, False),
    "account_verified by_reset": (ALL, True, True, True),
    "account_email_changed": (STAY, False, True, False),
    "account_password_changed changed": (OTHERS, True, True, False),
    "account_password_changed reset": (ALL, True, True, False),
    "account_second_factor_disabled by_person": (OTHERS, False, True, False),
    "account_second_factor_disabled by_staff": (ALL, True, True, False),
    "account_second_factor_disabled address_proven": (ALL, True, True, False),
    "account_guard_added staff": (ALL, True, True, False),
    "account_guard_added compliance": (ALL, True, True, False),
    "account_guard_revoked staff": (ALL, True, True, False),
    "account_guard_revoked compliance": (ALL, True, True, False),
    "account_deactivated by_person": (ALL, True, True, False),
    "account_deactivated by_staff": (ALL, True, True, False),
    "account_erased": (ALL, True, True, False),
}
"""What must end, said once more in words of its own."""


def variants():
    """An example of every event of an account, one for each word on which it may depend what ends."""
    for event_class in Account._evolutions:
        contract = contract_of(event_class)
        example = example_of(contract)
        words = [
            (name, word)
            for name in ("how", "guard")
            if name in contract.fields
            for validator in contract.fields[name].wire.validators
            if isinstance(validator, OneOf)
            for word in validator.choices
        ]
        for name, word in words or [("", "")]:
            occasion = f"{contract.name} {word}".strip()
            yield pytest.param(occasion, replace(example, **{name: word}) if name else example, id=occasion)


@pytest.mark.parametrize(("occasion", "event"), list(variants()))
def test_every_event_of_an_account_ends_what_it_must_and_nothing_else(occasion, event):
    ending = ending_of(event)
    # Of some events it does not matter how they came about.
    expected = ENDS.get(occasion)
    if expected is None:
        assert ending == NOTHING
    else:
        assert (ending.sessions, ending.tokens, ending.links, ending.made_before) == expected


def test_no_line_of_the_table_is_about_what_cannot_happen():
    occasions = {param.values[0] for param in variants()}
    assert set(ENDS) <= occasions


@pytest.mark.parametrize("ending", [each for each in ENDINGS.values() if each.sessions is not STAY or each.tokens])
def test_what_ends_can_say_so(ending):
    assert ending.word in SESSION_ENDINGS
    assert not ending.tokens or ending.word in TOKEN_ENDINGS


@pytest.mark.parametrize(("occasion", "event"), list(variants()))
def test_where_links_end_another_can_be_asked_for_at_once(occasion, event):
    account = Account(uuid4(), guards=["influencer", "staff", "compliance"], registered_at=NOON)
    account.consents[getattr(event, "purpose", "")] = NOON
    request = LinkRequest(uuid4(), NOON)
    account.verification = account.password_reset = request
    account.email_change = EmailChangeRequest(uuid4(), NOON, "ada@example.org")
    account.apply(event)
    if ending_of(event).links:
        assert (account.verification, account.email_change, account.password_reset) == (None, None, None)
    else:
        assert request in (account.verification, account.password_reset)
