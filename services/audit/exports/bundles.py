"""The evidence bundle for somebody outside: a ZIP with proofs, what they prove in readable forms, and a verifier.

    evidence.json    the records and the record of the request, proven (`services/audit/tree/evidence.py`)
    manifest.json    what was asked, of which checkpoint, and the hash of every other file
    records.ndjson   the records, as the log hashes them
    records.csv      the same for tables
    summary.html     the same in words, for people
    keys.txt         the log's public keys, to be compared with a copy from elsewhere
    verify.py        checks all of it (`services/audit/tree/verify.py`)

What proves something is in the first file. All others but the manifest have their hash on record in the log before the
bundle is made (`ExportPrepared`), and the record of it is proven in the first file as well. The same records at the
same checkpoints make the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader

from services.audit.exports.forms import FORMS, Asked, manifest, measured
from services.audit.tree import evidence
from services.audit.tree.evidence import ConsistencyProof, RecordProof
from services.audit.tree.leaves import Leaf
from services.audit.tree.notes import Verifier, format_keys
from shared.contracts.times import rfc3339
from shared.eventstore.canonical import canonical_json

_EPOCH_OF_ZIP = (1980, 1, 1, 0, 0, 0)
_PAGES = Environment(loader=PackageLoader("services.audit.exports", "pages"), autoescape=True, trim_blocks=True)


def readable_files(asked: Asked, leaves: Sequence[tuple[int, bytes]], keys: Sequence[Verifier]) -> dict[str, bytes]:
    """The files of a bundle that are the same at every checkpoint: all but the proofs and the manifest."""
    return {
        "keys.txt": format_keys(keys).encode(),
        **{form.file: form.header + form.write(leaves) for form in FORMS.values()},
        "summary.html": _summary(asked, leaves, keys).encode(),
        "verify.py": (files("services.audit.tree") / "verify.py").read_bytes(),
    }


def make_bundle(
    asked: Asked,
    note: str,
    extends: ConsistencyProof,
    records: int,
    readable: Mapping[str, bytes],
    proofs: Sequence[RecordProof],
) -> bytes:
    """The ZIP. `proofs` are of the records, of the request and of what the log states that the bundle holds, at the
    checkpoint `note`, which `extends` that of the request; `readable` are the `readable_files`."""
    contents = {"evidence.json": evidence.bundle(note, proofs, extends), **readable}
    contents["manifest.json"] = canonical_json(
        manifest(asked, records, {name: measured(data) for name, data in contents.items()})
    )
    return _zipped(contents)


def _zipped(contents: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(contents.items()):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH_OF_ZIP), data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _summary(asked: Asked, leaves: Sequence[tuple[int, bytes]], keys: Sequence[Verifier]) -> str:
    return _PAGES.get_template("summary.html").render(
        asked=asked,
        requested_at=rfc3339(asked.requested_at),
        checkpoint=asked.checkpoint,
        keys=format_keys(keys).splitlines(),
        records=[_in_words(index, Leaf.from_bytes(leaf)) for index, leaf in leaves],
    )


def _in_words(index: int, leaf: Leaf) -> dict[str, Any]:
    """What a record says, for somebody who reads it for the first time."""
    publisher, _, name = leaf.type.removeprefix("okacrm.").partition(".")
    return {
        "index": index,
        "id": leaf.event_id,
        "happened": name.replace("_", " "),
        "publisher": publisher,
        "occurred_at": leaf.occurred_at,
        "received_at": leaf.received_at,
        "actor": leaf.actor,
        "subjects": leaf.subjects,
        "data": sorted(leaf.data.items()),
        "sealed": [f"{each.field} ({each.category})" for each in leaf.sealed],
    }
