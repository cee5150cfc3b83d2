"""The tree as the database holds it: hash tiles once they are full, and what is needed to compute the rest."""

from __future__ import annotations

from sqlalchemy import Connection, text

from services.audit.tree.merkle import TILE_WIDTH, TileMissing

_LEAF_HASHES = text(
    "SELECT leaf_hash FROM leaves WHERE leaf_index >= :first AND leaf_index < :last ORDER BY leaf_index"
)
_TILE_ROOTS = text("SELECT root FROM tiles WHERE level = :below AND index >= :first AND index < :last ORDER BY index")


class StoredTiles:
    """The tree as the database holds it: full tiles, and at the right edge the hashes that are not in one yet."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def tile(self, level: int, index: int, width: int) -> bytes:
        full: bytes | None = self._connection.scalar(
            text("SELECT hashes FROM tiles WHERE level = :level AND index = :index"), {"level": level, "index": index}
        )
        return bytes(full) if full is not None else self._edge(level, index, width)

    def _edge(self, level: int, index: int, width: int) -> bytes:
        first = index * TILE_WIDTH
        hashes = self._connection.scalars(
            _LEAF_HASHES if level == 0 else _TILE_ROOTS,
            {"below": level - 1, "first": first, "last": first + width},
        ).all()
        if len(hashes) < width:
            raise TileMissing(f"{level}/{index}")
        return b"".join(map(bytes, hashes))
