"""Runs git: the only place that does.

Promises: no shell; nothing but the operator's settings reaches git's configuration; git never asks anybody
anything; a token travels in the environment only; a command that is over its time ends with everything that
it started, and ends by itself when the worker that started it was killed. What git says on its error output
is quoted without credentials."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.errors import ConfigError, GitError

try:
    from git import Git
except ImportError as error:  # GitPython looks for git when it is imported
    raise ConfigError(
        "git does not run here; install it (on Debian: apt-get install git)", where="PATH"
    ) from error

# Would lead git to another repository or print more than an error: `git rev-parse --local-env-vars`, and
# traces.
_STRAY = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CURL_VERBOSE",
    "GIT_DIR",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_INDEX_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
    "GIT_TRACE2",
    "GIT_TRACE2_EVENT",
    "GIT_TRACE_CURL",
    "GIT_TRACE_PACKET",
    "GIT_TRACE_SETUP",
    "GIT_WORK_TREE",
)
_UNSET = tuple(f"-u{name}" for name in _STRAY)
PROTOCOLS = "file:git:http:https:ssh"
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@']*@")
_ORPHAN_SECONDS = 5  # how much longer than its worker's patience a git may live


@dataclass(frozen=True)
class Answer:
    """How a git command ended: exit status, its output, and its last words without credentials."""

    status: int
    output: bytes
    words: str


@dataclass(frozen=True)
class Runner:
    """Runs git with the configuration in `config`, each command for at most `timeout` seconds."""

    config: Path
    timeout: float
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        keep: Sequence[int] = (),
    ) -> Answer:
        """The answer of `git ARGUMENTS`, whatever its status. `keep` are file descriptors that git holds
        open as long as it lives.

        Raises GitError when it took too long or could not be started.
        """
        process = self._start(arguments, environment or {}, keep)
        try:
            output, errors = process.communicate(timeout=self.timeout)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise GitError(
                f"git did not end within {self.timeout:g} s; is the repository reachable? "
                "LANEWAY_GIT_SECONDS allows a large one more time"
            ) from error
        except BaseException:  # the worker is told to stop: nothing of git stays behind
            _end(process)
            raise
        words = last_words(errors) or f"exit status {process.returncode}"
        return Answer(process.returncode, output, words)

    def _start(
        self, arguments: Sequence[str], environment: Mapping[str, str], keep: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        limit = str(math.ceil(self.timeout) + _ORPHAN_SECONDS)
        command = ["timeout", "-s", "KILL", limit, "env", *_UNSET, "git", *arguments]
        try:
            started = Git(self.config.parent).execute(
                command,
                as_process=True,
                env=self._environment(environment),
                start_new_session=True,
                pass_fds=tuple(keep),
            )
        except (OSError, ValueError) as error:
            raise GitError(f"git could not be started: {error}") from error
        return _popen(started)

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        return {
            "GIT_ALLOW_PROTOCOL": PROTOCOLS,
            "GIT_CONFIG_COUNT": "0",
            "GIT_CONFIG_GLOBAL": str(self.config),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            **self.environment,
            **more,
        }


def last_words(errors: bytes) -> str:
    """What git said last on its error output, at most a few lines, without credentials."""
    lines = errors.decode(errors="backslashreplace").replace("\r", "\n").splitlines()
    said = [line.strip() for line in lines if line.strip() and not line.startswith("warning:")]
    return _CREDENTIALS.sub("", "; ".join(said[-4:]))[-600:]


def _popen(started: object) -> subprocess.Popen[bytes]:
    """The process itself: GitPython's wrapper ends git alone when it is collected, not what git started."""
    if not isinstance(started, Git.AutoInterrupt) or started.proc is None:
        raise TypeError(f"GitPython started {started!r}, not a process")
    process, started.proc = started.proc, None
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process with all that it started, which its own session holds together."""
    if process.returncode is None:  # else it was waited for, and its id may be another's by now
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
