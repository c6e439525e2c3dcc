"""The folder that holds the mirrors, with the two files that every git command of ours reads.

gitconfig   the whole configuration: neither the machine's nor a user's is read
askpass     answers git's question for a user or password from the environment, for one host only
NAME.git    a mirror; NAME.use and NAME.fetch are its locks, and the time of NAME.use says when it was used
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

# safe.directory: a repository on this machine may belong to another user, and the chain file named it.
# ControlPath: a shared ssh connection would outlive the command and hold its output open.
# fetch.unpackLimit: objects arrive in packs, which appear whole or not at all when a fetch is killed.
_CONFIG = """\
[safe]
\tdirectory = *
[core]
\tsshCommand = ssh -o BatchMode=yes -o ConnectTimeout=10 -o ControlPath=none
\tlogAllRefUpdates = false
[fetch]
\tunpackLimit = 1
\trecurseSubmodules = false
[uploadpack]
\tallowFilter = true
[gc]
\tauto = 0
\tautoDetach = false
[maintenance]
\tauto = false
[init]
\tdefaultBranch = main
"""

# A redirect to another host makes git ask for that host: it gets no answer.
_ASKPASS = """\
#!/bin/sh
case "$1" in
*"//$LANEWAY_GIT_HOST'"* | *"@$LANEWAY_GIT_HOST'"*) ;;
*) exit 1 ;;
esac
case "$1" in
Username*) printf '%s\\n' "$LANEWAY_GIT_USERNAME" ;;
Password*) printf '%s\\n' "$LANEWAY_GIT_PASSWORD" ;;
*) exit 1 ;;
esac
"""

_HTTP = re.compile(r"(?P<scheme>https?://)(?:(?P<user>[^/@]*)@)?(?P<host>[^/@]*)(?P<path>/.*|)")


@dataclass(frozen=True)
class Home:
    root: Path

    @property
    def config(self) -> Path:
        return self.root / "gitconfig"

    def prepare(self) -> None:
        """Makes the folder and its files where they are missing or differ. Raises OSError."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self.config, _CONFIG, 0o600)
        _write(self.root / "askpass", _ASKPASS, 0o700)

    def environment(self) -> dict[str, str]:
        """For every git command: where to ask for credentials."""
        return {
            "GIT_ASKPASS": str(self.root / "askpass"),
            "LANEWAY_GIT_HOST": "",
        }


def access(url: str, pair: tuple[str, str] | None) -> tuple[str, Mapping[str, str]]:
    """The url that git is called with, and the environment in which `askpass` opens it, for its host only.

    `pair` is user and token. Where there is none, those that the url of an HTTP repository brings are taken;
    either way none stays in the url, which git's helpers show among their arguments.
    """
    http = _HTTP.fullmatch(url)
    if http is None:
        return url, {}
    user, _, token = (http["user"] or "").partition(":")
    user, token = pair or (unquote(user), unquote(token))
    environment = {"LANEWAY_GIT_USERNAME": user, "LANEWAY_GIT_PASSWORD": token}
    if user or token:
        environment["LANEWAY_GIT_HOST"] = http["host"]
    return http["scheme"] + http["host"] + http["path"], environment


def _write(path: Path, text: str, mode: int) -> None:
    """Writes `text` in one step, so that another process never reads half of it."""
    try:
        if path.read_text() == text:
            return
    except FileNotFoundError:
        pass
    new = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    new.write_text(text)
    new.chmod(mode)
    new.replace(path)
