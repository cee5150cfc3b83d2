"""Every table of every service is in the register, or says nothing of anybody."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from shared.privacy.processing import ACTIVITIES, CARRIERS

WITHOUT_PERSONAL_DATA = {
    "alembic_version",
    "announcement_wordings",
    "audited",
    "checkpoints",
    "comparison_findings",
    "comparisons",
    "corrections",
    "cursors",
    "disclosure_days",
    "distributions",
    "export_progress",
    "feed_epochs",
    "feed_head",
    "jobs",
    "log_days",
    "log_head",
    "loops",
    "parked_streams",
    "policy_versions",
    "recipient_endings",
    "recipient_versions",
    "service_token_hashes",
    "service_tokens",
    "tiles",
    "workspace_counters",
}
WHAT_TO_DO = (
    "a table that holds something of people stands in `keeps` of an activity in shared/privacy/processing.py, and one "
    "that does not in WITHOUT_PERSONAL_DATA here"
)


@pytest.mark.parametrize("service", ["identity", "audit"])
def test_every_table_is_accounted_for(databases, service):
    with databases.engine(service, "owner").connect() as connection:
        tables = set(
            connection.scalars(text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"))
        )
    in_register = {kept.table for each in ACTIVITIES for kept in each.keeps if kept.service == service}
    assert in_register <= tables
    assert tables - in_register - CARRIERS.keys() <= WITHOUT_PERSONAL_DATA, WHAT_TO_DO
    assert not in_register & WITHOUT_PERSONAL_DATA
