"""A gateway whose services are played by a test."""

from __future__ import annotations

import pytest

from gateway.application import Application
from gateway.perimeter import Perimeter
from tests.unit.gateway.playing import CURSORS, Browser, Services, services_by_example


@pytest.fixture
def services() -> Services:
    return services_by_example()


@pytest.fixture
def application(services: Services) -> Application:
    return Application(services, Perimeter(), CURSORS)


@pytest.fixture
def ask(application: Application) -> Browser:
    return Browser(application)
