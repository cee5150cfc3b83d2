"""Verifying a bundle twice: its proofs by the platform's own code, and all of it by the verifier that travels along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from services.audit.notes import Verifier


def verify_bundle(
    path: Path, keys: Sequence[Verifier], kept: str | None, consistency: Path | None, *, as_json: bool
) -> str:
    """What a bundle, or an export without proofs, proves, in words or as JSON. Ends the command if it proves nothing.

    The two know nothing of each other, so that a mistake would have to be made twice.
    """
    from services.audit import evidence, verify
    from services.audit.notes import format_keys

    try:
        files = verify.read_files(path)
        if verify.EVIDENCE in files:
            evidence.verify(files[verify.EVIDENCE], keys)
        told_keys = format_keys(keys).splitlines()
        report = verify.verify(files, told_keys, kept, consistency.read_bytes() if consistency else None)
    except (evidence.EvidenceInvalid, verify.Invalid) as error:
        refuse(error.reason, error.where, as_json=as_json)
    if as_json:
        return verify.as_json(report, own_key_only=False)
    return verify.told(report, told_keys, own_key_only=False)


def refuse(reason: str, where: str, *, as_json: bool) -> NoReturn:
    """Says why something proves nothing, and ends the command."""
    if as_json:
        click.echo(json.dumps({"verified": False, "reason": reason, "where": where}))
    else:
        click.echo(f"NOT VERIFIED: {where}: {reason}", err=True)
    raise SystemExit(1)
