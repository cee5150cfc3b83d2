"""The wish that a platform stops, which every step of its start looks for, so that it may come at any moment."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from signal import Signals
from tempfile import TemporaryFile
from typing import Any

from deploy.local.state import PlatformError

POLL_SECONDS = 0.1


class Interrupted(Exception):
    """Someone asked the platform to stop while it was still starting."""


class Interruption:
    """Whether somebody asked for the end, and whether they asked again because it takes too long.

    Plain values, since a signal handler sets them: a lock might be held by the very code that it interrupts.
    """

    def __init__(self) -> None:
        self.asked = False
        self.hurried = False

    def ask(self) -> None:
        """Ask for the end; once more, and it is to come fast. Safe in a signal handler."""
        self.hurried = self.asked
        self.asked = True

    def check(self) -> None:
        """Raise `Interrupted` if somebody asked for the end."""
        if self.asked:
            raise Interrupted

    def wait(self) -> None:
        """Return when somebody asks for the end."""
        while not self.asked:
            time.sleep(POLL_SECONDS)

    def wait_until(self, condition: Callable[[], bool], within: float | None = None, complaint: str = "") -> None:
        """Return when a condition holds. Raise `Interrupted`, or `PlatformError` with the complaint if it is late."""
        deadline = None if within is None else time.monotonic() + within
        while not condition():
            self.check()
            if deadline is not None and time.monotonic() > deadline:
                raise PlatformError(complaint)
            time.sleep(POLL_SECONDS)

    def run(self, command: Sequence[str], **options: Any) -> None:
        """Run a command to its end. Raise `PlatformError` with its last words if it fails.

        When somebody asks for the end it is told by SIGINT, which it may heed as soon as it leaves things whole, as
        package managers do; only then `Interrupted` is raised.
        """
        with TemporaryFile() as output:
            process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **options,
            )
            told = False
            while process.poll() is None:
                if self.asked and not told:
                    process.send_signal(Signals.SIGINT)
                    told = True
                time.sleep(POLL_SECONDS / 2)
            self.check()
            if process.returncode:
                output.seek(0)
                last_words = "\n".join(output.read().decode(errors="replace").splitlines()[-8:])
                raise PlatformError(f"`{' '.join(map(str, command))}` failed:\n{last_words}")
