"""What stays as it is is sent once to each reader, and compressed to whoever reads that."""

from __future__ import annotations

import gzip

import pytest

from tests.unit.gateway.playing import Browser

PATHS = ("/openapi.json", "/asyncapi.json", "/docs", "/docs/style.css", "/docs/search.js")
GZIP = {"Accept-Encoding": "gzip"}

by_path = pytest.mark.parametrize("path", PATHS)


@by_path
def test_it_is_compressed_for_whoever_reads_that(ask: Browser, path: str) -> None:
    plain = ask("GET", path)
    assert "Content-Encoding" not in plain.headers
    for accepted in ("gzip", "br, gzip;q=0.5", "*", "GZIP"):
        compressed = ask("GET", path, headers={"Accept-Encoding": accepted})
        assert compressed.headers["Content-Encoding"] == "gzip", accepted
        assert gzip.decompress(compressed.data) == plain.data
        assert int(compressed.headers["Content-Length"]) == len(compressed.data)
        assert compressed.mimetype == plain.mimetype
    for refused in ("", "identity", "br", "gzip;q=0", "gzip;q=0, *"):
        assert "Content-Encoding" not in ask("GET", path, headers={"Accept-Encoding": refused}).headers, refused
    assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"


@by_path
def test_who_has_it_is_not_sent_it_again(ask: Browser, path: str) -> None:
    for accepted in ({}, GZIP):
        sent = ask("GET", path, headers=accepted)
        tag = sent.headers["ETag"]
        for held in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            again = ask("GET", path, headers={**accepted, "If-None-Match": held})
            assert (again.status_code, again.data) == (304, b""), held
            for name in ("ETag", "Vary", "Cache-Control", "Content-Security-Policy"):
                assert again.headers[name] == sent.headers[name]
            assert "Content-Length" not in again.headers
            assert "Content-Type" not in again.headers
        for held in ('"other"', tag.strip('"')[:-1], ""):
            assert ask("GET", path, headers={**accepted, "If-None-Match": held}).status_code == 200, held


@by_path
def test_its_tags_are_strong_and_differ_as_its_bytes_do(ask: Browser, path: str) -> None:
    plain, compressed = (ask("GET", path, headers=accepted).headers["ETag"] for accepted in ({}, GZIP))
    assert plain != compressed
    assert not plain.startswith("W/")
    assert ask("GET", path, headers={**GZIP, "If-None-Match": plain}).status_code == 200
    assert ask("HEAD", path).headers["ETag"] == plain
    assert len({ask("GET", each).headers["ETag"] for each in PATHS}) == len(PATHS)
