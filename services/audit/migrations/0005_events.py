"""The audit service's own events: who asked what of the log."""

from alembic import context

from shared.eventstore.ddl import create_event_store, create_feed_epochs

revision = "audit_0005"
down_revision = "audit_0004"


def upgrade() -> None:
    role = context.config.attributes["roles"]["service"]
    create_event_store(role)
    create_feed_epochs(role)
