"""A forge that could not be asked."""

from __future__ import annotations

from provisioner.errors import TemporaryError


class ForgeError(TemporaryError):
    """The forge did not answer, or refused; `retry_after` where it said for how long."""

    reason = "ForgeUnavailable"


class RepositoryHidden(ForgeError):
    """The forge answers, and the token may not see this one repository."""

    reason = "RepositoryHidden"
