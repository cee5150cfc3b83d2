"""The Merkle tree of the audit log: hashing, proofs made from tiles, and their verification.

Hashing and the shape of the tree follow RFC 6962 section 2.1; verification follows RFC 9162 sections 2.1.3.2 and
2.1.4.2; tiles are those of C2SP tlog-tiles: 256 consecutive hashes of the tree at a height that is a multiple of 8.
Everything here is pure. Indexes count leaves from 0, sizes are numbers of leaves, every hash is 32 bytes of SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

HASH_SIZE = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT

EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves (RFC 6962 section 2.1)."""


class ProofInvalid(ValueError):
    """A proof does not show what it claims; the message is a short reason that does not change between releases."""


class TileMissing(LookupError):
    """A tile, or the part of it that was asked for, is not there; the message names it as `level/index`."""


def leaf_hash(data: bytes) -> bytes:
    """Hash of one leaf: SHA-256(0x00 ‖ data), RFC 6962 section 2.1."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node: SHA-256(0x01 ‖ left ‖ right), RFC 6962 section 2.1."""
    return sha256(b"\x01" + left + right).digest()


# --- verification -----------------------------------------------------------------------------------------------------


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf with the hash `leaf` stands at `index` in the tree of `size` leaves with this `root`.

    RFC 9162 section 2.1.3.2. `fn` and `sn` are the places of the node and of the last node on the level just reached.
    Raises `ProofInvalid`.
    """
    _require_hashes([leaf, root, *path])
    if not 0 <= index < size:
        raise ProofInvalid("index-outside-tree")
    fn, sn = index, size - 1
    node = leaf
    for sibling in path:
        if sn == 0:
            raise ProofInvalid("path-too-long")
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            skipped = _trailing_zeros(fn)
            fn, sn = fn >> skipped, sn >> skipped
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofInvalid("path-too-short")
    if node != root:
        raise ProofInvalid("root-differs")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of `new_size` leaves begins with the very leaves of the tree of `old_size`.

    RFC 9162 section 2.1.4.2, which is defined for 0 < old < new. Trees of one size are consistent when their roots are
    equal, and every tree extends the empty one; both take an empty path, and an empty tree has no other root than
    `EMPTY_ROOT`. Raises `ProofInvalid`.
    """
    _require_hashes([old_root, new_root, *path])
    if not 0 <= old_size <= new_size:
        raise ProofInvalid("size-shrank")
    if (old_size == 0 and old_root != EMPTY_ROOT) or (new_size == 0 and new_root != EMPTY_ROOT):
        raise ProofInvalid("root-differs")
    if old_size in (0, new_size):
        if path:
            raise ProofInvalid("path-too-long")
        if old_size == new_size and old_root != new_root:
            raise ProofInvalid("root-differs")
        return
    if not path:
        raise ProofInvalid("path-too-short")

    fn, sn = old_size - 1, new_size - 1
    skipped = _trailing_zeros(old_size)
    fn, sn = fn >> skipped, sn >> skipped
    # An old tree that is one perfect subtree is a node of the new tree, and the proof leaves its root out.
    first, *rest = path if fn else [old_root, *path]
    old_node = new_node = first
    for sibling in rest:
        if sn == 0:
            raise ProofInvalid("path-too-long")
        if fn & 1 or fn == sn:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
            skipped = _trailing_zeros(fn)
            fn, sn = fn >> skipped, sn >> skipped
        else:
            new_node = node_hash(new_node, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofInvalid("path-too-short")
    if old_node != old_root or new_node != new_root:
        raise ProofInvalid("root-differs")


def _require_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        raise ProofInvalid("hash-not-32-bytes")


def _trailing_zeros(number: int) -> int:
    """How often `number` can be halved without remainder; 0 for 0."""
    return max((number & -number).bit_length() - 1, 0)


# --- proofs from tiles ------------------------------------------------------------------------------------------------


class TileReader(Protocol):
    """Where the hashes of a tree are read from."""

    def tile(self, level: int, index: int, width: int) -> bytes:
        """At least the first `width` hashes (1 to 256) of a tile, concatenated.

        Hash `i` of the tile is the node of height `8 * level` that is number `256 * index + i` of its height: at level
        0 a leaf hash, above it the root of full tile `256 * index + i` of the level below. Raises `TileMissing`.
        """
        ...


def root(reader: TileReader, size: int) -> bytes:
    """Root of the first `size` leaves: MTH(D[size]) of RFC 6962 section 2.1. Raises `TileMissing`."""
    if size == 0:
        return EMPTY_ROOT
    return _hash_ranges(reader, [(0, size)])[0]


def inclusion_proof(reader: TileReader, index: int, size: int) -> list[bytes]:
    """The path that shows leaf `index` in the tree of `size` leaves: PATH(m, D[n]) of RFC 6962 section 2.1.1.

    Reads each tile once, at most two for every eight levels of the tree. Raises `ValueError` for an index outside the
    tree and `TileMissing`.
    """
    return _hash_ranges(reader, _siblings(index, size))


def consistency_proof(reader: TileReader, old: int, new: int) -> list[bytes]:
    """The path that shows that the tree of `new` leaves extends the tree of `old`: PROOF(m, D[n]), RFC 6962 2.1.2.

    Empty when `old` is 0 or equal to `new`, as `verify_consistency` expects. Raises `ValueError` when `old` is larger
    than `new`, and `TileMissing`.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} cannot extend a tree of {old}")
    if old == 0:
        return []
    nodes = []
    start, end = 0, new
    while end != old:
        middle = _split(start, end)
        if old <= middle:
            nodes.append((middle, end))
            end = middle
        else:
            nodes.append((start, middle))
            start = middle
    if start > 0:
        nodes.append((start, old))
    return _hash_ranges(reader, nodes[::-1])


def _siblings(index: int, size: int) -> list[tuple[int, int]]:
    """The ranges of leaves under the nodes of an inclusion path, from the leaf up."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    siblings = []
    start, end = 0, size
    while end - start > 1:
        middle = _split(start, end)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return siblings[::-1]


def _split(start: int, end: int) -> int:
    """Where RFC 6962 divides leaves [start, end): after the largest power of two smaller than their number."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


@dataclass(frozen=True)
class _Subtree:
    """A perfect subtree, seen as a run of hashes inside one tile; `count` is a power of two below 256."""

    level: int
    index: int
    offset: int
    count: int


def _perfect_subtrees(start: int, end: int) -> Iterator[_Subtree]:
    """The perfect subtrees that make up a node over leaves [start, end), from left to right."""
    while start < end:
        height = (end - start).bit_length() - 1
        level, rest = divmod(height, TILE_HEIGHT)
        index, offset = divmod(start >> (TILE_HEIGHT * level), TILE_WIDTH)
        yield _Subtree(level, index, offset, 1 << rest)
        start += 1 << height


def _hash_ranges(reader: TileReader, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """The hashes of nodes over these ranges of leaves.

    The ranges of one proof are disjoint, so that no inner node is hashed twice; each tile is read once, as wide as the
    rightmost hash wanted from it.
    """
    plans = [list(_perfect_subtrees(start, end)) for start, end in ranges]
    widths: dict[tuple[int, int], int] = {}
    for subtree in (subtree for plan in plans for subtree in plan):
        place = (subtree.level, subtree.index)
        widths[place] = max(widths.get(place, 0), subtree.offset + subtree.count)
    tiles = {(level, index): _read(reader, level, index, width) for (level, index), width in widths.items()}

    hashes = []
    for plan in plans:
        roots = [_run_root(tiles[each.level, each.index], each.offset, each.count) for each in plan]
        node = roots.pop()
        while roots:
            node = node_hash(roots.pop(), node)
        hashes.append(node)
    return hashes


def _read(reader: TileReader, level: int, index: int, width: int) -> bytes:
    hashes = reader.tile(level, index, width)
    if len(hashes) < width * HASH_SIZE:
        raise TileMissing(f"{level}/{index} holds fewer than {width} hashes")
    return hashes


def _run_root(hashes: bytes, offset: int, count: int) -> bytes:
    """Root over `count` (a power of two) neighbouring hashes of a tile."""
    layer = hashes[offset * HASH_SIZE : (offset + count) * HASH_SIZE]
    while len(layer) > HASH_SIZE:
        pairs = range(0, len(layer), 2 * HASH_SIZE)
        layer = b"".join([sha256(b"\x01" + layer[at : at + 2 * HASH_SIZE]).digest() for at in pairs])
    return layer


class Prover:
    """Makes many inclusion proofs in one tree of `size` leaves: reads each tile and computes each node once."""

    def __init__(self, reader: TileReader, size: int) -> None:
        self._reader = reader
        self._size = size
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._nodes: dict[tuple[int, int], bytes] = {}

    def inclusion_proof(self, index: int) -> list[bytes]:
        """What `inclusion_proof` makes for this tree. Raises `ValueError` for an index outside it and `TileMissing`."""
        return [self._node(start, end) for start, end in _siblings(index, self._size)]

    def _node(self, start: int, end: int) -> bytes:
        if (start, end) not in self._nodes:
            self._nodes[start, end] = self._computed(start, end)
        return self._nodes[start, end]

    def _computed(self, start: int, end: int) -> bytes:
        height = (end - start).bit_length() - 1
        if end - start == 1 << height and height % TILE_HEIGHT == 0:
            return self._hash(height // TILE_HEIGHT, start >> height)
        middle = _split(start, end)
        return node_hash(self._node(start, middle), self._node(middle, end))

    def _hash(self, level: int, number: int) -> bytes:
        """Hash `number` of its level, from a tile that is read as wide as this tree has it."""
        index, place = divmod(number, TILE_WIDTH)
        if (level, index) not in self._tiles:
            width = min(TILE_WIDTH, (self._size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH)
            self._tiles[level, index] = _read(self._reader, level, index, width)
        return self._tiles[level, index][place * HASH_SIZE : (place + 1) * HASH_SIZE]


# --- growing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tile:
    """A full tile: its place, its 256 hashes concatenated (8,192 bytes) and the root over them."""

    level: int
    index: int
    hashes: bytes
    root: bytes


class TileBuilder:
    """The right edge of a growing tree: at every level, the hashes of the tile that is not full yet.

    It is itself a `TileReader` of that edge, which is all that the root of the current tree is computed from:
    `root(builder, builder.size)`.
    """

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[list[bytes]] = [[]]

    @classmethod
    def resume(cls, reader: TileReader, size: int) -> TileBuilder:
        """Continue a tree of `size` leaves; reads one partial tile a level. Raises `TileMissing`."""
        builder = cls()
        builder.size = size
        builder._edge = []
        nodes, level = size, 0
        while nodes or level == 0:
            nodes, width = divmod(nodes, TILE_WIDTH)
            hashes = _read(reader, level, nodes, width) if width else b""
            builder._edge.append([hashes[at * HASH_SIZE : (at + 1) * HASH_SIZE] for at in range(width)])
            level += 1
        return builder

    def append(self, leaf_hashes: Iterable[bytes]) -> list[Tile]:
        """Add leaves at the end; answers the tiles that became full, each once, a tile before those above it."""
        full: list[Tile] = []
        for each in leaf_hashes:
            if len(each) != HASH_SIZE:
                raise ValueError("a leaf hash has 32 bytes")
            self.size += 1
            self._push(0, each, full)
        return full

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The partial tile at the right edge of a level (see `TileReader`); any other tile is missing here."""
        if level >= len(self._edge) or index != self.size >> (TILE_HEIGHT * (level + 1)):
            raise TileMissing(f"{level}/{index} is not at the right edge")
        return b"".join(self._edge[level])

    def _push(self, level: int, node: bytes, full: list[Tile]) -> None:
        if level == len(self._edge):
            self._edge.append([])
        partial = self._edge[level]
        partial.append(node)
        if len(partial) == TILE_WIDTH:
            hashes = b"".join(partial)
            partial.clear()
            tile = Tile(level, (self.size >> (TILE_HEIGHT * (level + 1))) - 1, hashes, _run_root(hashes, 0, TILE_WIDTH))
            full.append(tile)
            self._push(level + 1, tile.root, full)
