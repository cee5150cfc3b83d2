"""Networks, devices and places are told from what every request carries, and nothing is told from nonsense."""

from __future__ import annotations

from uuid import uuid4

import pytest

from services.identity.access.aggregate.sessions import Origin
from services.identity.access.devices import UNKNOWN_NETWORK, device_index, network_index, network_of, origin_of
from shared.bus.actors import Client
from shared.privacy.secrets import ServiceSecret

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
SECRET = ServiceSecret(b"s" * 32)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.0/24"),
        ("::ffff:192.0.2.7", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/56"),
        ("", UNKNOWN_NETWORK),
        ("unix:", UNKNOWN_NETWORK),
    ],
)
def test_the_network_is_what_neighbouring_addresses_share(address, network):
    assert network_of(Client(address)) == network


def test_a_public_address_has_a_country_and_a_private_one_has_none():
    assert origin_of(Client("8.8.8.8", FIREFOX.format(128))) == Origin("8.8.8.8", "Firefox on Linux", "US")
    for private in ("127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fd00::1"):
        assert origin_of(Client(private)).place is None


@pytest.mark.parametrize("user_agent", ["", "\x00" * 100, "é" * 10_000, "(" * 5_000])
def test_a_user_agent_that_says_nothing_is_no_device(user_agent):
    assert origin_of(Client("192.0.2.7", user_agent)).device is None


def test_without_a_client_nothing_is_known():
    assert origin_of(None) == Origin()


def test_a_device_stays_the_same_when_it_is_updated_or_gets_another_address_nearby():
    account = uuid4()
    known = device_index(SECRET, account, Client("192.0.2.7", FIREFOX.format(128)))
    assert device_index(SECRET, account, Client("192.0.2.99", FIREFOX.format(131))) == known
    others = {
        device_index(SECRET, account, Client("198.51.100.7", FIREFOX.format(128))),
        device_index(SECRET, account, Client("192.0.2.7", "curl/8.0")),
        device_index(SECRET, uuid4(), Client("192.0.2.7", FIREFOX.format(128))),
    }
    assert len(others | {known}) == 4


def test_the_network_in_a_signal_tells_no_address():
    index = network_index(SECRET, Client("192.0.2.7"))
    assert len(index) == 32
    assert index == network_index(SECRET, Client("192.0.2.8"))
    assert index != network_index(ServiceSecret(b"t" * 32), Client("192.0.2.7"))
