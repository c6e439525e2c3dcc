"""A person at a terminal: commands are run in this process, as the console script does."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import ClassVar

import pytest
import structlog

from provisioner import cli


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Desk:
    """A person with the settings of an installation; `command` is what each of their commands begins with."""

    settings: dict[str, str]
    command: ClassVar[tuple[str, ...]] = ("laneway",)

    def laneway(self, *arguments: str) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for name, value in self.settings.items():
                patch.setenv(name, value)
            patch.setattr("sys.argv", [*self.command, *arguments])
            with pytest.raises(SystemExit) as ended:
                cli.main()
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        return Ended(int(ended.value.code or 0), out.getvalue(), err.getvalue())

    def says(self, *arguments: str) -> str:
        done = self.laneway(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refuses(self, *arguments: str) -> str:
        """The one message of a command that ends with 1."""
        done = self.laneway(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert "Traceback" not in done.stderr
        return done.stderr
