"""`okacrm audit`: checking the audit log: its evidence, offline and without trust, and everything that it stores.

And fetching what was exported from it.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli._bundles import refuse, verify_bundle, verify_proof
from deploy.cli._checking import checking_options, run_check
from deploy.cli._exports import export

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from services.audit.tree.evidence import Evidence
    from services.audit.tree.notes import NoteSigner, Verifier
    from shared.runtime.checking import Report
    from shared.runtime.config import Settings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def audit() -> None:
    """Check the audit log, and export from it."""


audit.add_command(export)


@audit.command()
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--key",
    "keys",
    required=True,
    multiple=True,
    metavar="KEY|@FILE",
    help="Verifier key of the log, or @ and a file with one a line, as /v1/audit/log/keys answers: earlier keys too.",
)
@click.option("--older-checkpoint", type=_FILE, help="A checkpoint you kept: the log must still begin with it.")
@click.option("--consistency", type=_FILE, help="The log's answer about that checkpoint and the one of a bundle.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(
    file: Path, keys: tuple[str, ...], older_checkpoint: Path | None, consistency: Path | None, as_json: bool
) -> None:
    """Verify the proof or bundle FILE and print what it proves.

    FILE is the evidence of one record, the ZIP of an evidence bundle, or the folder of a bundle or of an export of the
    whole log. Exits with 0 when every row is proven, with 1 when it is not, and with 2 when FILE cannot be read; then
    one line says why.
    """
    from services.audit.tree import verify
    from services.audit.tree.verify import Refused, printable, read_file, text_of

    try:
        verifiers = [verifier for key in keys for verifier in _verifiers(key)]
        kept = text_of(read_file(older_checkpoint), "older checkpoint") if older_checkpoint else None
        answer = read_file(consistency) if consistency else None
        if verify.is_bundle(file):
            click.echo(verify_bundle(file, verifiers, kept, answer, as_json=as_json))
            return
        proven = verify_proof(file, verifiers, kept)
    except Refused as error:
        refuse(error, as_json=as_json)
    click.echo(_as_json(proven) if as_json else "\n".join(map(printable, _in_words(proven))))


@audit.command()
@checking_options
def fsck(as_json: bool, limit: int) -> None:
    """Derive everything the log stores from its leaves again, and compare.

    Reads the database as it stands at one moment, under the role of the audit service, the files of the log where
    OKACRM_LOG_DIR names them, and its private key where OKACRM_LOG_KEY_FILE does. The keys of sealed values are looked
    up in the keyring, where OKACRM_KEYRING_CUSTODIAN_URL names it.

    Exits with 0 when all holds, 1 when something does not, 2 when it could not run.
    """

    def check(report: Report) -> None:
        from deploy.cli import operator_environment
        from services.audit.checking.fsck import check_log
        from services.audit.subscriptions import LOG
        from services.audit.tree.notes import Verifier
        from shared.runtime.config import Settings
        from shared.runtime.database import connect

        settings = Settings(operator_environment() | operator_environment("courier audit"))
        key = Verifier.from_pem(settings.log_origin, settings.log_public_key)
        directory = settings.log_directory if "OKACRM_LOG_DIR" in settings.environment else None
        held = _private_keys(settings) if "OKACRM_LOG_KEY_FILE" in settings.environment else None
        with ExitStack() as ends:

            def database(url: str) -> Engine:
                engine = connect(url, pool_size=1, application_name="audit fsck")
                ends.callback(engine.dispose)
                return engine

            has_keyring = "OKACRM_KEYRING_CUSTODIAN_URL" in settings.environment
            keyring = database(settings.keyring_custodian_url) if has_keyring else None
            check_log(database(settings.database_url), key, directory, LOG, report, held, keyring)

    run_check(check, as_json=as_json, limit=limit, counted="leaves")


@audit.command("rotate-key")
@click.option("--lost", "is_lost", is_flag=True, help="The private key that signed until now is lost for good.")
def rotate_key(is_lost: bool) -> None:
    """Let a new key sign the checkpoints of the log from now on, and print it.

    The log may run meanwhile. What the old key signed stays valid, its private key is erased, and the log tells of the
    change before the new key signs. Where this was interrupted, calling it again finishes what was begun.
    """
    from deploy.cli import operator_environment
    from services.audit.log.rotation import RotationRefused, rotate
    from services.audit.log.signer import GuardUnusable
    from shared.runtime.config import Settings

    settings = Settings(operator_environment("courier audit"))
    try:
        newest = rotate(settings.log_key_file, settings.log_origin, settings.log_directory, is_lost=is_lost)
    except (RotationRefused, GuardUnusable) as refused:
        raise click.ClickException(str(refused)) from None
    click.echo(str(newest))


def _private_keys(settings: Settings) -> list[NoteSigner]:
    """The keys of the file; of one that was exchanged for something else, none."""
    from services.audit.tree.notes import NoteSigner

    try:
        return NoteSigner.all_from_pem(settings.log_origin, settings.log_key)
    except ValueError:
        return []


def _verifiers(key: str) -> list[Verifier]:
    """The keys that the command line gives, itself or in a file; in that file no line names another."""
    from services.audit.tree.notes import NoteInvalid, parse_keys
    from services.audit.tree.verify import Unreadable, read_file, text_of

    try:
        return parse_keys(text_of(read_file(Path(key[1:])), key[1:]) if key.startswith("@") else key)
    except NoteInvalid as error:
        raise Unreadable(str(error), "--key") from None


def _as_json(proven: Evidence) -> str:
    from services.audit.tree.notes import Checkpoint, encode_base64

    def tree(checkpoint: Checkpoint) -> dict[str, object]:
        return {"origin": checkpoint.origin, "size": checkpoint.size, "root": encode_base64(checkpoint.root)}

    document = {
        "verified": True,
        "verdict": "verified",
        "unproven": [],
        "checkpoint": tree(proven.checkpoint),
        "extends": tree(proven.older) if proven.older else None,
        "records": [{"index": record.index, "leaf": record.leaf.document()} for record in proven.records],
    }
    return json.dumps(document, indent=2)


def _in_words(proven: Evidence) -> list[str]:
    from services.audit.tree.notes import encode_base64

    checkpoint = proven.checkpoint
    lines = [
        f"VERIFIED: {len(proven.records)} record(s) are in the log {checkpoint.origin}",
        f"  checkpoint  {checkpoint.size} records, root {encode_base64(checkpoint.root)}",
    ]
    if proven.older and proven.older.size:
        lines.append(f"  extends     {proven.older.size} records, root {encode_base64(proven.older.root)}")
    elif proven.older:
        lines.append("  extends     an empty log, as every log does: that proves nothing")
    for record in proven.records:
        leaf = record.leaf
        lines += [
            "",
            f"{leaf.type}  {leaf.event_id}",
            f"  log index   {record.index}",
            f"  publisher   {leaf.publisher}, epoch {leaf.epoch}, position {leaf.position}",
            f"  occurred    {leaf.occurred_at}",
            f"  received    {leaf.received_at}",
            f"  actor       {leaf.actor}",
        ]
    return lines
