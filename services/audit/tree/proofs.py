"""Inclusion proofs as text, as C2SP tlog-proof: a leaf's index and path, and the checkpoint they lead to."""

from __future__ import annotations

from dataclasses import dataclass

from services.audit.tree.merkle import HASH_SIZE, ProofInvalid
from services.audit.tree.notes import NoteInvalid, decode_base64, encode_base64, parse_decimal

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class TlogProof:
    """That a leaf stands at `index` of the log: the path from its sibling up, and the signed checkpoint, verbatim."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str

    def format(self) -> str:
        lines = [HEADER, f"index {self.index}", *map(encode_base64, self.path)]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def parse(cls, text: str) -> TlogProof:
        """Read the text form; the checkpoint in it is not verified here.

        The optional `extra` line is refused: nothing authenticates it and this log writes none. Raises `ProofInvalid`.
        """
        head, separator, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != HEADER or not separator or not lines or not lines[0].startswith("index "):
            raise ProofInvalid("proof-malformed")
        index, *path = lines
        try:
            proof = cls(parse_decimal(index.removeprefix("index ")), tuple(map(decode_base64, path)), checkpoint)
        except NoteInvalid as error:
            raise ProofInvalid(str(error)) from None
        if any(len(each) != HASH_SIZE for each in proof.path):
            raise ProofInvalid("hash-not-32-bytes")
        return proof
