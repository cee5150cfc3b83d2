"""`make demo`: plays everything on the running platform."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from deploy.cli import state_directory
from deploy.demo.api import Mailbox
from deploy.demo.disclosure import tell_of_a_disclosure
from deploy.demo.person import tell_of_a_person
from deploy.demo.team import tell_of_a_team
from deploy.local.platform import Platform
from deploy.local.state import PlatformError
from shared.runtime.config import ConfigurationError, Settings


def main() -> None:
    try:
        Settings.from_environment().check()
        platform = Platform.running(state_directory())
        base_url, mail_page = platform.base_url, platform.description.mail_page
    except (PlatformError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2 if isinstance(error, ConfigurationError) else 1) from None
    with tempfile.TemporaryDirectory() as folder:
        tell_of_a_person(base_url, Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        tell_of_a_disclosure(base_url, Path(folder))
    if mail_page:
        tell_of_a_team(base_url, Mailbox(mail_page))
    else:
        print("\nThe rest of the story needs the local mail catcher, which is not used where OKACRM_SMTP_URL is set.")
    print()


if __name__ == "__main__":
    main()
