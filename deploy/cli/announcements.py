"""`okacrm announcements`: telling everybody concerned something."""

from __future__ import annotations

import tomllib
from typing import Any, BinaryIO

import click

from shared.contracts.visible import Unseen, must_be_readable, must_be_seen
from shared.contracts.vocabulary import ANNOUNCED_KINDS


@click.group()
def announcements() -> None:
    """Notices to everybody."""


@announcements.command()
@click.argument("words", type=click.File("rb"))
@click.option("--kind", type=click.Choice(ANNOUNCED_KINDS), required=True, help="It says whom the notice reaches.")
def publish(words: BinaryIO, kind: str) -> None:
    """Tell everybody whom this kind of notice reaches what the file WORDS says.

    WORDS is TOML with a table for each language, such as [en], that holds a `subject` and a `text`; an empty line in
    the text begins another paragraph. English is needed, for those whose language is not there.
    """
    from deploy.cli._operator import operator_calls

    arguments = {"kind": kind, "wordings": _wordings(words)}
    with operator_calls() as call:
        published = call("identity", "publish_announcement", arguments)
    click.echo(f"Published announcement {published['announcement_id']}.")


def _wordings(words: BinaryIO) -> list[dict[str, Any]]:
    try:
        written = tomllib.load(words)
        wordings = [
            {"language": language, "subject": wording["subject"], "text": wording["text"]}
            for language, wording in written.items()
        ]
        for each in wordings:
            must_be_seen(each["subject"])
            must_be_readable(each["text"])
    except Unseen as reason:
        raise click.ClickException(str(reason)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError):
        raise click.ClickException("WORDS must hold a table with `subject` and `text` for each language") from None
    return wordings
