"""A query means what it says, says of itself what it means, and points at what is wrong with it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit.search.language import LONGEST_QUERY, QUALIFIERS, QueryInvalid, parse, parse_known
from services.audit.tree.leaves import Leaf, SealedField

ADA = "01a20c42-da9d-7000-8000-000000000001"
BEN = "01a20c42-da9d-7000-8000-000000000002"
SPACE = "01a20c42-da9d-7000-8000-00000000000f"
KEY = "01a20c42-da9d-7000-8000-0000000000aa"


def leaf(**changes) -> Leaf:
    document = {
        "event_id": KEY,
        "publisher": "identity",
        "epoch": 1,
        "position": 1,
        "workspace": None,
        "workspace_counter": None,
        "stream": f"account-{ADA}",
        "stream_version": 1,
        "type": "okacrm.identity.consent_granted",
        "schema_version": 1,
        "actor": f"influencer:{ADA}",
        "subjects": [ADA],
        "correlation": KEY,
        "causation": None,
        "occurred_at": "2026-03-31T23:59:59.999999Z",
        "received_at": "2026-04-01T00:00:01.000000Z",
        "data": {},
        "sealed": [],
    }
    return Leaf(**document | changes)


SEALED = [SealedField("email", "identity", ADA, KEY, "0" * 64)]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", leaf()),
        (f"subject:{ADA}", leaf()),
        (f"subject:{BEN},{ADA}", leaf()),
        (f'subject:"{ADA}"', leaf()),
        (f"-subject:{BEN}", leaf()),
        ("actor:influencer", leaf()),
        (f"actor:influencer:{ADA}", leaf()),
        ("type:identity.consent_granted", leaf()),
        ("type:okacrm.identity.consent_granted publisher:identity", leaf()),
        ("category:identity", leaf(sealed=SEALED)),
        ("-category:technical", leaf(sealed=SEALED)),
        (f"workspace:{SPACE}", leaf(workspace=SPACE, workspace_counter=1)),
        (f"recipient:{SPACE}", leaf(data={"recipient_id": SPACE})),
        ("occurred:2026-03-31", leaf()),
        ("occurred:2026-01-01..2026-03-31", leaf()),
        ("occurred:..2026-03-31", leaf()),
        ("occurred:2026-03-31T23:59:59.999999Z", leaf()),
        ("occurred:2026-04-01T01:59:59+02:00..", leaf()),
        ("-occurred:2026-04-01..", leaf()),
    ],
)
def test_a_record_is_wanted(query, wanted):
    assert parse(query).holds(wanted)


@pytest.mark.parametrize(
    "query",
    [
        f"subject:{BEN}",
        f"-subject:{ADA}",
        f"subject:{ADA} subject:{BEN}",
        "actor:staff",
        f"actor:influencer:{BEN}",
        "type:identity.consent_withdrawn",
        "publisher:audit",
        "category:identity",
        f"workspace:{SPACE}",
        f"recipient:{SPACE}",
        "occurred:2026-04-01..",
        "occurred:..2026-03-30",
        "occurred:..2026-03-31T23:59:59Z",
        "-occurred:2026-03-31",
    ],
)
def test_a_record_is_not_wanted(query):
    assert not parse(query).holds(leaf())


@pytest.mark.parametrize(
    ("query", "at_fault"),
    [
        ("ada", "ada"),
        ("what did ada do", "what"),
        ("type:identity.consent_granted ada", "ada"),
        ("colour:red", "colour"),
        ("Type:identity.consent_granted", "Type"),
        ("subject:ada", "ada"),
        (f"subject:{ADA},ben", "ben"),
        (f"subject:{ADA.replace('-', '')}", ADA.replace("-", "")),
        ('type:"identity.consent_granted', '"identity.consent_granted'),
        (f'subject:"{ADA}"x', "x"),
        ("actor:Ada!", "Ada!"),
        ("type:consent_granted", "consent_granted"),
        ("publisher:Identity", "Identity"),
        ("category:secret", "secret"),
        ("occurred:yesterday", "yesterday"),
        ("occurred:2026-02-30", "2026-02-30"),
        ("occurred:2026-01-01T12:00:00", "2026-01-01T12:00:00"),
        ("occurred:2026-02-01..2026-01-01", "2026-02-01..2026-01-01"),
        ("occurred:..", ".."),
        ("occurred:2026-01-01,2026-01-02", "2026-01-02"),
        ("occurred:0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
        ("occurred:9999-12-31", "9999-12-31"),
        ("- type:identity.consent_granted", "-"),
    ],
)
def test_what_is_wrong_is_pointed_at(query, at_fault):
    with pytest.raises(QueryInvalid) as refused:
        parse(query)
    start = refused.value.position
    assert query[start : start + refused.value.length] == at_fault


@pytest.mark.parametrize("query", ["type:", "type:identity.consent_granted,", "subject:,", "type: identity"])
def test_a_missing_value_is_pointed_at(query):
    with pytest.raises(QueryInvalid, match="missing") as refused:
        parse(query)
    assert query[: refused.value.position].rstrip(",").count(":") == 1


@pytest.mark.parametrize(
    ("query", "at_fault"),
    [
        ("type:identity.consent_grantd", "identity.consent_grantd"),
        ("type:identity.consent_granted,billing.invoice_sent", "billing.invoice_sent"),
        ("-type:okacrm.identity.consent", "okacrm.identity.consent"),
        ("publisher:identity,biling", "biling"),
        ('publisher:"nobody"', "nobody"),
        (f"actor:robot:{ADA}", f"robot:{ADA}"),
    ],
)
def test_a_name_that_nothing_has_is_pointed_at(query, at_fault):
    with pytest.raises(QueryInvalid, match="There is no such") as refused:
        parse_known(query, lambda qualifier, value: False)
    assert query[refused.value.position :][: refused.value.length] == at_fault


def test_a_name_is_known_from_the_contracts_or_from_the_log():
    query = f"type:identity.consent_granted publisher:audit actor:staff,influencer:{ADA} subject:{ADA} workspace:{BEN}"
    assert parse_known(query, lambda qualifier, value: False) == parse(query)
    held = {("type", "okacrm.crm.deal_closed"), ("publisher", "crm"), ("actor", "robot")}
    query = "type:crm.deal_closed publisher:crm actor:robot"
    assert parse_known(query, lambda *name: name in held) == parse(query)


def test_a_query_is_bounded():
    with pytest.raises(QueryInvalid, match="characters"):
        parse("x" * (LONGEST_QUERY + 1))
    with pytest.raises(QueryInvalid, match="terms"):
        parse("actor:staff " * 21)
    with pytest.raises(QueryInvalid, match="values"):
        parse("actor:" + ",".join(["staff"] * 51))


terms = st.builds(
    lambda negated, term: ("-" if negated else "") + term,
    st.booleans(),
    st.sampled_from(
        [
            f"subject:{ADA}",
            f"subject:{ADA},{BEN}",
            "actor:influencer",
            "type:identity.consent_granted",
            "publisher:identity,audit",
            "category:technical",
            "occurred:2026-03-31",
            "occurred:2026-03-31T23:59:59.5Z..",
            "occurred:..2026-01-01",
        ]
    ),
)


@given(st.lists(terms, max_size=6))
def test_a_query_says_what_it_means(parts):
    query = parse(" ".join(parts))
    assert parse(str(query)) == query


@given(st.text(alphabet=st.sampled_from('subjectypvocra:-,". 0129TZ'), max_size=40))
def test_any_text_is_a_query_or_refused_at_a_place_within_it(text):
    place = None
    try:
        parse(text)
    except QueryInvalid as refused:
        place = (refused.position, refused.length)
    assert place is None or (0 <= place[0] <= len(text) and place[1] >= 1)


def test_periods_are_kept_in_utc():
    (period,) = parse("occurred:2026-03-31T12:00:00+02:00..").within
    assert period.since == datetime(2026, 3, 31, 10, tzinfo=UTC)


def test_the_persons_asked_about_are_named():
    query = parse(f"subject:{ADA} -subject:{BEN} publisher:identity")
    assert [str(each) for each in query.subjects] == [ADA, BEN]
    assert "occurred" in QUALIFIERS
