"""Pictures of people: whatever file is sent, what is kept was drawn anew, so that nothing but pixels comes through."""

from __future__ import annotations

from base64 import b64decode, b64encode
from io import BytesIO

from PIL import Image, ImageOps

from shared.contracts.problems import Problem

FORMATS = ("JPEG", "PNG", "WEBP")
MOST_PIXELS = 20_000_000
SIDE = 512
LARGEST_PORTRAIT = 140_000
"""In bytes, so that its base64 fits the event that carries it."""
QUALITIES = (85, 70, 50, 30, 10)


def portrait(image: str) -> str:
    """A picture for an account, from a file and to a file in base64: a JPEG of at most 512 by 512 without metadata.

    Raises `Problem("image-unusable")` for anything but a picture of a known format and a bounded number of pixels; the
    number is read from the file's head, before any memory is taken for them.
    """
    try:
        drawn = _drawn_anew(b64decode(image, validate=True))
    except Problem:
        raise
    except Exception:  # noqa: BLE001 - decoders of broken files fail in every way there is
        raise Problem("image-unusable") from None
    return b64encode(_encoded(drawn)).decode()


def _drawn_anew(file: bytes) -> Image.Image:
    with Image.open(BytesIO(file), formats=FORMATS) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise Problem("image-unusable")
        opened.draft("RGB", (2 * SIDE, 2 * SIDE))
        opened.thumbnail((SIDE, SIDE))
        visible = ImageOps.exif_transpose(opened).convert("RGBA")
        canvas = Image.new("RGB", visible.size, "white")
        canvas.paste(visible, mask=visible)
    return canvas


def _encoded(canvas: Image.Image) -> bytes:
    """The smallest loss at which the picture is not too large. Raises `Problem("image-unusable")` if there is none."""
    for quality in QUALITIES:
        file = BytesIO()
        canvas.save(file, format="JPEG", quality=quality, optimize=True)
        if file.tell() <= LARGEST_PORTRAIT:
            return file.getvalue()
    raise Problem("image-unusable")
