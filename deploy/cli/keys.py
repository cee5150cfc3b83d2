"""`okacrm keys`: destroying the keys of a person, which erases what was sealed under them, everywhere and for ever."""

from __future__ import annotations

from uuid import UUID

import click

from shared.contracts.categories import Category


@click.group()
def keys() -> None:
    """The keys that personal data is sealed under."""


@keys.command()
@click.argument("subject", type=click.UUID)
@click.option("--category", type=click.Choice([each.value for each in Category if not each.kept_by_law]))
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(subject: UUID, category: str | None, yes: bool) -> None:
    """Destroy the keys of SUBJECT: of one category, or, erasing the person, of all that law lets go.

    With the category identity, or all, go the keys of the addresses that the person was invited at.

    The keys go first and the record of it follows, so that a command that was interrupted is simply given again.
    """
    from deploy.cli import operator_environment
    from deploy.cli._operator import operator_calls
    from shared.eventstore.recent import RECENT_SECONDS
    from shared.privacy.keyring import CACHE_SECONDS, Custodian
    from shared.runtime.clock import now
    from shared.runtime.config import Settings
    from shared.runtime.database import connect

    with operator_calls() as call:
        found = call("identity", "find_account", {"account_id": str(subject)})
        if not yes:
            click.confirm(f"Destroy the keys of {subject} for ever?", abort=True)
        engine = connect(Settings(operator_environment()).keyring_custodian_url, pool_size=1)
        custodian = Custodian(engine)
        destroyed = custodian.destroy(subject, category=Category(category) if category else None, now=now())
        invitees = found["invitee_ids"] if category in (None, Category.IDENTITY) else []
        destroyed += sum(custodian.destroy(UUID(each), category=None, now=now()) for each in invitees)
        engine.dispose()
        erased = {"account_id": str(subject), "invitee_ids": invitees}
        if category:
            call("identity", "erase_category", {**erased, "category": category})
        else:
            call("identity", "erase_account", erased)
    felt = CACHE_SECONDS + RECENT_SECONDS
    click.echo(f"Destroyed {destroyed} keys. Within {felt:.0f} seconds no process can read what they sealed.")


@keys.command()
def replay() -> None:
    """Destroy again what was destroyed before, in a keyring that was restored from an older copy.

    What has to be destroyed is what identity recorded as erased. Harmless at any time, and safe to repeat.
    """
    from deploy.cli import operator_environment
    from deploy.destructions import replay_destructions
    from shared.runtime.config import Settings

    destroyed = replay_destructions(Settings(operator_environment()))
    click.echo(f"Destroyed {destroyed} keys again." if destroyed else "The keyring knows every destruction.")
