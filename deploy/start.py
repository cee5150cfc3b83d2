"""The command `okacrm` from its first moment: where Ctrl-C comes before there is anything to stop, it just ends."""

from __future__ import annotations

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

from deploy.cli import main  # noqa: E402 - loading it takes long enough for somebody to change their mind


def run() -> None:
    """Run the command that was typed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()
