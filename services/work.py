"""One unit of work: whose it is, when it happens, and the transaction in which it happens.

Every service call takes one first. Services add to the session and flush; who opened it commits.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from models import Person
from services.errors import NotAllowed
from services.policy import Policy


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where somebody acts by a thing that reaches less far than they do: a token of the API."""

    token_id: int
    path: str
    """Of the organisation outside of whose subtree no right of theirs counts."""


@dataclass(frozen=True, slots=True)
class Work:
    session: AsyncSession
    now: datetime
    """Aware, UTC."""
    policy: Policy
    actor: Person | None = None
    """Who acts; None for the clock and for strangers."""
    bounds: Bounds | None = None

    @property
    def person(self) -> Person:
        """The actor. Raises NotAllowed for a stranger."""
        if self.actor is None:
            raise NotAllowed
        return self.actor

    @property
    def today(self) -> date:
        """The local day."""
        return self.now.astimezone(self.policy.zone).date()

    def acting_as(self, person: Person | None) -> "Work":
        return replace(self, actor=person)
