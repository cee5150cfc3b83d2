"""The command line. Each module of this package offers the command, or group, of its own name.

Modules import little at the top and the rest where it is used, so that asking for help costs nothing.
"""

from __future__ import annotations

import os
import pkgutil
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import click


class CommandsInModules(click.Group):
    """A group whose commands are the modules of this package, with dashes in the place of underscores."""

    def list_commands(self, context: click.Context) -> list[str]:
        modules = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
        return sorted(name.replace("_", "-") for name in modules)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(context):
            return None
        module = name.replace("-", "_")
        command: click.Command = getattr(import_module(f"{__name__}.{module}"), module)
        return command

    def invoke(self, context: click.Context) -> Any:
        """An error that was written for people is shown to them without a traceback.

        One in the settings is found before anything is done, and told apart by the exit status.
        """
        from deploy.local.state import PlatformError
        from shared.runtime.config import ConfigurationError, Settings

        # A warning to those who write programs with eventlet, which is of no use to those who run them.
        warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
        try:
            if "--help" not in context.args:
                Settings.from_environment().check()
            return super().invoke(context)
        except ConfigurationError as error:
            raise BadSettings(str(error)) from error
        except PlatformError as error:
            raise click.ClickException(str(error)) from error


class BadSettings(click.ClickException):
    """The environment says something that cannot be meant."""

    exit_code = 2


@click.group(cls=CommandsInModules, name="okacrm")
def main() -> None:
    """Okacrm: a CRM for influencers and their clients."""


def state_directory() -> Path:
    """Where the local platform keeps its state."""
    from shared.runtime.config import Settings

    return Settings.from_environment().state_directory


def operator_environment(process: str = "operator") -> dict[str, str]:
    """What a command works with: the settings of the platform that runs here, else this process's own variables.

    A command that does the work of a service asks for the environment of that process, such as `service identity`.
    Variables that were set by hand win, so that a single one can be pointed elsewhere.
    """
    own = {name: value for name, value in os.environ.items() if name.startswith("OKACRM_")}
    if not (state_directory() / "platform.json").exists():
        return own
    from deploy.local.platform import Platform

    return Platform.running(state_directory()).environment(process) | own
