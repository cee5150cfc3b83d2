"""A small log to test with, and a Merkle tree written a second time, straight from the definitions of RFC 6962."""

from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.audit.tree import evidence, merkle
from services.audit.tree.leaves import Leaf, SealedField
from services.audit.tree.notes import Checkpoint, NoteSigner

ORIGIN = "audit.okacrm.example/log"


class NaiveTree:
    """RFC 6962 section 2.1 as it is written, by recursion over ranges of leaves; also a tile reader that counts."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaves = leaves
        self.node = cache(self._node)
        self.tiles_read: list[tuple[int, int]] = []

    def _node(self, start: int, end: int) -> bytes:
        if start == end:
            return sha256().digest()
        if end - start == 1:
            return sha256(b"\x00" + self.leaves[start]).digest()
        middle = start + self.split(end - start)
        return sha256(b"\x01" + self.node(start, middle) + self.node(middle, end)).digest()

    @staticmethod
    def split(count: int) -> int:
        power = 1
        while power * 2 < count:
            power *= 2
        return power

    def root(self, size: int) -> bytes:
        return self.node(0, size)

    def path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + self.split(end - start)
        if index < middle:
            return [*self.path(index, start, middle), self.node(middle, end)]
        return [*self.path(index, middle, end), self.node(start, middle)]

    def proof(self, old: int, start: int, end: int, complete: bool = True) -> list[bytes]:
        if old == end:
            return [] if complete else [self.node(start, end)]
        middle = start + self.split(end - start)
        if old <= middle:
            return [*self.proof(old, start, middle, complete), self.node(middle, end)]
        return [*self.proof(old, middle, end, False), self.node(start, middle)]

    def tile(self, level: int, index: int, width: int) -> bytes:
        self.tiles_read.append((level, index))
        span = 256**level
        starts = range(index * 256 * span, (index * 256 + width) * span, span)
        assert starts[-1] + span <= len(self.leaves), "a tile was read beyond the tree"
        return b"".join(self.node(start, start + span) for start in starts)


class Log:
    """A log as a server keeps one: leaves, their tree, and a key that signs whatever it is told to."""

    def __init__(self, leaves: Sequence[bytes], signer: NoteSigner) -> None:
        self.leaves = list(leaves)
        self.signer = signer
        self.tree = NaiveTree(self.leaves)

    def checkpoint(self, size: int, origin: str = ORIGIN) -> str:
        return self.signer.sign(Checkpoint(origin, size, self.tree.root(size)).format())

    def record(self, index: int, size: int) -> evidence.RecordProof:
        return evidence.RecordProof(self.leaves[index], index, merkle.inclusion_proof(self.tree, index, size))

    def consistency(self, old: int, new: int) -> evidence.ConsistencyProof:
        return evidence.ConsistencyProof(self.checkpoint(old), merkle.consistency_proof(self.tree, old, new))

    def bundle(self, indexes: Sequence[int], size: int, older: int | None = None) -> bytes:
        return evidence.bundle(
            self.checkpoint(size),
            [self.record(index, size) for index in indexes],
            None if older is None else self.consistency(older, size),
        )


def leaf(number: int, **changes: object) -> Leaf:
    values: dict[str, object] = {
        "event_id": str(UUID(int=number)),
        "publisher": "identity",
        "epoch": 1,
        "position": number + 1,
        "workspace": None,
        "workspace_counter": None,
        "stream": f"account-{UUID(int=number)}",
        "stream_version": 1,
        "type": "okacrm.identity.account_registered",
        "schema_version": 1,
        "actor": "visitor",
        "subjects": [str(UUID(int=7))],
        "correlation": "c-1",
        "causation": None,
        "occurred_at": "2026-01-31T09:00:00.000000Z",
        "received_at": "2026-01-31T09:00:00.250000Z",
        "data": {"country": "RS", "age_confirmed": True, "note": "caffè"},
        "sealed": [SealedField("email", "identity", str(UUID(int=7)), str(UUID(int=8)), "ab" * 32)],
    }
    return Leaf(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def naive() -> type[NaiveTree]:
    return NaiveTree


@pytest.fixture(scope="session")
def make_leaf():
    return leaf


@pytest.fixture(scope="session")
def signer() -> NoteSigner:
    return NoteSigner(ORIGIN, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture(scope="session")
def log(signer: NoteSigner) -> Log:
    return Log([leaf(number).to_bytes() for number in range(12)], signer)


@pytest.fixture(scope="session")
def make_log():
    return Log
