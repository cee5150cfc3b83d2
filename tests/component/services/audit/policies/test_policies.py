"""What the log says of policies and people is derived from its leaves alone, and read as of one checkpoint."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from services.audit.checking.fsck import check_log
from services.audit.policies import queries as policy_queries
from services.audit.subscriptions import LOG
from shared.contracts.times import rfc3339
from shared.eventstore.transaction import reading
from shared.runtime.checking import Report
from tests.component.services.audit.conftest import entry, person
from tests.making import NOON

DAY = timedelta(days=1)
ADA, BOB = person(1), person(2)


def at(days):
    return rfc3339(NOON + days * DAY)


def published(version, *, day, effective):
    return {
        "kind": "policy_published",
        "publisher": "audit",
        "type": "okacrm.audit.policy_published",
        "actor": f"compliance:{person(9)}",
        "data": {
            "policy": "privacy_policy",
            "policy_version": version,
            "material": True,
            "notice_days": 30,
            "summaries": [{"language": "en", "subject_line": "It changes", "text": "We keep less."}],
            "document_url": "https://okacrm.example/privacy",
            "document_sha256": "0" * 64,
            "published_at": at(day),
            "effective_at": at(effective),
        },
    }


def withdrawn(version, *, day):
    data = {"policy": "privacy_policy", "policy_version": version, "withdrawn_at": at(day)}
    return {"kind": "", "publisher": "audit", "type": "okacrm.audit.policy_withdrawn", "data": data}


def registered(subject, *, day):
    data = {"policy_version": "2026-11-01", "registered_at": at(day)}
    return {"kind": "account_registered", "subjects": [subject], "data": data}


def acknowledged(subject, version, how, *, day):
    data = {"policy": "privacy_policy", "policy_version": version, "how": how, "acknowledged_at": at(day)}
    return {"kind": "policy_acknowledged", "subjects": [subject], "data": data}


def told(subject, about, *, day, letter="policy_published"):
    data = {"about": about, "kind": "legal", "letter": letter, "channel": "email", "sent_at": at(day)}
    return {"kind": "notice_sent", "subjects": [subject], "data": data}


@pytest.fixture
def story(log):
    """Ada is told and says so; Bob is not told, and goes on; a version that was planned is taken back."""
    happened = [
        registered(ADA, day=0),
        registered(BOB, day=0),
        published("2026-12-01", day=0, effective=30),
        published("2027-06-01", day=31, effective=200),
        withdrawn("2027-06-01", day=32),
    ]
    first = entry(2, **happened[2]).leaf.event_id
    happened += [
        told(ADA, first, day=1),
        told(BOB, first, day=1, letter="password_changed"),
        acknowledged(ADA, "2026-12-01", "explicit", day=2),
        acknowledged(BOB, "2026-12-01", "continued_use", day=40),
        registered(person(3), day=41),
    ]
    positions: dict[str, int] = {}

    def make(index):
        changes = dict(happened[index])
        publisher = changes.get("publisher", "identity")
        positions[publisher] = positions.get(publisher, 0) + 1
        return entry(index, changes.pop("kind"), position=positions[publisher], **changes)

    log.grow(len(happened), make)
    return log


def counted(log, subject, day, size=100):
    with reading(log.engine) as connection:
        (found,) = policy_queries.in_force_for(connection, UUID(subject), NOON + day * DAY, size)
    return found


def test_what_counted_for_somebody_at_a_moment(story):
    before, after = counted(story, ADA, 3), counted(story, ADA, 31)
    assert (before["policy_version"], before["acknowledgement"]["how"]) == ("2026-11-01", "registration")
    assert before["last_acknowledgement"]["policy_version"] == "2026-12-01"
    assert (after["policy_version"], after["acknowledgement"]["how"]) == ("2026-12-01", "explicit")
    assert after["told"]["told_at"] == at(1)
    assert counted(story, ADA, 300)["policy_version"] == "2026-12-01"


def test_who_goes_on_has_acknowledged_from_then_on_and_not_before(story):
    for day, how in ((39, None), (40, "continued_use")):
        found = counted(story, BOB, day)
        assert found["policy_version"] == "2026-12-01"
        assert (found["acknowledgement"] or {}).get("how") == how
        assert found["told"] is None
    assert counted(story, BOB, 39)["last_acknowledgement"]["policy_version"] == "2026-11-01"


def test_nothing_is_answered_that_no_checkpoint_covers(story):
    found = counted(story, ADA, 31, size=2)
    assert (found["policy_version"], found["told"]) == ("2026-11-01", None)


def test_a_version_that_was_withdrawn_stays_on_record_and_never_counts(story):
    with reading(story.engine) as connection:
        known = policy_queries.versions(connection, 100)
    shown = [policy_queries.version_view(each, known, NOON + 400 * DAY) for each in known]
    assert [(each["policy_version"], each["state"]) for each in shown] == [
        ("2026-11-01", "replaced"),
        ("2026-12-01", "in_force"),
        ("2027-06-01", "withdrawn"),
    ]


def test_what_contradicts_the_leaves_is_found(story):
    def found():
        findings = []
        report = Report(tell=findings.append)
        check_log(story.engine, story.signer.verifier, story.directory, LOG, report)
        return {
            (finding.what, finding.where)
            for finding in findings
            if "policy" in finding.what or "acknowledgement" in finding.what
        }

    assert found() == set()
    story.plant("UPDATE policy_acknowledgements SET how = 'explicit' WHERE leaf_index = 8")
    story.plant("DELETE FROM policy_notices")
    story.plant("INSERT INTO policy_notices SELECT gen_random_uuid(), gen_random_uuid(), now(), 3")
    assert found() == {
        ("acknowledgement-differs", "leaf 8, how"),
        ("policy-notice-missing", "leaf 5"),
        ("policy-notice-without-leaf", "leaf 3"),
    }
