"""`okacrm audit`: checking the audit log: its evidence, offline and without trust, and everything that it stores.

And fetching what was exported from it.
"""

from __future__ import annotations

import json
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli._bundles import refuse, verify_bundle
from deploy.cli._checking import checking_options, run_check
from deploy.cli._exports import export

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from services.audit.evidence import Evidence
    from services.audit.notes import Verifier
    from shared.runtime.checking import Report

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

    FILE is the evidence of one record, the ZIP of an evidence bundle, or the folder of a bundle or export. Exits with
    1, and one line that says why, when it proves nothing.
    """
    from services.audit import evidence

    try:
        kept = older_checkpoint.read_bytes().decode() if older_checkpoint else None
    except UnicodeDecodeError:
        raise click.BadParameter("not UTF-8", param_hint="--older-checkpoint") from None
    verifiers = [verifier for key in keys for verifier in _verifiers(key)]
    if file.is_dir() or zipfile.is_zipfile(file):
        click.echo(verify_bundle(file, verifiers, kept, consistency, as_json=as_json))
        return
    try:
        proven = evidence.verify(file.read_bytes(), verifiers, kept)
    except evidence.EvidenceInvalid as error:
        refuse(error.reason, error.where, as_json=as_json)
    click.echo(_as_json(proven) if as_json else _as_text(proven))


@audit.command()
@checking_options
def fsck(as_json: bool, limit: int) -> None:
    """Derive everything the log stores from its leaves again, and compare.

    Reads the database as it stands at one moment, under the role of the audit service, and the files of the log where
    OKACRM_LOG_DIR names them. The keys of sealed values are looked up in the keyring, where
    OKACRM_KEYRING_CUSTODIAN_URL names it.

    Exits with 0 when all holds, 1 when something does not, 2 when it could not run.
    """

    def check(report: Report) -> None:
        from deploy.cli import operator_environment
        from services.audit.fsck import check_log
        from services.audit.notes import Verifier
        from services.audit.subscriptions import LOG
        from shared.runtime.config import Settings
        from shared.runtime.database import connect

        settings = Settings(operator_environment() | operator_environment("service audit"))
        key = Verifier.from_pem(settings.log_origin, settings.log_public_key)
        directory = settings.log_directory if "OKACRM_LOG_DIR" in settings.environment else None
        with ExitStack() as ends:

            def database(url: str) -> Engine:
                engine = connect(url, pool_size=1, application_name="audit fsck")
                ends.callback(engine.dispose)
                return engine

            has_keyring = "OKACRM_KEYRING_CUSTODIAN_URL" in settings.environment
            keyring = database(settings.keyring_custodian_url) if has_keyring else None
            check_log(database(settings.database_url), key, directory, LOG, report, keyring)

    run_check(check, as_json=as_json, limit=limit, counted="leaves")


@audit.command("rotate-key")
@click.option("--lost", "is_lost", is_flag=True, help="The private key that signed until now is lost for good.")
def rotate_key(is_lost: bool) -> None:
    """Let a new key sign the checkpoints of the log from now on, and print it.

    The log may run meanwhile. What the old key signed stays valid, its private key is erased, and the log tells of the
    change before the new key signs. Where this was interrupted, calling it again finishes what was begun.
    """
    from deploy.cli import operator_environment
    from services.audit.rotation import RotationRefused, rotate
    from services.audit.signer import GuardUnusable
    from shared.runtime.config import Settings

    settings = Settings(operator_environment("courier audit"))
    try:
        newest = rotate(settings.log_key_file, settings.log_origin, settings.log_directory, is_lost=is_lost)
    except (RotationRefused, GuardUnusable) as refused:
        raise click.ClickException(str(refused)) from None
    click.echo(str(newest))


def _verifiers(key: str) -> list[Verifier]:
    from services.audit.notes import NoteInvalid, parse_keys

    try:
        return parse_keys(Path(key[1:]).read_text("utf-8") if key.startswith("@") else key)
    except NoteInvalid as error:
        raise click.BadParameter(f"not a verifier key ({error})", param_hint="--key") from None
    except (OSError, UnicodeDecodeError):
        raise click.BadParameter(f"{key[1:]} cannot be read", param_hint="--key") from None


def _as_json(proven: Evidence) -> str:
    from services.audit.notes import Checkpoint, encode_base64

    def tree(checkpoint: Checkpoint) -> dict[str, object]:
        return {"origin": checkpoint.origin, "size": checkpoint.size, "root": encode_base64(checkpoint.root)}

    document = {
        "verified": True,
        "checkpoint": tree(proven.checkpoint),
        "extends": tree(proven.older) if proven.older else None,
        "records": [{"index": record.index, "leaf": record.leaf.document()} for record in proven.records],
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _as_text(proven: Evidence) -> str:
    from services.audit.notes import encode_base64

    checkpoint = proven.checkpoint
    lines = [
        f"VERIFIED: {len(proven.records)} record(s) are in the log {checkpoint.origin}",
        f"  checkpoint  {checkpoint.size} records, root {encode_base64(checkpoint.root)}",
    ]
    if proven.older:
        lines.append(f"  extends     {proven.older.size} records, root {encode_base64(proven.older.root)}")
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
    return "\n".join(lines)
