"""A client of the log, written from C2SP tlog-tiles and RFC 6962 section 2.1 alone: it knows HTTP and hashes.

It shares no code with the log. From a checkpoint and tiles it makes the root and any inclusion proof; a follower reads
every leaf, and holds each checkpoint that it meets against the tree it made of them itself.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256

Fetch = Callable[[str], bytes]
"""Answers the body at a path below the log's prefix."""


def tile_path(level: int, index: int, width: int = 256) -> str:
    """`tile/<L>/<N>[.p/<W>]`: 1234067 is `x001/x234/067`."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03d}")
    return f"tile/{level}/{'/'.join(groups)}" + (f".p/{width}" if width < 256 else "")


def read_checkpoint(note: bytes) -> tuple[int, bytes]:
    """Size and root; the signature is somebody else's test."""
    _, size, root, *_ = note.decode().split("\n")
    return int(size), b64decode(root, validate=True)


def listed_public_keys(keys: str) -> list[bytes]:
    """Of verifier keys of C2SP signed-note, one at the beginning of each line: behind a byte for their type."""
    return [b64decode(line.split()[0].split("+", 2)[2], validate=True)[1:] for line in keys.splitlines()]


class TiledTree:
    """The tree of `size` leaves, from the tiles that a checkpoint of that size requires to exist."""

    def __init__(self, fetch: Fetch, size: int) -> None:
        self._fetch, self.size = fetch, size
        self._tiles: dict[tuple[int, int], bytes] = {}

    def root(self) -> bytes:
        return self._hash(0, self.size)

    def inclusion_proof(self, index: int) -> list[bytes]:
        """PATH(m, D[n])."""
        return self._path(index, 0, self.size)

    def _path(self, index: int, start: int, end: int) -> list[bytes]:
        if end - start == 1:
            return []
        middle = start + largest_power_below(end - start)
        if index < middle:
            return [*self._path(index, start, middle), self._hash(middle, end)]
        return [*self._path(index, middle, end), self._hash(start, middle)]

    def _hash(self, start: int, end: int) -> bytes:
        """MTH(D[start:end])."""
        width = end - start
        for level in range(8):
            if width == 256**level and start % width == 0:
                return self._node(level, start // width)
        middle = start + largest_power_below(width)
        return sha256(b"\1" + self._hash(start, middle) + self._hash(middle, end)).digest()

    def _node(self, level: int, number: int) -> bytes:
        """Hash `number` of a level: in a full tile, or in the partial one at the right edge."""
        index, place = divmod(number, 256)
        if (level, index) not in self._tiles:
            width = min(256, self.size // 256**level - index * 256)
            tile = self._fetch(tile_path(level, index, width))
            assert len(tile) == 32 * width
            self._tiles[level, index] = tile
        return self._tiles[level, index][32 * place : 32 * place + 32]


def largest_power_below(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


class LogLies(AssertionError):
    """Two things that the log has said cannot both be true; the message says which."""


def root_of_inclusion(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root that PATH(m, D[n]) leads to from the hash of a leaf. Raises `LogLies` for a path of another length."""
    if size == 1:
        return _nothing_left(leaf, path)
    middle = largest_power_below(size)
    *inner, sibling = path or _too_short(path)
    if index < middle:
        return sha256(b"\1" + root_of_inclusion(leaf, index, middle, inner) + sibling).digest()
    return sha256(b"\1" + sibling + root_of_inclusion(leaf, index - middle, size - middle, inner)).digest()


def roots_of_consistency(old_root: bytes, old: int, new: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """The older and the newer root that PROOF(m, D[n]) leads to. Raises `LogLies` for a path of another length."""

    def subproof(old: int, new: int, path: list[bytes], complete: bool) -> tuple[bytes, bytes]:
        if old == new and complete:
            return (_nothing_left(old_root, path),) * 2
        *inner, sibling = path or _too_short(path)
        if old == new:
            return (_nothing_left(sibling, inner),) * 2
        middle = largest_power_below(new)
        if old <= middle:
            older, newer = subproof(old, middle, inner, complete)
            return older, sha256(b"\1" + newer + sibling).digest()
        older, newer = subproof(old - middle, new - middle, inner, False)
        return sha256(b"\1" + sibling + older).digest(), sha256(b"\1" + sibling + newer).digest()

    return subproof(old, new, path, True)


def _nothing_left(node: bytes, path: list[bytes]) -> bytes:
    if path:
        raise LogLies("a proof has more hashes than it may have")
    return node


def _too_short(path: list[bytes]) -> list[bytes]:
    raise LogLies(f"a proof ends after {len(path)} hashes")


class GrowingTree:
    """A tree that leaves are added to: it keeps the roots of the perfect subtrees at its right edge, and no leaf."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        node, width = sha256(b"\0" + leaf).digest(), 1
        while self._subtrees and self._subtrees[-1][0] == width:
            node, width = sha256(b"\1" + self._subtrees.pop()[1] + node).digest(), 2 * width
        self._subtrees.append((width, node))
        self.size += 1

    def root(self) -> bytes:
        """MTH(D[size])."""
        if not self._subtrees:
            return sha256(b"").digest()
        node = self._subtrees[-1][1]
        for _, left in self._subtrees[-2::-1]:
            node = sha256(b"\1" + left + node).digest()
        return node


class Follower:
    """Somebody who reads the whole log by its entries and goes on where they were."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._tree = GrowingTree()
        self.leaves: list[bytes] = []

    def follow(self) -> int:
        """Reads on up to the newest checkpoint and says of how many leaves it is. Raises `LogLies`."""
        size, root = read_checkpoint(self._fetch("checkpoint"))
        if size < self._tree.size:
            raise LogLies(f"a checkpoint over {size} leaves, after one over {self._tree.size}")
        while self._tree.size < size:
            path = f"entries?start={self._tree.size}&end={size - 1}"
            page = [b64decode(entry, validate=True) for entry in json.loads(self._fetch(path))["entries"]]
            if not page or self._tree.size + len(page) > size:
                raise LogLies(f"{len(page)} entries at {path}, of a log that has signed {size}")
            for leaf in page:
                self._tree.add(leaf)
            self.leaves += page
        if self._tree.root() != root:
            raise LogLies(f"the {size} leaves that were read have another root than was signed")
        return size
