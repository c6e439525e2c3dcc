"""Why a delivery is refused, with the HTTP status that says so to the forge."""

from __future__ import annotations

from provisioner.errors import InputError


class DeliveryError(InputError):
    """A delivery that Laneway cannot read."""

    status = 400
    reason = "BadDelivery"


class UnsignedError(DeliveryError):
    """It carries no signature of any configured secret."""

    status = 401
    reason = "BadSignature"


class TooLargeError(DeliveryError):
    status = 413
    reason = "BodyTooLarge"


class UnreadableError(DeliveryError):
    """The body is not JSON."""

    reason = "NotJson"


class ShapeError(DeliveryError):
    """JSON, but not what the forge documents; the message names the field."""

    status = 422
    reason = "UnexpectedShape"
