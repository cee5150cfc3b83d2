"""`okacrm audit export`: asks for an export over HTTP, as an officer's program, and fetches and checks what it gets."""

from __future__ import annotations

import time
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import click

from shared.contracts.vocabulary import EXPORT_FORMS

POLL_SECONDS = 0.5
_DOWNLOADING = ".downloading"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--url", required=True, help="Where the platform is reached, as https://host.")
@click.option(
    "--token",
    required=True,
    envvar="OKACRM_TOKEN",
    metavar="TOKEN|@FILE",
    help="API token of a compliance officer with the scope audit:read, or @ and a file; best in OKACRM_TOKEN.",
)
@click.option("--query", default="", help="Which records, in the query language of the log. Without it, all.")
@click.option("--form", type=click.Choice(EXPORT_FORMS), default="ndjson", show_default=True)
@click.option("--id", "export_id", help="Fetch this export, which was asked for before, and ask for no other.")
def export(folder: Path, url: str, token: str, query: str, form: str, export_id: str | None) -> None:
    """Export records of the log into FOLDER, with their manifest or as an evidence bundle.

    Every part is checked against its hash, and the file against the manifest; it has its name once it is whole. Asking
    is on record in the log. What was fetched is verified by `okacrm audit verify`.
    """
    api = _Api(url, token)
    folder.mkdir(parents=True, exist_ok=True)
    if export_id is None:
        export_id = api.call("POST", "/v1/audit/exports", {"form": form, **({"q": query} if query else {})})[
            "export_id"
        ]
        click.echo(f"export {export_id}", err=True)
    made = _wait_for(api, f"/v1/audit/exports/{export_id}")
    if made["state"] == "failed":
        raise click.ClickException(f"the export could not be made: {made['failure']}")
    if made["state"] == "parked":
        raise click.ClickException(f"the export failed {made['failures']} times and waits for an operator")
    path = _fetch(api, made, folder)
    click.echo(f"{path}: {made['records']} records, {made['bytes']} bytes, SHA-256 {made['sha256']}")


class _Api:
    """The platform over HTTP, with an API token."""

    def __init__(self, url: str, token: str) -> None:
        import requests

        self._url = url.rstrip("/")
        self._http = requests.Session()
        self._http.headers["Authorization"] = f"Bearer {_secret_of(token)}"

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._answer(method, path, json=body, headers={"Idempotency-Key": str(uuid4())}).json()

    def fetch(self, path: str) -> bytes:
        content: bytes = self._answer("GET", path).content
        return content

    def _answer(self, method: str, path: str, **options: Any) -> Any:
        import requests

        try:
            answer = self._http.request(method, f"{self._url}{path}", timeout=60, **options)
        except requests.RequestException as error:
            raise click.ClickException(f"{self._url} cannot be reached ({type(error).__name__})") from None
        if not answer.ok:
            raise click.ClickException(f"{method} {path}: {_problem(answer)}")
        return answer


def _secret_of(token: str) -> str:
    """The token itself, also where it stands in a file."""
    if not token.startswith("@"):
        return token
    try:
        return Path(token[1:]).read_text("ascii").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no token"
        raise click.BadParameter(f"{token[1:]} cannot be read: {reason}", param_hint="--token") from None


def _problem(answer: Any) -> str:
    try:
        problem = answer.json()
        return f"{problem['title']}. {problem['detail']}"
    except (ValueError, KeyError):
        return f"status {answer.status_code}"


def _wait_for(api: _Api, path: str) -> dict[str, Any]:
    told = None
    while True:
        export: dict[str, Any] = api.call("GET", path)
        if told != (told := export["progress"]):
            click.echo(f"{export['progress']} % of the log, {export['records']} records", err=True)
        if export["state"] != "running":
            return export
        time.sleep(POLL_SECONDS)


def _fetch(api: _Api, made: dict[str, Any], folder: Path) -> Path:
    """The file of an export, and its manifest beside it unless the file is a bundle, which holds one."""
    from shared.eventstore.canonical import canonical_json

    path: Path = folder / made["file"]
    whole = sha256()
    unfinished = path.with_name(path.name + _DOWNLOADING)
    with unfinished.open("wb") as file:
        for number, expected in enumerate(made["part_sha256"], start=1):
            part = api.fetch(f"/v1/audit/exports/{made['export_id']}/parts/{number}")
            if sha256(part).hexdigest() != expected:
                raise click.ClickException(f"part {number} is not what the export says it is")
            whole.update(part)
            file.write(part)
    if whole.hexdigest() != made["sha256"]:
        raise click.ClickException("the parts do not make the file that the export says they make")
    unfinished.replace(path)
    if made["form"] != "evidence":
        (folder / "manifest.json").write_bytes(canonical_json(made["manifest"]))
    return path
