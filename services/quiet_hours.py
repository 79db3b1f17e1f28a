"""Whose quiet hours hold: of the nearest organisation above that set some, else the city's.

What can wait is told after them. Organisations with hours of their own are few and are looked up
once for many people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import func, select

from models import Organisation, Person
from services import delivery
from services.delivery import Post
from services.work import Work


@dataclass(frozen=True, slots=True)
class Own:
    """What an organisation set for itself and all below it; from and until of the local day."""

    path: str
    start: time
    end: time


@dataclass(frozen=True, slots=True)
class QuietHours:
    """`own` of those that set some, each before those above it."""

    work: Work
    own: Sequence[Own]

    def after(self, path: str, moment: datetime) -> datetime:
        """The moment itself, or the end of the quiet hours of that organisation."""
        for one in self.own:
            if path.startswith(one.path):
                return delivery.after_hours(self.work, moment, one.start, one.end)
        return delivery.after_quiet_hours(self.work, moment)

    def due_below(self, moment: datetime) -> tuple[tuple[str, datetime], ...]:
        """As `Post.due_below`: where it is told at another time than in the rest of the city."""
        return tuple((one.path, self.after(one.path, moment)) for one in self.own)

    def quiet_below(self, path: str) -> list[tuple[str, datetime]]:
        """Those of their own below `path` in whose quiet hours it is now, and until when."""
        below = [one.path for one in self.own if one.path.startswith(path)]
        ends = ((one, self.after(one, self.work.now)) for one in below)
        return [(one, until) for one, until in ends if until > self.work.now]


async def known(work: Work) -> QuietHours:
    rows = await work.session.execute(
        select(Organisation.path, Organisation.quiet_from, Organisation.quiet_until)
        .where(Organisation.quiet_from.is_not(None))
        .order_by(func.length(Organisation.path).desc(), Organisation.id)
    )
    return QuietHours(
        work, [Own(path, _clock(start or 0), _clock(end or 0)) for path, start, end in rows]
    )


async def of(work: Work, organisation_id: int, moment: datetime | None = None) -> datetime:
    """When an organisation's people may be told what comes up at `moment`, else now."""
    path = await work.session.scalar(
        select(Organisation.path).where(Organisation.id == organisation_id)
    )
    return (await known(work)).after(path or "", moment or work.now)


async def of_person(work: Work, person: Person) -> datetime:
    """When somebody may be told now what can wait."""
    return await of(work, person.organisation_id)


async def times(work: Work) -> tuple[datetime, tuple[tuple[str, datetime], ...]]:
    """`Post.due_at` and `Post.due_below` of what can wait."""
    usual = delivery.after_quiet_hours(work, work.now)
    return usual, (await known(work)).due_below(work.now)


async def kept(work: Work, post: Post) -> Post:
    """The post as it goes out after the quiet hours of whoever it goes to."""
    return delivery.due(post, *await times(work))


def _clock(minutes: int) -> time:
    return time(minutes // 60 % 24, minutes % 60)
