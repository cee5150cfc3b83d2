"""The register of purposes is whole: everything that is recorded has its entry, and everything asked has its words."""

from __future__ import annotations

from services.identity.notices.kinds import KINDS
from shared.contracts.categories import Category
from shared.contracts.purposes import CONSENT_WORDINGS, NOTICE_PURPOSES, REGISTER
from shared.contracts.vocabulary import (
    COOKIE_PURPOSES,
    COOKIE_WORDINGS,
    LEGAL_BASES,
    LOCALES,
    NOTICE_KINDS,
    PURPOSES,
    RECORDED_PURPOSES,
)


def test_what_is_recorded_and_what_people_are_written_about_has_an_entry():
    assert set(RECORDED_PURPOSES) <= set(REGISTER)
    assert set(NOTICE_PURPOSES) == set(NOTICE_KINDS)
    assert set(NOTICE_PURPOSES.values()) <= set(REGISTER)


def test_entries_use_closed_words():
    for purpose in REGISTER.values():
        assert purpose.legal_basis in LEGAL_BASES
        assert set(purpose.categories) <= {category.value for category in Category}


def test_consent_is_never_required_and_nothing_else_is_asked_for():
    for purpose in REGISTER.values():
        if purpose.legal_basis == "consent":
            assert not purpose.required
        else:
            assert not purpose.wordings


def test_a_notice_rests_on_what_its_purpose_rests_on():
    for name, kind in KINDS.items():
        purpose = REGISTER[NOTICE_PURPOSES[name]]
        assert (kind.legal_basis, kind.refusable) == (purpose.legal_basis, not purpose.required)


def test_people_are_asked_in_every_language_and_older_words_stay():
    for id in (*PURPOSES, *COOKIE_PURPOSES.values()):
        wordings = REGISTER[id].wordings
        versions = [wording.version for wording in wordings]
        assert versions == sorted(set(versions))
        assert set(wordings[-1].text) == set(LOCALES)
        assert all(wording.text["en"] for wording in wordings)


def test_all_consents_are_asked_for_in_the_newest_words_and_so_are_cookies():
    assert {REGISTER[id].wording_in_force for id in PURPOSES} == {CONSENT_WORDINGS[-1]}
    assert {REGISTER[id].wording_in_force for id in COOKIE_PURPOSES.values()} == {COOKIE_WORDINGS[-1]}
