"""Verifying a bundle twice: all of it by the verifier that travels along, and its proofs by the platform's own code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from services.audit.tree.evidence import Evidence
    from services.audit.tree.notes import Verifier
    from services.audit.tree.verify import Refused


def verify_bundle(
    path: Path, keys: Sequence[Verifier], kept: str | None, consistency: bytes | None, *, as_json: bool
) -> str:
    """Return what a bundle, or an export of the whole log, proves, in words or as JSON. Raises `Refused`.

    The two know nothing of each other, so that a mistake would have to be made twice.
    """
    from services.audit.tree import evidence, verify
    from services.audit.tree.notes import format_keys

    told_keys = format_keys(keys).splitlines()
    bundle = verify.open_bundle(path)
    report = verify.verify(bundle, told_keys, kept, consistency)
    if verify.EVIDENCE in bundle:
        proofs = verify.read_whole(bundle, verify.EVIDENCE, verify.MOST_OF_EVIDENCE)
        try:
            evidence.verify(proofs, keys)
        except evidence.EvidenceInvalid as error:
            raise verify.Invalid(error.reason, error.where) from None
    if as_json:
        return verify.as_json(report, own_key_only=False)
    return verify.told(report, told_keys, own_key_only=False)


def verify_proof(path: Path, keys: Sequence[Verifier], kept: str | None) -> Evidence:
    """Return what the evidence of single records proves. Raises `Refused`."""
    from services.audit.tree import evidence, verify

    try:
        return evidence.verify(verify.read_file(path, verify.MOST_OF_EVIDENCE), keys, kept)
    except evidence.EvidenceInvalid as error:
        raise verify.Invalid(error.reason, error.where) from None


def refuse(error: Refused, *, as_json: bool) -> NoReturn:
    """Say why something is not verified, and end the command."""
    from services.audit.tree import verify

    click.echo(verify.refusal(error, as_json=as_json), err=not as_json)
    raise SystemExit(error.status)
