"""Readers verify while audit takes in events and is killed again and again; and a log that lies to them is caught."""

from __future__ import annotations

import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.local.platform import Platform
from tests.chaos.faults import SEED, Disturbed, wait_until
from tests.chaos.readers import Reader, Readers, fetching
from tests.e2e.conftest import Browser
from tests.making import email
from tests.tiles import LogLies, largest_power_below, listed_public_keys

READERS = 4
VICTIMS = ("courier audit", "service audit")


@pytest.fixture(scope="module")
def okacrm(platform: Platform) -> Callable[..., str]:
    """The operator's command line, expected to succeed."""

    def run(*arguments: str) -> str:
        environment = {"PATH": os.environ["PATH"], "OKACRM_STATE_DIR": str(platform.state.root)}
        command = [sys.executable, "-m", "deploy.cli", *arguments]
        return subprocess.run(command, text=True, capture_output=True, check=True, env=environment).stdout

    return run


@pytest.fixture(scope="module")
def officer(platform: Platform, okacrm: Callable[..., str]) -> dict[str, str]:
    """What the requests of a compliance officer carry."""
    browser = Browser(platform.base_url)
    browser.email = email()
    browser.choose_password(okacrm("staff", "create", browser.email, "--role", "compliance").split()[-1])
    browser.sign_in("compliance")
    browser.enrol()
    return browser.bearer("compliance")


@pytest.fixture
def readers(platform: Platform, officer: dict[str, str]) -> Readers:
    listed = platform.state.audit_log / "guard" / "keys"

    def keys() -> list[bytes]:
        return listed_public_keys(listed.read_text())

    origin = platform.description.log_origin
    return Readers(
        [Reader(fetching(platform.base_url, officer), origin, keys, SEED + number) for number in range(READERS)]
    )


@pytest.mark.parametrize("rounds", [2, pytest.param(60, marks=pytest.mark.long)])
def test_no_reader_ever_sees_an_inconsistent_log(
    disturbed: Disturbed, readers: Readers, okacrm: Callable[..., str], rounds: int
) -> None:
    with readers.reading(), disturbed.load.running():
        for number in range(rounds):
            for victim in VICTIMS:
                reached = max(reader.size for reader in readers.readers)
                disturbed.kill(victim)
                if number == rounds // 2:
                    okacrm("audit", "rotate-key")
                wait_until(
                    lambda reached=reached: readers.have_all_gone_beyond(reached),
                    lambda: f"a reader is stuck: {[reader.size for reader in readers.readers]}",
                )
    assert all(reader.checkpoints >= rounds * len(VICTIMS) and reader.records for reader in readers.readers)
    disturbed.assert_sound()


# --- and they are able to tell ----------------------------------------------------------------------------------------


class Liar:
    """A log in memory that can be made to lie: leaves, and a key that signs whatever it is told to."""

    origin = "log.example"

    def __init__(self, leaves: int) -> None:
        self.leaves = [b"leaf %d" % number for number in range(leaves)]
        self.key = Ed25519PrivateKey.generate()
        self.signed = leaves
        self.leaf_at: dict[int, bytes] = {}

    def reader(self) -> Reader:
        return Reader(self.fetch, self.origin, lambda: [self.key.public_key().public_bytes_raw()], seed=1)

    def fetch(self, path: str) -> bytes:
        what, _, question = path.partition("?")
        numbers = [int(part.partition("=")[2]) for part in question.split("&") if part]
        if what == "checkpoint":
            return self._checkpoint()
        if what == "consistency":
            hashes = [b64encode(each).decode() for each in self._consistency(*numbers, 0, True)]
            return f'{{"hashes":{hashes}}}'.replace("'", '"').encode()
        if what == "entries":
            leaf = self.leaf_at.get(numbers[0], self.leaves[numbers[0]])
            return b'{"entries":["%s"]}' % b64encode(leaf)
        width = int(path.rpartition("/")[2])
        return b"".join(self._root(index, index + 1) for index in range(width))

    def _checkpoint(self) -> bytes:
        root = b64encode(self._root(0, self.signed)).decode()
        text = f"{self.origin}\n{self.signed}\n{root}\n"
        raw = self.key.public_key().public_bytes_raw()
        key_id = sha256(self.origin.encode() + b"\n\x01" + raw).digest()[:4]
        return f"{text}\n— {self.origin} {b64encode(key_id + self.key.sign(text.encode())).decode()}\n".encode()

    def _root(self, start: int, end: int) -> bytes:
        if end - start == 1:
            return sha256(b"\0" + self.leaves[start]).digest()
        middle = start + largest_power_below(end - start)
        return sha256(b"\1" + self._root(start, middle) + self._root(middle, end)).digest()

    def _consistency(self, old: int, new: int, start: int, complete: bool) -> list[bytes]:
        if old == new:
            return [] if complete else [self._root(start, start + new)]
        middle = largest_power_below(new)
        if old <= middle:
            inner = self._consistency(old, middle, start, complete)
            return [*inner, self._root(start + middle, start + new)]
        inner = self._consistency(old - middle, new - middle, start + middle, False)
        return [*inner, self._root(start, start + middle)]


def grow(log: Liar) -> None:
    log.leaves += [b"one more", b"and another"]
    log.signed = len(log.leaves)


def test_an_honest_log_is_believed() -> None:
    log = Liar(7)
    reader = log.reader()
    for _ in range(20):
        reader.look()
        grow(log)
    assert (reader.checkpoints, reader.size) == (20, 45)


def fork(log: Liar) -> None:
    log.leaves[3] = b"rewritten"
    grow(log)


def swap(log: Liar) -> None:
    log.leaves[1], log.leaves[2] = log.leaves[2], log.leaves[1]
    grow(log)


def rewrite_at_the_same_size(log: Liar) -> None:
    log.leaves[3] = b"rewritten"


def go_back(log: Liar) -> None:
    log.signed -= 1


def put_back_an_older_copy(log: Liar) -> None:
    log.leaves = [*log.leaves[:5], b"another", b"future", b"than", b"was", b"told"]
    log.signed = len(log.leaves)


def show_other_records(log: Liar) -> None:
    log.leaf_at = dict.fromkeys(range(7), b"another record")


@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        (fork, "does not begin with"),
        (swap, "does not begin with"),
        (put_back_an_older_copy, "does not begin with"),
        (rewrite_at_the_same_size, "two roots of 7"),
        (go_back, "over 6 leaves, after one over 7"),
        (show_other_records, "is not in the tree"),
    ],
)
def test_a_lie_is_noticed(lie: Callable[[Liar], None], complaint: str) -> None:
    log = Liar(7)
    reader = log.reader()
    reader.look()
    lie(log)
    with pytest.raises(LogLies, match=complaint):
        reader.look()


def test_a_checkpoint_of_a_key_that_is_not_the_logs_is_noticed() -> None:
    log, trusted = Liar(7), Liar(7)
    reader = Reader(log.fetch, log.origin, lambda: [trusted.key.public_key().public_bytes_raw()], seed=1)
    with pytest.raises(LogLies, match="signed by another key"):
        reader.look()
