"""The process that speaks HTTP: how it starts and how it stops."""

from __future__ import annotations


def run() -> None:
    """Serves until SIGTERM or SIGINT, then finishes what is in work and returns."""
    # Green threads first: what is imported before this keeps the blocking parts of the standard library.
    import eventlet

    eventlet.monkey_patch()
    from gateway.cursors import Cursors
    from gateway.perimeter import Perimeter
    from gateway.server import serve
    from shared.bus.actors import GATEWAY, Signer
    from shared.bus.rpc import RpcClient
    from shared.runtime.config import Settings
    from shared.runtime.logging import configure

    configure("gateway")
    settings = Settings.from_environment()
    settings.check_for(GATEWAY)
    host = "127.0.0.1" if settings.local else "0.0.0.0"  # noqa: S104 - the proxy before it is on another machine
    _must_be_free(Settings.http_port.name, host, settings.http_port)
    _must_be_free(Settings.metrics_address.name, *settings.metrics_address)
    perimeter, cursors = Perimeter.from_settings(settings), Cursors(settings.cursor_key)
    rpc = RpcClient(settings.amqp_url, Signer(GATEWAY, settings.signing_key), name="gateway")
    rpc.start()
    try:
        serve(rpc, perimeter, cursors, host=host, port=settings.http_port, metrics=settings.metrics_address)
    finally:
        rpc.stop()


def _must_be_free(setting: str, host: str, port: int) -> None:
    import socket

    from shared.runtime.config import ConfigurationError

    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise ConfigurationError(
            f"{setting} is {port}, where the gateway cannot listen ({error.strerror}): set it to another port"
        ) from None
