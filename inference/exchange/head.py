"""A request's head, checked as far as that needs nobody else."""

from __future__ import annotations

from dataclasses import dataclass

from inference import gate
from inference.address import Target, read_target
from inference.fields import SINGLE
from inference.outcome import Outcome
from inference.plane import Plane
from inference.ports import Headers
from inference.problems import Refused


@dataclass
class Head:
    """What a head says. ``announced``: bytes of body, 0 if it does not say."""

    target: Target
    headers: Headers
    fields: dict[bytes, bytes]
    announced: int


def read_head(
    plane: Plane, outcome: Outcome, method: bytes, raw_target: bytes, headers: Headers
) -> Head:
    """Read a head and note in ``outcome`` what it asks for. Raises ``Refused``."""
    if plane.draining:
        raise Refused("service_unavailable", "The gateway is stopping; please try again.")
    fields = dict(headers)
    target = read_target(raw_target)
    outcome.project, outcome.endpoint = target.project, target.slug
    outcome.operation = target.operation
    gate.read_method(target, method)
    if len(fields) != len(headers):
        names = [name for name, _ in headers]
        if any(names.count(name) > 1 for name in SINGLE):
            raise Refused("invalid_request", "A header field was sent twice.")
    length = fields.get(b"content-length", b"")
    announced = int(length) if length.isdigit() else 0
    if announced > plane.config.bounds.body_bytes:
        raise too_large(plane)
    return Head(target, headers, fields, announced)


def too_large(plane: Plane) -> Refused:
    """Return the refusal of a body that is too large."""
    limit = plane.config.bounds.body_bytes
    return Refused("request_too_large", f"The body is larger than {limit} bytes.")
