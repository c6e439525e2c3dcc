"""What the API answers when it refuses: one exception that is a Kubernetes `Status`.

Every refusal in devcluster is an `ApiError`; the HTTP layer writes it as a `Status` object with the same
code, reason, message and details that a real API server sends, and in-process callers catch it.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Cause(NamedTuple):
    """One field that is wrong: `path` as the API writes it (`spec.ports[0].port`), the reason, and what is
    wrong.
    """

    path: str
    reason: str
    message: str


class ApiError(Exception):
    """A refused request.

    `code` is the HTTP status, `reason` the machine-readable word ("NotFound", "Conflict", ...), `message`
    says what was wrong, `details` is the Status object's `details` (may be empty).
    """

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] = details or {}

    def status(self) -> dict[str, Any]:
        """The refusal as a `v1 Status` object."""
        answer: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            answer["details"] = self.details
        return answer


def _details(resource: str, name: str, **more: Any) -> dict[str, Any]:
    plural, _, group = resource.partition(".")
    details: dict[str, Any] = {"name": name} if name else {}
    if group:
        details["group"] = group
    return {**details, "kind": plural, **more}


def not_found(resource: str, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', _details(resource, name))


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: str, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists', _details(resource, name))


def conflict(resource: str, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def stale(resource: str, name: str) -> ApiError:
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def forbidden(resource: str, name: str, why: str, causes: list[Cause] | None = None) -> ApiError:
    details = _details(resource, name)
    if causes:
        details["causes"] = _causes(causes)
    return ApiError(403, "Forbidden", f'{resource} "{name}" is forbidden: {why}', details)


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def method_not_allowed() -> ApiError:
    return ApiError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
    )


def unsupported_media(accepted: list[str]) -> ApiError:
    words = ", ".join(accepted)
    return ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {words}",
    )


def invalid(kind: str, group: str, name: str, causes: list[Cause]) -> ApiError:
    """422 for `kind` (its singular CamelCase name) with one cause for each wrong field."""
    qualified = f"{kind}.{group}" if group else kind
    words = [f"{cause.path}: {cause.message}" for cause in causes]
    text = words[0] if len(words) == 1 else "[" + ", ".join(words) + "]"
    details: dict[str, Any] = {"name": name} if name else {}
    if group:
        details["group"] = group
    details |= {"kind": kind, "causes": _causes(causes)}
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {text}', details)


def _causes(causes: list[Cause]) -> list[dict[str, str]]:
    return [{"reason": cause.reason, "message": cause.message, "field": cause.path} for cause in causes]


def required(path: str, detail: str = "") -> Cause:
    return Cause(path, "FieldValueRequired", f"Required value: {detail}" if detail else "Required value")


def wrong(path: str, value: Any, detail: str) -> Cause:
    return Cause(path, "FieldValueInvalid", f"Invalid value: {_shown(value)}: {detail}")


def duplicate(path: str, value: Any) -> Cause:
    return Cause(path, "FieldValueDuplicate", f"Duplicate value: {_shown(value)}")


def unsupported(path: str, value: Any, supported: list[str]) -> Cause:
    words = ", ".join(f'"{word}"' for word in supported)
    message = f"Unsupported value: {_shown(value)}: supported values: {words}"
    return Cause(path, "FieldValueNotSupported", message)


def field_forbidden(path: str, detail: str) -> Cause:
    return Cause(path, "FieldValueForbidden", f"Forbidden: {detail}")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def ending_namespace(resource: str, name: str, namespace: str) -> ApiError:
    """403 for something new in a namespace that is being deleted."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    message = f"namespace {namespace} is being terminated"
    cause = Cause("metadata.namespace", "NamespaceTerminating", message)
    return forbidden(resource, name, why, [cause])
