"""Laneway's own errors. Whether a job is tried again lies in the type.

    LanewayError                what happened, where, what to do; `reason` is for machines
    ├── PermanentError          trying again changes nothing until somebody changes something
    │   ├── ConfigError         a setting or a chain file is wrong (`where` has file, key and line)
    │   ├── InputError          a delivery or an argument is wrong
    │   ├── RefusedError        a workload that cannot be cloned safely
    │   └── ForeignObjectError  an object of the wanted name belongs to somebody else
    └── TemporaryError          trying again may help; `retry_after` in seconds where the other side said so
        ├── ClusterError        the Kubernetes API did not answer, or answered 5xx or 429
        ├── ConflictError       somebody else wrote the object meanwhile: read it again
        ├── GitError            the repository did not answer
        └── QueueError          Redis or Valkey did not answer

`reason` is CamelCase and appears alike in status conditions, metrics, logs and comments.
"""

from __future__ import annotations


class LanewayError(Exception):
    """What was wrong, where, and what to do about it."""

    reason = "Error"

    def __init__(self, message: str, *, where: str = "", reason: str = "") -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.message = message
        self.where = where
        if reason:
            self.reason = reason


class PermanentError(LanewayError):
    reason = "Permanent"


class ConfigError(PermanentError):
    reason = "InvalidConfig"


class InputError(PermanentError):
    reason = "InvalidInput"


class RefusedError(PermanentError):
    reason = "CannotClone"


class ForeignObjectError(PermanentError):
    reason = "ForeignObject"


class TemporaryError(LanewayError):
    reason = "Temporary"

    def __init__(
        self, message: str, *, where: str = "", reason: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, where=where, reason=reason)
        self.retry_after = retry_after


class ClusterError(TemporaryError):
    reason = "ClusterUnavailable"


class ConflictError(TemporaryError):
    reason = "Conflict"


class GitError(TemporaryError):
    reason = "RepositoryUnavailable"


class QueueError(TemporaryError):
    reason = "QueueUnavailable"
