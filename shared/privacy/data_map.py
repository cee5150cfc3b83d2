"""The data map: every personal field of every event, joined with the register of processing activities.

It is made from the schemas of the events whenever it is asked for, so it cannot fall behind them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.contracts import audit, identity  # noqa: F401 - registers the contracts
from shared.contracts.categories import Category
from shared.contracts.events import Contract, contract_of, contracts
from shared.privacy.processing import (
    ACTIVITIES,
    CARRIERS,
    CONTROLLER,
    POLICY_PURPOSES,
    RECIPIENTS,
    SECURITY_MEASURES,
    SUBJECTS,
    Activity,
    Kept,
)

AUDIT = "audit"


@dataclass(frozen=True)
class PersonalField:
    """One personal field of an event: where it is, what it is, and which activities need it."""

    event_type: str
    version: int
    name: str
    category: Category
    of: str
    publisher: str
    activities: tuple[str, ...]

    @property
    def services(self) -> tuple[str, ...]:
        """Who holds it, sealed: its publisher, and audit, which holds everything and can open nothing."""
        return tuple(dict.fromkeys((self.publisher, AUDIT)))


def personal_fields(activities: Iterable[Activity] = ACTIVITIES) -> list[PersonalField]:
    """Every personal field of every contract, by type, version and name."""
    known = list(activities)
    return [field for contract in contracts() for field in _fields_of(contract, known)]


def _fields_of(contract: Contract, activities: list[Activity]) -> Iterator[PersonalField]:
    for name, spec in sorted(contract.personal_fields.items()):
        assert spec.category is not None
        assert spec.subject_field is not None
        covering = tuple(each.name for each in activities if _covers(each, contract, spec.category))
        yield PersonalField(
            contract.type, contract.version, name, spec.category, spec.subject_field, contract.publisher, covering
        )


def _covers(activity: Activity, contract: Contract, category: Category) -> bool:
    """Whether an activity covers fields of a category in an event, in whichever version of it."""
    return any(contract_of(event).type == contract.type and category in them for event, them in activity.covers.items())


def categories_of(activity: Activity) -> list[Category]:
    """The categories of data of an activity: those that it covers and keeps."""
    found = {category for them in activity.covers.values() for category in them}
    found |= {each.category for each in activity.keeps}
    return [category for category in Category if category in found]


def services_of(activity: Activity) -> list[str]:
    """Which services hold what an activity needs."""
    publishers = {contract_of(event).publisher for event in activity.covers}
    beside = {each.service for each in activity.keeps}
    return sorted(publishers | beside | ({AUDIT} if publishers else set()))


def retention_of(kept: Kept) -> str:
    """How long a table keeps its rows, in words."""
    if kept.after is not None:
        return f"{_spelled(kept.after)} after {kept.ends}"
    return "for ever" if kept.ends == "never" else f"until {kept.ends}"


def retention_of_category(category: Category) -> str:
    """How long values of a category can be read in events, in words: what their keys' scope is, and what law keeps."""
    words = {"nothing": "one key for each person", "connection": "a key for each connection of a person"}
    scope = words.get(category.ages_by, f"a key for each person and {category.ages_by}")
    ends = "also after the person is erased, as law requires" if category.kept_by_law else "until it is destroyed"
    return f"{scope}, {ends}"


def register() -> dict[str, Any]:
    """The record of processing activities and the data map, as one document of JSON values."""
    return {
        "controller": dict(CONTROLLER),
        "security_measures": list(SECURITY_MEASURES),
        "activities": [_activity_view(each) for each in ACTIVITIES],
        "categories": [
            {
                "category": category.value,
                "retention": retention_of_category(category),
                "activities": [each.name for each in ACTIVITIES if category in categories_of(each)],
            }
            for category in Category
        ],
        "purposes": [
            {
                "purpose": purpose,
                "description": description,
                "activities": [each.name for each in ACTIVITIES if purpose in each.purposes],
            }
            for purpose, description in POLICY_PURPOSES.items()
        ],
        "fields": [
            {
                "type": each.event_type,
                "schema_version": each.version,
                "field": each.name,
                "category": each.category.value,
                "of": each.of,
                "services": list(each.services),
                "activities": list(each.activities),
            }
            for each in personal_fields()
        ],
    }


def _activity_view(activity: Activity) -> dict[str, Any]:
    return {
        "name": activity.name,
        "title": activity.title,
        "description": activity.description,
        "purposes": list(activity.purposes),
        "legal_bases": [{"basis": basis, "because": because} for basis, because in activity.legal_bases.items()],
        "subjects": list(activity.subjects),
        "categories": [category.value for category in categories_of(activity)],
        "recipients": list(activity.recipients),
        "transfers": activity.transfers,
        "services": services_of(activity),
        "tables": [
            {
                "service": kept.service,
                "table": kept.table,
                "what": kept.what,
                "category": kept.category.value,
                "form": kept.form,
                "retention": retention_of(kept),
            }
            for kept in activity.keeps
        ],
    }


_PREFACE = """# Processing register and data map

This page is written by `okacrm privacy map`, from the schemas of the events and from the register in
`shared/privacy/processing.py`; a test fails while it is out of date, and while a personal field belongs to no activity.
It is the record that Art. 30(1) GDPR asks for, and `GET /v1/audit/processing-register` answers the same as JSON.
"""


def data_map_page() -> str:
    """The register and the map, in Markdown."""
    return "\n".join((_PREFACE, *_general(), *_activities(), *_map(), ""))


def _general() -> Iterator[str]:
    yield f"Controller: {CONTROLLER['name']}, {CONTROLLER['contact']}."
    yield from ("", "## Measures of security", "")
    yield from (f"- {measure}." for measure in SECURITY_MEASURES)
    yield from ("", "## Purposes", "", "Those of section 4 of the privacy policy.", "")
    yield from _table(
        ("purpose", "what for", "activities"),
        (
            (f"`{purpose}`", words, _names(each.name for each in ACTIVITIES if purpose in each.purposes))
            for purpose, words in POLICY_PURPOSES.items()
        ),
    )
    yield from ("", "## Categories of data", "")
    yield "Those of section 2 of the privacy policy. Events are kept for ever; what of them can be read, keys decide."
    yield ""
    yield from _table(
        ("category", "can be read", "activities"),
        (
            (
                f"`{category.value}`",
                retention_of_category(category),
                _names(each.name for each in ACTIVITIES if category in categories_of(each)),
            )
            for category in Category
        ),
    )
    yield from ("", "## People", "")
    yield from _definitions(SUBJECTS)
    yield from ("", "## Recipients", "", "Those of section 7 of the privacy policy, by kind.", "")
    yield from _definitions(RECIPIENTS)


def _activities() -> Iterator[str]:
    yield from ("", "## Activities")
    for activity in ACTIVITIES:
        yield from ("", f"### {activity.title}", "", activity.description, "")
        yield from _table(
            (f"`{activity.name}`", ""),
            (
                ("purposes", _listed(activity.purposes)),
                ("legal bases", "; ".join(f"`{basis}`: {why}" for basis, why in activity.legal_bases.items())),
                ("people", _listed(activity.subjects)),
                ("categories", _listed(category.value for category in categories_of(activity))),
                ("recipients", _listed(activity.recipients)),
                ("transfers", activity.transfers),
                ("services", _listed(services_of(activity))),
            ),
        )
        if activity.keeps:
            yield ""
            yield from _table(
                ("service", "table", "holds", "category", "as", "kept"),
                (
                    (kept.service, f"`{kept.table}`", kept.what, kept.category.value, kept.form, retention_of(kept))
                    for kept in activity.keeps
                ),
            )


def _map() -> Iterator[str]:
    yield from (
        "",
        "## Personal fields of events",
        "",
        "Each is sealed where it stands: at its publisher, in messages, and beside the audit log. `of` is the field",
        "that says whose it is.",
        "",
    )
    yield from _table(
        ("event", "field", "category", "of", "services", "activities"),
        (
            (
                f"`{each.event_type.removeprefix('okacrm.')}` v{each.version}",
                f"`{each.name}`",
                each.category.value,
                f"`{each.of}`",
                ", ".join(each.services),
                _names(each.activities),
            )
            for each in personal_fields()
        ),
    )
    yield from ("", "Tables that hold events as they were recorded, or say where they stand:", "")
    yield from _definitions(CARRIERS)


def _spelled(span: timedelta) -> str:
    if span % timedelta(days=1):
        return f"{span // timedelta(hours=1)} hours"
    return "a day" if span.days == 1 else f"{span.days} days"


def _definitions(words: Mapping[str, str]) -> Iterator[str]:
    return (f"- `{name}`: {said}" for name, said in words.items())


def _names(names: Iterable[str]) -> str:
    return _listed(names) or "not processed yet"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)
