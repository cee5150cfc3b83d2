from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from deploy.cli import main, operator_environment


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, as a person starts it."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        env={"PATH": os.environ["PATH"]} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """Every command there is, groups among them, by the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


def test_every_module_of_the_package_is_a_command() -> None:
    shown = CliRunner().invoke(main, ["--help"])

    assert shown.exit_code == 0
    for command in ("up", "status", "migrate", "subscriptions", "mailcatcher", "service", "courier", "gateway"):
        assert f"\n  {command} " in shown.output


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from deploy.cli import main\n"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0\n"
        "heavy = {'eventlet', 'nameko', 'kombu', 'sqlalchemy', 'psycopg', 'cryptography'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ännchen@example.org"], "must be in ASCII"),
        (["anna@\u212aelvin.example"], "that domain names do not have"),
        (["anna@example.org", "--name", "Anna\u202e"], "cannot be seen"),
        (["anna@example.org", "--time-zone", "localtime"], "localtime"),
    ],
    ids=ascii,
)
def test_operators_type_what_people_may(arguments: list[str], why: str) -> None:
    shown = CliRunner().invoke(main, ["staff", "create", *arguments, "--role", "staff"])

    assert shown.exit_code == 2
    assert why in shown.stderr


def test_what_went_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    shown = CliRunner().invoke(main, ["status"], env={"OKACRM_STATE_DIR": str(tmp_path / "nowhere")})

    assert shown.exit_code == 1
    assert shown.output.startswith("Error: no platform runs on")
    assert "Traceback" not in shown.output


@pytest.mark.parametrize("command", [["audit", "fsck"], ["events", "fsck"], ["events", "fsck", "identity"]])
def test_a_check_that_could_not_run_is_told_apart_from_one_that_found_something(
    command: list[str], tmp_path: Path
) -> None:
    nowhere = {"OKACRM_STATE_DIR": str(tmp_path), "OKACRM_DATABASE_URL": ""}
    shown = CliRunner().invoke(main, command, env=nowhere)

    assert shown.exit_code == 2
    assert "Error: could not check: OKACRM_" in shown.stderr
    assert shown.stdout == ""


@pytest.mark.parametrize("command", [["up"], ["status"], ["keys", "replay"], ["gateway"], ["service", "audit"]])
@pytest.mark.parametrize(
    ("name", "value"), [("OKACRM_HTTP_PORT", "abc"), ("OKACRM_STATE_DIR", "/dev/null"), ("OKACRM_AMQP_URI", "amqp://h")]
)
def test_a_bad_setting_is_one_line_and_nothing_is_done(command: list[str], name: str, value: str) -> None:
    shown = CliRunner().invoke(main, command, env={name: value})

    assert shown.exit_code == 2
    assert shown.stdout == ""
    assert shown.stderr.startswith(f"Error: {name} is ")
    assert shown.stderr.count("\n") == 1


def test_a_gateway_whose_port_somebody_has_says_so(tmp_path: Path) -> None:
    (tmp_path / "gateway.pem").write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        finished = run(
            "gateway",
            OKACRM_MODE="local",
            OKACRM_AMQP_URL="amqp://127.0.0.1:1/",
            OKACRM_SIGNING_KEY_FILE=str(tmp_path / "gateway.pem"),
            OKACRM_CURSOR_KEY="QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
            OKACRM_HTTP_PORT=str(port),
        )

    assert finished.returncode == 2
    assert f"Error: OKACRM_HTTP_PORT is {port}, where the gateway cannot listen" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_token_whose_file_is_not_there_is_told(tmp_path: Path) -> None:
    fetch = ["audit", "export", str(tmp_path / "folder"), "--url", "http://127.0.0.1:1"]
    shown = CliRunner().invoke(main, fetch, env={"OKACRM_TOKEN": f"@{tmp_path / 'nowhere'}"})

    assert shown.exit_code == 2
    assert "nowhere cannot be read: No such file" in shown.stderr


def test_a_bad_setting_hides_no_help() -> None:
    assert CliRunner().invoke(main, ["up", "--help"], env={"OKACRM_HTTP_PORT": "abc"}).exit_code == 0


@pytest.mark.parametrize("process", [["gateway"], ["service", "identity"], ["courier", "audit"]])
def test_a_process_ends_with_one_line_about_what_is_missing(process: list[str], tmp_path: Path) -> None:
    finished = run(*process, OKACRM_MODE="local", OKACRM_STATE_DIR=str(tmp_path))

    assert finished.returncode == 2
    assert re.fullmatch(r"Error: OKACRM_[A-Z_]+ is not set; [^\n]+\n", finished.stderr)


def test_no_command_says_a_word_beside_its_help() -> None:
    for command in commands(main):
        finished = CliRunner().invoke(main, [*command, "--help"])
        assert (finished.exit_code, finished.stderr) == (0, ""), command
    # Warnings that libraries give when they are imported are given once a process, to the true standard error.
    assert run("access").stderr == run("--help").stderr == run("status", "--help").stderr == ""


def test_without_a_platform_an_operator_works_with_the_variables_of_the_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OKACRM_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("OKACRM_AMQP_URL", "amqp://elsewhere/")

    assert operator_environment()["OKACRM_AMQP_URL"] == "amqp://elsewhere/"
