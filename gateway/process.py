"""The process that speaks HTTP: how it starts and how it stops."""

from __future__ import annotations


def run() -> None:
    """Serves until SIGTERM or SIGINT, then finishes what is in work and returns."""
    # Green threads first: what is imported before this keeps the blocking parts of the standard library.
    import eventlet

    eventlet.monkey_patch()
    import socket

    from gateway.perimeter import Perimeter
    from gateway.server import serve
    from shared.bus.actors import GATEWAY, Signer
    from shared.bus.rpc import RpcClient
    from shared.runtime.config import ConfigurationError, Settings
    from shared.runtime.logging import configure

    configure("gateway")
    settings = Settings.from_environment()
    settings.check_for(GATEWAY)
    host = "127.0.0.1" if settings.local else "0.0.0.0"  # noqa: S104 - the proxy before it is on another machine
    try:
        socket.create_server((host, settings.http_port)).close()
    except OSError as error:
        raise ConfigurationError(
            f"OKACRM_HTTP_PORT is {settings.http_port}, where the gateway cannot listen ({error.strerror}): set it to "
            "another port"
        ) from None
    perimeter = Perimeter.from_settings(settings)
    rpc = RpcClient(settings.amqp_url, Signer(GATEWAY, settings.signing_key), name="gateway")
    rpc.start()
    try:
        serve(rpc, perimeter, host=host, port=settings.http_port)
    finally:
        rpc.stop()
