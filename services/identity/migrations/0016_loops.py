"""How loops of the courier stand."""

from alembic import context

from shared.bus.ddl import create_loops

revision = "identity_0016"
down_revision = "identity_0015"


def upgrade() -> None:
    create_loops(context.config.attributes["roles"]["service"])
