"""A key takes over from another, whatever dies on the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.audit.log import rotation
from services.audit.log.rotation import RotationRefused, rotate
from services.audit.log.signer import CheckpointSigner, guard_file, keys_file, listed_keys
from services.audit.tree import merkle
from services.audit.tree.notes import NoteSigner, parse_keys, verify_checkpoint


class Crash(BaseException):
    """The process dies here."""


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "log"


@pytest.fixture
def key_file(tmp_path, signer):
    path = tmp_path / "log.pem"
    path.write_bytes(signer.pem())
    return path


@pytest.fixture
def begun(directory, signer, log):
    """A log that has signed a tree of five leaves."""
    CheckpointSigner(guard_file(directory), signer, archived=0).sign(5, log.tree.root(5), [])
    return directory


def held(key_file, signer):
    return NoteSigner.all_from_pem(signer.verifier.name, key_file.read_bytes())


def sign_on(directory, key_file, signer, log, size=12):
    """What the signer does after a restart, with whatever the file holds."""
    signing = CheckpointSigner(guard_file(directory), *held(key_file, signer), archived=5)
    old = signing.last_checkpoint
    return signing.sign(size, log.tree.root(size), merkle.consistency_proof(log.tree, old.size, size))


def test_the_new_key_signs_and_the_old_one_is_gone(begun, key_file, signer, log):
    newest = rotate(key_file, signer.verifier.name, begun)
    assert newest != signer.verifier
    assert [key.verifier for key in held(key_file, signer)] == [newest]
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert parse_keys(keys_file(begun).read_text()) == [newest, signer.verifier]
    assert keys_file(begun).read_text() == f"{newest}\n{signer.verifier} 5\n"
    assert verify_checkpoint(sign_on(begun, key_file, signer, log), [newest]).size == 12


def test_every_old_key_stays_listed(begun, key_file, signer):
    newest = [rotate(key_file, signer.verifier.name, begun) for _ in range(3)]
    assert listed_keys(begun) == [*newest[::-1], signer.verifier]


def test_a_crash_at_any_step_stops_neither_the_log_nor_the_rotation(tmp_path, directory, signer, log, monkeypatch):
    crashes = finished = 0
    while not finished:
        log_directory, key_file = directory / str(crashes), tmp_path / f"{crashes}.pem"
        key_file.write_bytes(signer.pem())
        log_directory.mkdir(parents=True)
        CheckpointSigner(guard_file(log_directory), signer, archived=0).sign(5, log.tree.root(5), [])
        with monkeypatch.context() as patch:
            _die_before(patch, crashes)
            try:
                rotate(key_file, signer.verifier.name, log_directory)
                finished = 1
            except Crash:
                crashes += 1
        # The log goes on with whatever there is, and the rotation is finished by asking for it again.
        assert verify_checkpoint(sign_on(log_directory, key_file, signer, log, 7), listed_keys(log_directory))
        if held(key_file, signer)[0].verifier == signer.verifier:
            rotate(key_file, signer.verifier.name, log_directory)
        newest, *retired = listed_keys(log_directory)
        assert retired == [signer.verifier]
        assert [key.verifier for key in held(key_file, signer)] == [newest]
        assert verify_checkpoint(sign_on(log_directory, key_file, signer, log), [newest])
    assert crashes >= 9


def _die_before(patch, step):
    taken = 0

    def counted(function):
        def dying(*arguments, **options):
            nonlocal taken
            if taken == step:
                raise Crash
            taken += 1
            return function(*arguments, **options)

        return dying

    for owner, name in [(os, "fsync"), (os, "open"), (Path, "replace"), (rotation, "hand_over")]:
        patch.setattr(owner, name, counted(getattr(owner, name)))


def test_the_key_of_another_log_is_refused_and_nothing_changes(begun, key_file, signer):
    other = NoteSigner.generate(signer.verifier.name)
    key_file.write_bytes(other.pem())
    with pytest.raises(RotationRefused, match="restore it first"):
        rotate(key_file, signer.verifier.name, begun)
    assert key_file.read_bytes() == other.pem()
    assert listed_keys(begun) == [signer.verifier]


def test_a_key_that_is_lost_for_good_is_replaced_all_the_same(begun, key_file, signer, log):
    key_file.write_bytes(NoteSigner.generate(signer.verifier.name).pem())
    newest = rotate(key_file, signer.verifier.name, begun, is_lost=True)
    assert [(key, key.signed_up_to) for key in listed_keys(begun)] == [(newest, None), (signer.verifier, 5)]
    assert verify_checkpoint(sign_on(begun, key_file, signer, log), [newest])


def test_a_log_that_has_not_begun_has_no_key_to_rotate(directory, key_file, signer):
    with pytest.raises(RotationRefused, match="signed nothing yet"):
        rotate(key_file, signer.verifier.name, directory)
