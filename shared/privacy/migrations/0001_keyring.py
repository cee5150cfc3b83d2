"""The keyring: keys, and the tombstones of people who were erased as a whole."""

from alembic import context, op

revision = "keyring_0001"
down_revision = None


def upgrade() -> None:
    roles = context.config.attributes["roles"]
    op.execute("""
        CREATE TABLE keys (
            key_id uuid PRIMARY KEY,
            subject uuid NOT NULL,
            category text NOT NULL,
            scope text NOT NULL,
            wrapped bytea,
            created_at timestamptz NOT NULL DEFAULT now(),
            destroyed_at timestamptz,
            UNIQUE (subject, category, scope),
            CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
        )
    """)
    op.execute("CREATE TABLE tombstones (subject uuid PRIMARY KEY, erased_at timestamptz NOT NULL)")
    op.execute("""
        CREATE FUNCTION refuse_resurrection() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'UPDATE' AND OLD.wrapped IS NOT NULL AND NEW.wrapped IS NULL
                AND (NEW.key_id, NEW.subject, NEW.category, NEW.scope)
                    = (OLD.key_id, OLD.subject, OLD.category, OLD.scope) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'a key is made once and destroyed once';
        END $$
    """)
    op.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is never changed', TG_TABLE_NAME; END $$"
    )
    op.execute(
        "CREATE TRIGGER keys_change BEFORE UPDATE OR DELETE ON keys FOR EACH ROW EXECUTE FUNCTION refuse_resurrection()"
    )
    op.execute(
        "CREATE TRIGGER tombstones_change BEFORE UPDATE OR DELETE ON tombstones FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    for table in ("keys", "tombstones"):
        op.execute(f"CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION refuse()")
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_truncate")
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_change")
    op.execute(f"GRANT SELECT, INSERT ON keys TO {roles['service']}")
    op.execute(f"GRANT SELECT ON tombstones TO {roles['service']}")
    op.execute(f"GRANT SELECT, UPDATE (wrapped, destroyed_at) ON keys TO {roles['custodian']}")
    op.execute(f"GRANT SELECT, INSERT ON tombstones TO {roles['custodian']}")
