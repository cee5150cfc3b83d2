"""What a process is told by its environment, and what it says when that cannot be."""

from __future__ import annotations

import pytest

from shared.runtime.config import ConfigurationError, Settings


def test_metrics_are_told_on_this_machine_alone_unless_it_is_said_otherwise() -> None:
    assert Settings({}).metrics_address == ("127.0.0.1", 9464)
    assert Settings({"OKACRM_METRICS_ADDRESS": "10.0.0.7:9000"}).metrics_address == ("10.0.0.7", 9000)
    assert Settings({"OKACRM_METRICS_ADDRESS": "[::1]:9000"}).metrics_address == ("::1", 9000)


@pytest.mark.parametrize("written", ["", "9464", ":9464", "localhost", "localhost:", "localhost:0", "localhost:65536"])
def test_an_address_of_metrics_has_a_host_and_a_port(written: str) -> None:
    with pytest.raises(ConfigurationError, match="OKACRM_METRICS_ADDRESS"):
        assert Settings({"OKACRM_METRICS_ADDRESS": written}).metrics_address
