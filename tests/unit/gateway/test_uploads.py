"""A file is taken as it is, of a known kind and within bounds, and reaches its service byte for byte."""

from base64 import b64decode, b64encode

import pytest

from gateway.request import LARGEST_BODY
from gateway.routes.identity.me import PICTURE, PICTURES
from tests.unit.gateway.playing import Browser, Services, bearer, code_of, cookie, csrf

PATH = "/v1/me/image"


@pytest.mark.parametrize("media_type", PICTURES.media_types)
def test_a_file_arrives_byte_for_byte(ask: Browser, services: Services, media_type: str) -> None:
    file = bytes(range(256)) * 400
    assert len(file) > LARGEST_BODY
    response = ask("PUT", PATH, data=file, content_type=media_type, headers=bearer())
    assert response.status_code == 200, response.text
    assert services.calls[-1].arguments == {"image": b64encode(file).decode()}


def test_the_largest_file_is_taken_and_a_larger_one_is_not(ask: Browser, services: Services) -> None:
    for size, status in ((PICTURES.largest, 200), (PICTURES.largest + 1, 413)):
        response = ask("PUT", PATH, data=b"x" * size, content_type="image/png", headers=bearer())
        assert response.status_code == status
    assert len(services.to("identity.change_image")) == 1


@pytest.mark.parametrize(
    "media_type", ["image/svg+xml", "image/gif", "application/json", "text/html", "image/jpeg; charset=utf-8", ""]
)
def test_another_kind_of_file_is_refused(ask: Browser, services: Services, media_type: str) -> None:
    response = ask("PUT", PATH, data=b64decode(PICTURE), content_type=media_type, headers=bearer())
    assert code_of(response) == "unsupported-media-type"
    assert services.to("identity.change_image") == []


def test_a_file_that_was_compressed_on_the_way_is_refused(ask: Browser) -> None:
    headers = bearer() | {"Content-Encoding": "gzip"}
    response = ask("PUT", PATH, data=b"x", content_type="image/png", headers=headers)
    assert code_of(response) == "unsupported-media-type"


def test_no_file_at_all_is_refused(ask: Browser, services: Services) -> None:
    assert ask("PUT", PATH, data=b"", content_type="image/png", headers=bearer()).status_code in (400, 411)
    assert services.to("identity.change_image") == []


def test_a_file_does_not_get_around_csrf(ask: Browser, services: Services) -> None:
    refused = ask("PUT", PATH, data=b"x", content_type="image/png", headers=cookie("influencer"))
    assert code_of(refused) == "csrf-failed"
    accepted = ask("PUT", PATH, data=b"x", content_type="image/png", headers=cookie("influencer") | csrf())
    assert accepted.status_code == 200


def test_a_picture_is_sent_as_one(ask: Browser, services: Services) -> None:
    response = ask("GET", PATH, headers=bearer())
    assert (response.mimetype, response.data) == ("image/jpeg", b64decode(PICTURE))
    assert response.headers["Cache-Control"] == "no-store"
    services.refuse("identity.read_image", "not-found")
    assert code_of(ask("GET", PATH, headers=bearer())) == "not-found"
