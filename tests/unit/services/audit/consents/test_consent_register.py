"""A leaf says for the register of consents what its event said, whichever version that was recorded under."""

from __future__ import annotations

from uuid import UUID

import pytest

import shared.contracts.audit
import shared.contracts.identity  # noqa: F401 - registers the contracts
from services.audit.consents.register import ConsentEntry, entry_of
from shared.contracts.purposes import CONSENT_WORDINGS
from shared.contracts.vocabulary import EVERY_PURPOSE, RECORDED_PURPOSES

SUBJECT = str(UUID(int=7))
SINCE, UNTIL, RECEIVED = "2026-11-01T12:00:00.000000Z", "2027-11-01T12:00:00.000000Z", "2026-11-01T12:00:01.000000Z"


@pytest.fixture
def entry(make_leaf):
    """What the register has of an event with these data."""

    def entry_for(name, schema_version=1, **data):
        leaf = make_leaf(
            1,
            type=f"okacrm.identity.{name}",
            schema_version=schema_version,
            subjects=[SUBJECT],
            received_at=RECEIVED,
            data=data,
            sealed=[],
        )
        return entry_of(leaf)

    return entry_for


def test_a_consent_is_in_the_register_with_the_words_it_answered(entry):
    told = {"purpose": "product_news", "wording_version": CONSENT_WORDINGS[-1], "legal_basis": "consent"}
    assert entry("consent_granted", schema_version=2, effective_at=SINCE, **told) == ConsentEntry(
        subject=SUBJECT,
        aspect="consent",
        channel=None,
        state="granted",
        effective_at=SINCE,
        expires_at=None,
        recorded_at=RECEIVED,
        **told,
    )


def test_a_consent_that_was_recorded_without_them_answered_the_first(entry):
    older = entry("consent_granted", purpose="product_news", effective_at=SINCE)
    assert (older.wording_version, older.legal_basis, older.state) == (CONSENT_WORDINGS[0], "consent", "granted")


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        (
            "cookie_consent_refused",
            {
                "purpose": "cookies_analytics",
                "wording_version": "2026-11-24",
                "effective_at": SINCE,
                "expires_at": UNTIL,
            },
            ("cookies_analytics", "consent", None, "refused", UNTIL),
        ),
        (
            "browser_signal_heard",
            {"purpose": "sharing", "signal": "gpc", "effective_at": SINCE},
            ("sharing", "consent", None, "objected", None),
        ),
        (
            "notice_objection_raised",
            {"kind": "product", "raised_at": SINCE},
            ("product_news", "objection", None, "objected", None),
        ),
        (
            "notice_objection_withdrawn",
            {"kind": "product", "withdrawn_at": SINCE},
            ("product_news", "objection", None, "objection_withdrawn", None),
        ),
        (
            "notice_preference_changed",
            {"kind": "policy_update", "channel": "email", "wanted": False, "changed_at": SINCE},
            ("policy_updates", "preference", "email", "not_wanted", None),
        ),
        (
            "notice_preference_changed",
            {"kind": "product", "channel": "email", "wanted": True, "changed_at": SINCE},
            ("product_news", "preference", "email", "wanted", None),
        ),
        (
            "account_restricted",
            {"restricted_at": SINCE},
            (EVERY_PURPOSE, "restriction", None, "restricted", None),
        ),
        (
            "account_unrestricted",
            {"unrestricted_at": SINCE},
            (EVERY_PURPOSE, "restriction", None, "unrestricted", None),
        ),
    ],
)
def test_everything_that_bears_on_a_purpose_is_in_the_register(entry, name, data, expected):
    told = entry(name, **data)
    assert (told.purpose, told.aspect, told.channel, told.state, told.expires_at) == expected
    assert told.effective_at == SINCE
    assert told.purpose in (*RECORDED_PURPOSES, "policy_updates", EVERY_PURPOSE)


def test_anything_else_says_nothing_for_it(entry):
    assert entry("account_registered", country="DE") is None
