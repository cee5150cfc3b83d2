"""Hash tiles over HTTP: a client that knows the specification alone gets from them what the log itself proves."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from gateway.application import Application
from gateway.perimeter import Perimeter
from services.audit.service import Audit, AuditService
from shared.bus.actors import VISITOR, Call
from shared.contracts.problems import Problem
from tests.component.services.audit.conftest import MadeLog, entry, plain_entry
from tests.tiles import TiledTree, read_checkpoint, tile_path
from tests.unit.gateway.playing import CURSORS


class Rpc:
    """Calls the audit service in this process."""

    connected = True

    def __init__(self, log: MadeLog) -> None:
        self._service = AuditService()
        self._service.app = Audit(log.store, log.signer.verifier)

    def call(self, service: str, method: str, arguments: dict[str, Any], **circumstances: Any) -> Any:
        assert service == "audit"
        call = Call(service, method, arguments, VISITOR, "", "test", 0.0)
        reply = getattr(self._service, method)(call, **arguments)
        if "problem" in reply:
            raise Problem.from_json(reply["problem"])
        return reply["answer"]


class Visitor:
    """Anybody with an HTTP client."""

    def __init__(self, log: MadeLog) -> None:
        self.rpc = Rpc(log)
        self._client = Client(Application(self.rpc, Perimeter(), CURSORS))

    def get(self, path: str) -> TestResponse:
        return self._client.get(f"/v1/audit/log/{path}")

    def fetch(self, path: str) -> bytes:
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.text)
        return answer.data

    def proof(self, index: int) -> list[bytes]:
        """The inclusion proof that the log serves of the leaf at an index."""
        proof = self.rpc.call("audit", "prove_record", {"record_id": entry(index, "x").leaf.event_id})["tlog_proof"]
        head, _, _ = proof.partition("\n\n")
        assert head.split("\n")[1] == f"index {index}"
        return [b64decode(line) for line in head.split("\n")[2:]]


def agrees(visitor: Visitor, size: int) -> None:
    """Checkpoint, tiles and proofs tell the same tree."""
    signed, root = read_checkpoint(visitor.fetch("checkpoint"))
    assert signed == size
    tree = TiledTree(visitor.fetch, size)
    assert tree.root() == root
    for index in sorted({0, size // 3, size - 2, size - 1, 255, 256, 65_535, 65_536}):
        if 0 <= index < size:
            assert tree.inclusion_proof(index) == visitor.proof(index)


def test_a_client_that_knows_the_specification_alone_makes_the_same_proofs(log):
    visitor = Visitor(log)
    for size in (1, 2, 3, 7, 254, 255, 256, 257, 511, 512, 513, 70 * 256 + 112):
        log.grow(size, plain_entry)
        agrees(visitor, size)


def test_the_same_around_a_second_level(log):
    visitor = Visitor(log)
    for size in (65_535, 65_536, 65_537, 65_792):
        log.grow(size, plain_entry)
        agrees(visitor, size)
        assert visitor.get(tile_path(0, size // 256, size % 256 + 1)).status_code == 404


def test_a_tile_is_there_once_a_checkpoint_covers_it_and_never_changes(log):
    visitor = Visitor(log)
    assert visitor.get("tile/0/000.p/1").status_code == 404
    log.grow(300, plain_entry)
    full = visitor.fetch("tile/0/000")
    assert len(full) == 8192
    assert visitor.fetch("tile/0/000.p/17") == full[: 32 * 17]
    assert visitor.fetch("tile/1/000.p/1") == TiledTree(visitor.fetch, 256).root()
    for path in ("tile/0/001", "tile/0/001.p/45", "tile/1/000", "tile/1/000.p/2", "tile/2/000.p/1", "tile/63/000.p/1"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store"), path
    edge = visitor.fetch("tile/0/001.p/44")
    log.grow(600, plain_entry)
    assert visitor.fetch("tile/0/001.p/44") == edge == visitor.fetch("tile/0/001")[: 32 * 44]


def test_leaves_that_no_checkpoint_covers_are_not_shown(log, monkeypatch):
    log.grow(10, plain_entry)
    monkeypatch.setattr(log, "sign", lambda: None)
    log.grow(20, plain_entry)
    assert Visitor(log).get("tile/0/000.p/10").status_code == 200
    assert Visitor(log).get("tile/0/000.p/11").status_code == 404


def test_a_tile_may_be_kept_for_ever(log):
    log.grow(257, plain_entry)
    for path in ("tile/0/000", "tile/0/001.p/1"):
        answer = Visitor(log).get(path)
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_another_spelling_is_nowhere(log):
    log.grow(3, plain_entry)
    visitor = Visitor(log)
    assert visitor.get("tile/0/000.p/1").status_code == 200
    for path in (
        "tile/00/000.p/1",
        "tile/64/000.p/1",
        "tile/-1/000.p/1",
        "tile/0/0.p/1",
        "tile/0/0000.p/1",
        "tile/0/x000/000.p/1",
        "tile/0/000/000.p/1",
        "tile/0/x000.p/1",
        "tile/0/X001/000.p/1",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "tile/0/",
        "tile/0",
        "tile/0/x999/x999/x999/x999/999",
        "tile/0/x999/x999/x999/x999/x999/999",
        "tile/0/\u0660\u0660\u0660.p/1",
        "tile/entries/000.p/1",
    ):
        assert visitor.get(path).status_code == 404, path


@pytest.mark.parametrize(
    ("index", "path"), [(0, "000"), (999, "999"), (1_000, "x001/000"), (1_234_067, "x001/x234/067")]
)
def test_the_index_is_spelled_as_the_specification_says(log, monkeypatch, index, path):
    asked: list[dict[str, Any]] = []
    visitor = Visitor(log)

    def call(service, method, arguments, **circumstances):
        asked.append(arguments)
        return {"hashes": ""}

    monkeypatch.setattr(visitor.rpc, "call", call)
    assert tile_path(5, index, 9) == f"tile/5/{path}.p/9"
    visitor.get(tile_path(5, index, 9))
    visitor.get(tile_path(5, index))
    assert asked == [{"level": 5, "index": index, "width": 9}, {"level": 5, "index": index}]
