"""What operators type on the command line, judged as the gateway judges what people type."""

from __future__ import annotations

import click

from shared.contracts.mailboxes import mailbox
from shared.contracts.visible import must_be_seen


def address(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Return an e-mail address that we can write to. Raise `BadParameter` for any other text."""
    try:
        mailbox(value)
    except ValueError as reason:
        raise click.BadParameter(str(reason)) from None
    return value


def line(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Return a name, all of which can be seen, if there is one. Raise `BadParameter` for any other text."""
    try:
        if value is not None:
            must_be_seen(value)
    except ValueError as reason:
        raise click.BadParameter(str(reason)) from None
    return value
