"""Of a file that somebody sends as their picture only pixels are kept; what is no picture, or too large, is refused."""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode, b64encode
from contextlib import suppress
from io import BytesIO
from random import Random
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from services.identity.accounts.pictures import LARGEST_PORTRAIT, MOST_PIXELS, SIDE, portrait
from shared.contracts.events import contract_of
from shared.contracts.identity import AccountImageChanged
from shared.contracts.problems import Problem
from tests.making import NOON

PLACE = "48.8584 N 2.2945 E"


def file_of(image: Image.Image, format: str = "PNG", **options: object) -> str:
    file = BytesIO()
    image.save(file, format, **options)
    return b64encode(file.getvalue()).decode()


def drawn(file: str) -> Image.Image:
    return Image.open(BytesIO(b64decode(portrait(file))))


def photograph(size: tuple[int, int] = (800, 600)) -> Image.Image:
    return Image.linear_gradient("L").resize(size).convert("RGB")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_picture_becomes_a_small_jpeg(format: str) -> None:
    kept = drawn(file_of(photograph(), format))
    assert (kept.format, kept.mode, kept.size) == ("JPEG", "RGB", (SIDE, SIDE * 600 // 800))


def test_a_small_picture_stays_as_small() -> None:
    assert drawn(file_of(photograph((40, 30)))).size == (40, 30)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_every_usual_kind_of_pixel_can_be_kept(mode: str) -> None:
    assert drawn(file_of(photograph().convert(mode), "JPEG" if mode == "CMYK" else "PNG")).mode == "RGB"


def test_nothing_but_pixels_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = PLACE
    camera = photograph()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", PLACE)
    text.add_itxt("XML:com.adobe.xmp", PLACE)
    files = [
        file_of(camera, "JPEG", exif=exif, comment=PLACE.encode(), icc_profile=PLACE.encode(), xmp=PLACE.encode()),
        file_of(camera, "PNG", exif=exif, pnginfo=text, icc_profile=PLACE.encode()),
        file_of(camera, "WEBP", exif=exif, xmp=PLACE.encode(), icc_profile=PLACE.encode()),
    ]
    for file in files:
        kept = b64decode(portrait(file))
        assert PLACE.encode() not in kept
        assert set(Image.open(BytesIO(kept)).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_bytes_behind_a_picture_are_lost() -> None:
    polyglot = b64decode(file_of(photograph(), "JPEG")) + b"PK\x03\x04 <script>"
    assert b"<script>" not in b64decode(portrait(b64encode(polyglot).decode()))


def test_a_picture_that_was_taken_sideways_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert drawn(file_of(photograph((400, 200)), "JPEG", exif=exif)).size == (200, 400)


def test_what_is_transparent_becomes_white() -> None:
    assert drawn(file_of(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))).getpixel((4, 4)) == (255, 255, 255)


def test_what_cannot_be_made_small_by_drawing_is_made_small_by_quality() -> None:
    noise = Image.frombytes("RGB", (SIDE, SIDE), Random(1).randbytes(SIDE * SIDE * 3))
    kept = portrait(file_of(noise))
    assert len(b64decode(kept)) <= LARGEST_PORTRAIT
    event = AccountImageChanged(account_id=uuid4(), image=kept, changed_at=NOON)
    contract_of(AccountImageChanged).dump(event)


def bomb(width: int, height: int) -> str:
    """A PNG of a few bytes that says to have so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
    return b64encode(b"\x89PNG\r\n\x1a\n" + head + pixels + chunk(b"IEND", b"")).decode()


@pytest.mark.parametrize("size", [(5000, MOST_PIXELS // 5000 + 1), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_bomb_is_refused_before_it_takes_memory(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("pixels were read"))
    with pytest.raises(Problem, match="image-unusable"):
        portrait(bomb(*size))


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_other_formats_are_refused(format: str) -> None:
    with pytest.raises(Problem, match="image-unusable"):
        portrait(file_of(photograph((32, 32)), format))


@pytest.mark.parametrize("file", [b"", b"<svg width='1' height='1'/>", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe"])
def test_what_is_no_picture_is_refused(file: bytes) -> None:
    with pytest.raises(Problem, match="image-unusable"):
        portrait(b64encode(file).decode())


BROKEN = [b64decode(file_of(photograph((64, 48)), format)) for format in ("JPEG", "PNG", "WEBP")]


@settings(max_examples=150)
@given(st.sampled_from(BROKEN), st.integers(0, 10_000), st.binary(min_size=1, max_size=8), st.integers(1, 10_000))
def test_a_broken_file_is_drawn_or_refused(file: bytes, place: int, change: bytes, length: int) -> None:
    place %= len(file)
    broken = (file[:place] + change + file[place + len(change) :])[:length]
    with suppress(Problem):
        assert drawn(b64encode(broken).decode()).format == "JPEG"
