import os

import pytest

from services.audit.log.archive import Archive, ArchiveBusy, ArchiveDamaged, ArchiveRefused, ArchiveWriter

LEAVES = [f'{{"n":{number}}}'.encode() for number in range(25)]


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "log" / "archive"


@pytest.fixture
def full(directory):
    with ArchiveWriter(directory, 10) as writer:
        writer.append(0, LEAVES)
    return directory


def names(directory):
    return sorted(path.name for path in directory.glob("*.leaves"))


def test_leaves_come_back_in_order(full):
    archive = Archive(full, 10)
    assert archive.size() == 25
    for start in (0, 1, 9, 10, 11, 24, 25, 30):
        assert list(archive.read(start)) == LEAVES[start:]
    assert names(full) == ["0000000000000000.leaves", "0000000000000010.leaves", "0000000000000020.leaves"]
    assert (full / "0000000000000020.leaves").read_bytes() == b"".join(leaf + b"\n" for leaf in LEAVES[20:])


def test_batches_of_any_length_make_the_same_files(full, tmp_path):
    for length in (1, 3, 10, 11, 25):
        other = tmp_path / str(length)
        for start in range(0, 25, length):
            with ArchiveWriter(other, 10) as writer:
                assert writer.size() == start
                writer.append(start, LEAVES[start : start + length])
                assert writer.size() == Archive(other, 10).size() == min(start + length, 25)
        assert [(other / name).read_bytes() for name in names(full)] == [
            (full / name).read_bytes() for name in names(full)
        ]


def test_an_archive_that_does_not_exist_yet_is_empty(directory):
    assert Archive(directory).size() == 0
    assert list(Archive(directory).read()) == []
    with ArchiveWriter(directory) as writer:
        writer.append(0, [])
        assert (writer.size(), writer.torn_bytes, names(directory)) == (0, 0, [])


@pytest.mark.parametrize("position", [0, 24, 26, 1_000])
def test_gaps_and_overlaps_are_refused(full, position):
    with ArchiveWriter(full, 10) as writer:
        with pytest.raises(ArchiveRefused, match=f"leaf {position} was offered, the next one is 25"):
            writer.append(position, [b"x"])
        writer.append(25, [b"x"])
    assert list(Archive(full, 10).read(24)) == [LEAVES[24], b"x"]


@pytest.mark.parametrize("leaf", [b"", b"two\nlines", b"\n"])
def test_a_leaf_is_a_line(full, leaf):
    with ArchiveWriter(full, 10) as writer, pytest.raises(ValueError, match="a leaf is a line"):
        writer.append(25, [b"x", leaf])
    assert Archive(full, 10).size() == 25


def test_one_writer_at_a_time(directory):
    with ArchiveWriter(directory):
        with pytest.raises(ArchiveBusy):
            ArchiveWriter(directory)
        assert Archive(directory).size() == 0
    ArchiveWriter(directory).close()


# --- crashes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", range(1, 9))
def test_a_torn_last_line_is_cut_off_and_reported(full, kept):
    torn = (LEAVES[0] + b"\n")[:kept].rstrip(b"\n") + bytes(3)
    with (full / "0000000000000020.leaves").open("ab") as file:
        file.write(torn)
    assert Archive(full, 10).size() == 25
    assert list(Archive(full, 10).read()) == LEAVES
    with ArchiveWriter(full, 10) as writer:
        assert (writer.torn_bytes, writer.size()) == (len(torn), 25)
        writer.append(25, [b"next"])
    assert list(Archive(full, 10).read(24)) == [LEAVES[24], b"next"]


def test_a_file_that_was_only_begun(full):
    (full / "0000000000000020.leaves").write_bytes(b'{"half')
    with ArchiveWriter(full, 10) as writer:
        assert (writer.torn_bytes, writer.size()) == (6, 20)
        writer.append(20, LEAVES[20:])
    assert list(Archive(full, 10).read()) == LEAVES


def test_a_disk_that_fails_closes_the_writer(full, monkeypatch):
    writer = ArchiveWriter(full, 10)
    fsync, calls = os.fsync, []

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="Input/output"):
            writer.append(25, [b"x"] * 12)
    with pytest.raises(ArchiveRefused, match="closed"):
        writer.append(25, [b"x"])
    with ArchiveWriter(full, 10) as reopened:
        size = reopened.size()
        assert 25 <= size <= 37
        reopened.append(size, [b"y"])


def test_leaves_are_synced_before_append_returns(directory, monkeypatch):
    synced, fsync = set(), os.fsync

    def recording(descriptor):
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    with ArchiveWriter(directory, 10) as writer:
        synced.clear()
        writer.append(0, LEAVES)
        assert synced == {path.stat().st_ino for path in (directory, *(directory / name for name in names(directory)))}


# --- damage -----------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_noticed(full):
    (full / "0000000000000010.leaves").unlink()
    for use in (Archive(full, 10).size, lambda: list(Archive(full, 10).read()), lambda: ArchiveWriter(full, 10)):
        with pytest.raises(ArchiveDamaged, match=r"0000000000000010\.leaves is missing"):
            use()


def test_a_shortened_file_is_noticed(full):
    (full / "0000000000000010.leaves").write_bytes(b"x\n" * 9)
    with pytest.raises(ArchiveDamaged, match="holds 9 leaves"):
        list(Archive(full, 10).read())
    assert list(Archive(full, 10).read(20)) == LEAVES[20:]


def test_an_overfull_file_is_noticed(full):
    (full / "0000000000000020.leaves").write_bytes(b"x\n" * 11)
    with pytest.raises(ArchiveDamaged, match="more than 10"):
        ArchiveWriter(full, 10)
    (full / "0000000000000020.leaves").write_bytes(b"x\n" * 10)
    ArchiveWriter(full, 10).close()
