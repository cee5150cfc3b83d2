from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from deploy.local import rabbitmq
from deploy.local.interruption import Interruption
from deploy.local.state import PlatformError, StateDirectory


def having(*programs: str) -> Callable[[str], str | None]:
    return lambda name: f"/usr/bin/{name}" if name in programs else None


def test_root_on_debian_gets_the_package_of_the_distribution() -> None:
    commands = rabbitmq.installation("Linux", 0, having("apt-get"))

    assert commands is not None
    assert commands[-1] == ("apt-get", "install", "-y", "--no-install-recommends", "rabbitmq-server")


def test_a_mac_with_homebrew_gets_its_package() -> None:
    assert rabbitmq.installation("Darwin", 501, having("brew")) == (("brew", "install", "rabbitmq"),)


@pytest.mark.parametrize(
    ("system", "user_id", "programs"),
    [("Linux", 1000, ["apt-get"]), ("Linux", 0, ["dnf"]), ("Darwin", 501, []), ("Darwin", 0, ["brew"])],
)
def test_elsewhere_nothing_is_installed(system: str, user_id: int, programs: list[str]) -> None:
    assert rabbitmq.installation(system, user_id, having(*programs)) is None


def test_who_can_neither_find_nor_install_it_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "_locate", lambda program: None)
    monkeypatch.setattr(rabbitmq, "installation", lambda *machine: None)

    with pytest.raises(PlatformError, match=r"(?s)not installed.*OKACRM_AMQP_URL"):
        rabbitmq.ensure_installed(Interruption())


def test_two_platforms_that_start_at_once_install_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    both_miss_it, installed = Barrier(2), []

    def installation(*machine: object) -> tuple[tuple[str, ...], ...]:
        both_miss_it.wait(10)
        return (("install", "rabbitmq"),)

    monkeypatch.setattr(rabbitmq, "_locate", lambda program: installed and "/usr/sbin/rabbitmq-server")
    monkeypatch.setattr(rabbitmq, "installation", installation)
    monkeypatch.setattr(rabbitmq, "_run", lambda command, interruption: installed.append(command))

    with ThreadPoolExecutor(2) as platforms:
        for started in [platforms.submit(rabbitmq.ensure_installed, Interruption()) for _ in range(2)]:
            started.result()
    assert installed.count(("install", "rabbitmq")) == 1


def test_two_private_nodes_share_nothing(tmp_path: Path) -> None:
    states = [StateDirectory(tmp_path / name) for name in ("one", "two")]
    for state in states:
        state.prepare()
    one, two = (rabbitmq.PrivateRabbit(state) for state in states)

    assert one.node != two.node
    assert one.password != two.password
    assert one.cookie != two.cookie
    ports = {port for node in (one, two) for port in (node.port, node.distribution_port, node.mapper_port)}
    assert len(ports) == 6


def test_nobody_answers_at_a_closed_port() -> None:
    url = "amqp://user:password@127.0.0.1:1/"

    assert not rabbitmq.is_ready(url)
    assert not rabbitmq.has_consumer(url, "queue")
