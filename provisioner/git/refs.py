"""What a branch is called on the other side and in a mirror. Pure."""

from __future__ import annotations

import hashlib
import re

from provisioner.lane.model import Member

# https://git-scm.com/docs/git-check-ref-format
_IMPOSSIBLE = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|(^|/)\.|\.lock(/|$)|^/|[/.]$|^$", re.MULTILINE
)


def remote_ref(member: Member) -> str:
    """The full name of a member's head in the repository that the chain lists; a fork's head is the pull
    request's.

    Empty when no repository can hold a branch of that name.
    """
    if member.fork:
        return f"refs/pull/{member.pull}/head"
    return branch_ref(member.ref)


def branch_ref(branch: str) -> str:
    """The full name of a branch, or empty when none can be called so."""
    try:
        branch.encode()
    except UnicodeEncodeError:
        return ""
    return "" if _IMPOSSIBLE.search(branch) else f"refs/heads/{branch}"


def mirror_ref(remote: str) -> str:
    """Where a mirror keeps `remote`: hashed, so that the branches `a` and, later, `a/b` never collide."""
    return f"refs/laneway/{hashlib.sha256(remote.encode()).hexdigest()[:32]}"
