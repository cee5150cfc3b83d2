"""How fast audit takes in events while readers verify every checkpoint, beside how fast it does with nobody there.

Each reader looks once a second, which is how often there is a new checkpoint: it verifies the signature, that the log
extends what it knew, and some records by their entries and tiles. All of it runs on the same cores.
"""

from __future__ import annotations

from deploy.local.platform import Platform
from tests.bench.people import officer
from tests.bench.pipeline import made_events, seconds_to_the_tree
from tests.bench.report import Report
from tests.chaos.readers import Reader, Readers, fetching
from tests.tiles import listed_public_keys

EVENTS = 30_000
READERS = 8
PAUSE = 1.0


def measure(platform: Platform, report: Report) -> None:
    alone = EVENTS / seconds_to_the_tree(platform, made_events(platform, EVENTS))
    report.add("verifying", "taking in, nobody reads", per_second=round(alone))
    readers = _readers(platform)
    events = made_events(platform, EVENTS)
    with readers.reading():
        beside = EVENTS / seconds_to_the_tree(platform, events)
    report.add(
        "verifying",
        f"taking in, {READERS} readers verify",
        per_second=round(beside),
        checkpoints=sum(reader.checkpoints for reader in readers.readers),
        records=sum(reader.records for reader in readers.readers),
        ratio=round(beside / alone, 2),
        aim=0.7,
    )


def _readers(platform: Platform) -> Readers:
    headers = officer(platform).headers
    keys = platform.state.audit_log / "guard" / "keys"
    return Readers(
        [
            Reader(
                fetching(platform.base_url, headers),
                platform.description.log_origin,
                lambda: listed_public_keys(keys.read_text()),
                seed,
            )
            for seed in range(READERS)
        ],
        PAUSE,
    )
