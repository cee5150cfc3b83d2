"""Readers who believe nothing: each keeps the last checkpoint it verified and holds whatever it is told against it.

They know HTTP, hashes and signatures, and share no code with the log (`tests.tiles`, `tests.invariants`).
"""

from __future__ import annotations

import http.client
import json
import random
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from urllib.parse import urlsplit

from tests.invariants import read_checkpoint
from tests.tiles import LogLies, TiledTree, root_of_inclusion, roots_of_consistency

PAUSE = 0.1
SAMPLES = 3
REMEMBERED = 200


class Away(Exception):
    """No answer, or one that says that there is none at the moment."""


Fetch = Callable[[str], bytes]
"""Answers the body at a path below the log's prefix. Raises `Away`."""


def fetching(base_url: str, headers: dict[str, str]) -> Fetch:
    """Fetches over one connection, which is opened anew whenever it breaks."""
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)

    def fetch(path: str) -> bytes:
        try:
            connection.request("GET", f"/v1/audit/log/{path}", headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise Away from None
        if answer.status >= 500 or b"not-yet-published" in body:
            raise Away
        if answer.status != 200:
            raise LogLies(f"{path} answered {answer.status}: {body[:200]!r}")
        return body

    return fetch


class Reader:
    """One of them. `origin` and `keys`, which tells the public keys of the log, are what it trusts beforehand."""

    def __init__(self, fetch: Fetch, origin: str, keys: Callable[[], Sequence[bytes]], seed: int) -> None:
        self._fetch, self._origin, self._keys = fetch, origin, keys
        self._random = random.Random(seed)
        self._root = b""
        self._verified: dict[int, bytes] = {}
        self.size = 0
        self.checkpoints = self.records = self.away = 0

    def look(self) -> None:
        """Fetches the newest checkpoint and verifies it, and some records under it. Raises `LogLies` and `Away`."""
        try:
            size, root = read_checkpoint(self._fetch("checkpoint").decode(), self._origin, self._keys())
        except ValueError as error:
            raise LogLies(f"a checkpoint that is none: {error}") from None
        self._require_extension(size, root)
        if size > self.size:
            self.checkpoints += 1
        self.size, self._root = size, root
        for _ in range(SAMPLES):
            self._verify_record(self._random.randrange(size))
        if self._verified:
            self._verify_record(self._random.choice(sorted(self._verified)))

    def _require_extension(self, size: int, root: bytes) -> None:
        if size < self.size:
            raise LogLies(f"a checkpoint over {size} leaves, after one over {self.size}")
        if size == self.size and root != self._root:
            raise LogLies(f"two roots of {size} leaves")
        if 0 < self.size < size:
            proof = json.loads(self._fetch(f"consistency?from={self.size}&to={size}"))
            path = [b64decode(each, validate=True) for each in proof["hashes"]]
            if roots_of_consistency(self._root, self.size, size, path) != (self._root, root):
                raise LogLies(f"the tree of {size} leaves does not begin with that of {self.size}")

    def _verify_record(self, index: int) -> None:
        """The leaf at an index is under the checkpoint, and is the one that it always was."""
        entries = json.loads(self._fetch(f"entries?start={index}&end={index}"))["entries"]
        if len(entries) != 1:
            raise LogLies(f"{len(entries)} records at {index}, of {self.size} that are signed")
        leaf = sha256(b"\0" + b64decode(entries[0], validate=True)).digest()
        path = TiledTree(self._fetch, self.size).inclusion_proof(index)
        if root_of_inclusion(leaf, index, self.size, path) != self._root:
            raise LogLies(f"the record at {index} is not in the tree of {self.size}")
        if self._verified.setdefault(index, leaf) != leaf:
            raise LogLies(f"the record at {index} is another one than it was")
        if len(self._verified) > REMEMBERED:
            self._verified.pop(self._random.choice(sorted(self._verified)))
        self.records += 1


class Readers:
    """Several of them, each on a thread of its own, which looks again after a pause of so many seconds."""

    def __init__(self, readers: Sequence[Reader], pause: float = PAUSE) -> None:
        self.readers = readers
        self._pause = pause
        self.lies: list[str] = []
        self._stopping = threading.Event()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """They read while the block runs. Leaving it raises what any of them failed with."""
        threads = [threading.Thread(target=self._read, args=[reader]) for reader in self.readers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()
        assert not self.lies, self.lies

    def have_all_gone_beyond(self, size: int) -> bool:
        """Whether each has verified a checkpoint over more leaves; at once if one of them was lied to."""
        return bool(self.lies) or all(reader.size > size for reader in self.readers)

    def _read(self, reader: Reader) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    reader.look()
                except Away:
                    reader.away += 1
                self._stopping.wait(self._pause)
        except Exception as error:
            self.lies.append(f"{type(error).__name__}: {error}")
            raise
