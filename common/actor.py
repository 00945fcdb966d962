"""Who acts: a person, a key, or the system itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

REQUEST_ID = "xerotier.request_id"
"""Where a request's own id lies in its ``META``; the outermost middleware puts it there."""


class ActorKind(Enum):
    """What an actor is."""

    PERSON = "person"
    KEY = "key"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """The one who does something, in plain values: it outlives rows and crosses layers.

    ``subject`` is the person's primary key or the key's public id.
    """

    kind: ActorKind
    subject: str
    name: str
    address: str = ""
    request_id: str = ""


SYSTEM = Actor(kind=ActorKind.SYSTEM, subject="system", name="System")
