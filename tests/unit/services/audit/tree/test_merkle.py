import random
from hashlib import sha256

import pytest

from services.audit.tree import merkle
from services.audit.tree.merkle import (
    EMPTY_ROOT,
    ProofInvalid,
    TileBuilder,
    TileMissing,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.tiles import GrowingTree, root_of_inclusion, roots_of_consistency

# The leaves and roots that Certificate Transparency implementations share as reference.
REFERENCE_LEAVES = [
    bytes.fromhex(text)
    for text in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
]
REFERENCE_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SMALL = 130


@pytest.fixture(scope="module")
def small(naive):
    return naive([number.to_bytes(2, "big") for number in range(SMALL)])


@pytest.fixture(scope="module")
def large(naive):
    return naive([number.to_bytes(4, "big") for number in range(70_000)])


@pytest.fixture(scope="module")
def large_hashes(large):
    return [leaf_hash(each) for each in large.leaves]


def reason(check, *arguments):
    with pytest.raises(ProofInvalid) as refused:
        check(*arguments)
    return str(refused.value)


# --- against reference values and the definitions ---------------------------------------------------------------------


def test_reference_roots(naive):
    tree = naive(REFERENCE_LEAVES)
    assert [merkle.root(tree, size).hex() for size in range(9)] == REFERENCE_ROOTS
    builder = TileBuilder()
    for size, expected in enumerate(REFERENCE_ROOTS):
        assert merkle.root(builder, size).hex() == expected
        builder.append(map(leaf_hash, REFERENCE_LEAVES[size : size + 1]))


def test_domains_are_separate():
    assert leaf_hash(b"ab") == sha256(b"\x00ab").digest()
    assert node_hash(b"a", b"b") == sha256(b"\x01ab").digest()


def test_every_inclusion_up_to_130_leaves(small):
    for size in range(1, SMALL + 1):
        root = small.root(size)
        for index in range(size):
            path = small.path(index, 0, size)
            assert merkle.inclusion_proof(small, index, size) == path
            verify_inclusion(leaf_hash(small.leaves[index]), index, size, path, root)


def test_every_consistency_up_to_130_leaves(small):
    for new in range(SMALL + 1):
        for old in range(new + 1):
            path = small.proof(old, 0, new) if old else []
            assert merkle.consistency_proof(small, old, new) == path
            verify_consistency(old, small.root(old), new, small.root(new), path)


def test_verifiers_that_share_no_code_accept_every_proof_up_to_130_leaves(small):
    """The recursions of RFC 6962 read backwards (`tests.tiles`), where ours is the loop of RFC 9162."""
    for size in range(1, SMALL + 1):
        root = small.root(size)
        for index in range(size):
            path = merkle.inclusion_proof(small, index, size)
            assert root_of_inclusion(leaf_hash(small.leaves[index]), index, size, path) == root
        for old in range(1, size + 1):
            path = merkle.consistency_proof(small, old, size)
            assert roots_of_consistency(small.root(old), old, size, path) == (small.root(old), root)


def test_a_follower_that_keeps_no_leaf_has_every_root(small):
    tree = GrowingTree()
    for size in range(SMALL + 1):
        assert tree.root() == small.root(size)
        if size < SMALL:
            tree.add(small.leaves[size])


def test_many_proofs_in_one_tree_read_each_tile_once(small, large):
    for size in range(1, SMALL + 1):
        prover = merkle.Prover(small, size)
        assert [prover.inclusion_proof(index) for index in range(size)] == [
            small.path(index, 0, size) for index in range(size)
        ]
        with pytest.raises(ValueError, match="not in a tree"):
            prover.inclusion_proof(size)
    large.tiles_read.clear()
    prover = merkle.Prover(large, 66_000)
    for index in range(0, 66_000, 500):
        assert prover.inclusion_proof(index) == large.path(index, 0, 66_000)
    assert len(set(large.tiles_read)) == len(large.tiles_read)


@pytest.mark.parametrize("seed", range(12))
def test_proofs_from_tiles_in_larger_trees(large, seed):
    chance = random.Random(seed)
    new = chance.choice([255, 256, 257, 511, 65_535, 65_536, 65_537, 65_793, chance.randint(2, 70_000)])
    old, index = chance.randint(1, new), chance.randrange(new)
    large.tiles_read.clear()

    assert merkle.root(large, new) == large.root(new)
    path = merkle.consistency_proof(large, old, new)
    assert path == large.proof(old, 0, new)
    verify_consistency(old, large.root(old), new, large.root(new), path)

    large.tiles_read.clear()
    path = merkle.inclusion_proof(large, index, new)
    assert path == large.path(index, 0, new)
    assert len(set(large.tiles_read)) == len(large.tiles_read) <= 5
    verify_inclusion(leaf_hash(large.leaves[index]), index, new, path, large.root(new))


# --- cost -------------------------------------------------------------------------------------------------------------


class CountingReader:
    def __init__(self):
        self.reads = []

    def tile(self, level, index, width):
        self.reads.append((level, index))
        return bytes(32 * width)


def test_proofs_in_a_million_leaves_read_few_tiles():
    chance = random.Random(1)
    for _ in range(200):
        size = chance.randint(900_000, 1_000_000)
        for make in (merkle.inclusion_proof, merkle.consistency_proof):
            reader = CountingReader()
            path = make(reader, chance.randrange(1, size), size)
            assert len(set(reader.reads)) == len(reader.reads) <= 6
            assert len(path) <= 21


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_altered_inclusion_proofs_are_refused(small):
    for size in (1, 2, 3, 7, 8, 100):
        root = small.root(size)
        for index in range(size):
            leaf, path = leaf_hash(small.leaves[index]), small.path(index, 0, size)
            assert reason(verify_inclusion, leaf, index, size, [*path, leaf], root) == "path-too-long"
            assert reason(verify_inclusion, leaf_hash(b"?"), index, size, path, root) == "root-differs"
            assert reason(verify_inclusion, leaf, index, size, path, bytes(32)) == "root-differs"
            if path:
                assert reason(verify_inclusion, leaf, index, size, path[:-1], root) == "path-too-short"
            for at in range(len(path)):
                assert reason(verify_inclusion, leaf, index, size, [*path[:at], bytes(32), *path[at + 1 :]], root)
            for other in set(range(size)) - {index}:
                assert reason(verify_inclusion, leaf, other, size, path, root)


def test_altered_consistency_proofs_are_refused(small):
    for old, new in [(1, 2), (1, 8), (2, 3), (3, 7), (4, 8), (6, 8), (64, 100), (65, 130), (127, 128), (128, 129)]:
        path, old_root, new_root = small.proof(old, 0, new), small.root(old), small.root(new)
        assert reason(verify_consistency, old, old_root, new, new_root, [*path, bytes(32)]) == "path-too-long"
        assert reason(verify_consistency, old, old_root, new, new_root, path[:-1]) == "path-too-short"
        assert reason(verify_consistency, old, bytes(32), new, new_root, path) == "root-differs"
        assert reason(verify_consistency, old, old_root, new, bytes(32), path) == "root-differs"
        for at in range(len(path)):
            assert reason(verify_consistency, old, old_root, new, new_root, [*path[:at], bytes(32), *path[at + 1 :]])


def test_consistency_of_equal_and_of_empty_trees(small):
    root = small.root(5)
    verify_consistency(5, root, 5, root, [])
    verify_consistency(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    verify_consistency(0, EMPTY_ROOT, 5, root, [])
    assert reason(verify_consistency, 5, root, 5, bytes(32), []) == "root-differs"
    assert reason(verify_consistency, 5, root, 5, root, [root]) == "path-too-long"
    assert reason(verify_consistency, 0, root, 5, root, []) == "root-differs"
    assert reason(verify_consistency, 0, root, 0, root, []) == "root-differs"
    assert reason(verify_consistency, 0, EMPTY_ROOT, 5, root, [root]) == "path-too-long"
    assert reason(verify_consistency, 5, root, 4, root, []) == "size-shrank"
    assert reason(verify_consistency, -1, EMPTY_ROOT, 4, root, []) == "size-shrank"


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33)])
def test_every_hash_must_be_32_bytes(small, wrong):
    root, leaf, path = small.root(3), leaf_hash(small.leaves[0]), small.path(0, 0, 3)
    for arguments in [(wrong, 0, 3, path, root), (leaf, 0, 3, path, wrong), (leaf, 0, 3, [path[0], wrong], root)]:
        assert reason(verify_inclusion, *arguments) == "hash-not-32-bytes"
    for arguments in [(1, wrong, 3, root, path), (1, leaf, 3, wrong, path), (1, leaf, 3, root, [path[0], wrong])]:
        assert reason(verify_consistency, *arguments) == "hash-not-32-bytes"


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_indexes_outside_the_tree(small, index, size):
    leaf = leaf_hash(b"")
    assert reason(verify_inclusion, leaf, index, size, [], leaf) == "index-outside-tree"
    with pytest.raises(ValueError, match="is not in a tree"):
        merkle.inclusion_proof(small, index, size)


def test_a_smaller_tree_extends_nothing(small):
    with pytest.raises(ValueError, match="cannot extend"):
        merkle.consistency_proof(small, 4, 3)


def test_a_reader_that_answers_too_little_is_noticed():
    class Short:
        def tile(self, level, index, width):
            return bytes(32 * width - 1)

    with pytest.raises(TileMissing, match="0/0 holds fewer than 4 hashes"):
        merkle.inclusion_proof(Short(), 0, 4)


# --- growing ----------------------------------------------------------------------------------------------------------


def test_builder_yields_each_full_tile_once(large, large_hashes):
    builder, tiles = TileBuilder(), []
    chance = random.Random(2)
    while builder.size < len(large_hashes):
        tiles += builder.append(large_hashes[builder.size : builder.size + chance.randint(1, 2_000)])
        assert merkle.root(builder, builder.size) == large.root(builder.size)

    assert {(tile.level, tile.index) for tile in tiles} == {(0, index) for index in range(273)} | {(1, 0)}
    assert len(tiles) == 274
    for tile in tiles:
        span = 256**tile.level
        starts = [(tile.index * 256 + at) * span for at in range(256)]
        assert tile.hashes == b"".join(large.node(start, start + span) for start in starts)
        assert tile.root == large.node(starts[0], starts[0] + 256 * span)
    assert [len(builder.tile(level, index, 1)) // 32 for level, index in [(0, 273), (1, 1), (2, 0)]] == [112, 17, 1]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_800])
def test_builder_resumes_where_it_stopped(large, large_hashes, size):
    resumed, fresh = TileBuilder.resume(large, size), TileBuilder()
    fresh.append(large_hashes[:size])
    assert merkle.root(resumed, size) == large.root(size)
    following = large_hashes[size : size + 600]
    assert resumed.append(following) == fresh.append(following)
    assert merkle.root(resumed, size + 600) == large.root(size + 600)


def test_builder_holds_the_right_edge_only(large_hashes):
    builder = TileBuilder()
    builder.append(large_hashes[:300])
    for level, index in [(0, 0), (0, 2), (1, 1), (2, 0)]:
        with pytest.raises(TileMissing):
            builder.tile(level, index, 1)
    with pytest.raises(ValueError, match="32 bytes"):
        builder.append([b"short"])
