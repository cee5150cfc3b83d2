"""Calling services as the operator: whoever runs the platform, at its command line."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from deploy.cli import operator_environment


@contextmanager
def operator_calls() -> Iterator[Callable[[str, str, dict[str, Any]], dict[str, Any]]]:
    """A function `call(service, method, arguments)` under the operator's name.

    A `Problem` ends the command with its title and advice.
    """
    from shared.bus.actors import OPERATOR, Actor, Signer
    from shared.bus.rpc import RpcClient
    from shared.contracts.problems import Problem
    from shared.runtime.config import Settings

    settings = Settings(operator_environment())
    rpc = RpcClient(settings.amqp_url, Signer(OPERATOR, settings.signing_key), name="operator")
    rpc.start()
    correlation_id = str(uuid.uuid4())
    try:
        if not rpc.wait_until_connected(10):
            raise click.ClickException("the broker does not answer")

        def call(service: str, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
            answer: dict[str, Any] = rpc.call(
                service,
                method,
                arguments,
                actor=Actor(OPERATOR),
                command_id=str(uuid.uuid4()),
                correlation_id=correlation_id,
            )
            return answer

        yield call
    except Problem as problem:
        raise click.ClickException(f"{problem.type.title}. {problem.type.advice}") from None
    finally:
        rpc.stop()
