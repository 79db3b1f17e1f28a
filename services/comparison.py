"""Call-outs that are over in one line each, to put them beside one another."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select

from models import Callout, CalloutState, Delivery, DeliveryState, Message, Need, Response
from services.callouts import ALARM, calls_for
from services.work import Work

COMPARED = 3
"""Earlier ones of each sort, real and drill, beside which one is put."""


@dataclass(slots=True)
class Tally:
    """What became of the people of one need."""

    need: Need
    asked: int = 0
    agreed: list[datetime] = field(default_factory=list)
    """When people said yes, in their order."""
    arrivals: list[datetime] = field(default_factory=list)
    """In their order."""
    sent: Counter[str] = field(default_factory=Counter)
    """Calls that were really sent, by channel."""

    @property
    def came(self) -> int:
        return len(self.arrivals)

    @property
    def filled(self) -> int:
        """Places for which somebody came."""
        return min(self.came, self.need.quota)

    @property
    def full_at(self) -> datetime | None:
        """When as many had said yes as were wanted."""
        return _at(self.agreed, self.need.quota)

    @property
    def there_at(self) -> datetime | None:
        """When as many were on scene as were wanted."""
        return _at(self.arrivals, self.need.quota)


def _at(moments: Sequence[datetime], number: int) -> datetime | None:
    """The one with this number, counted from 1, if there is one."""
    return moments[number - 1] if len(moments) >= number else None


def together(moments: Sequence[datetime | None]) -> datetime | None:
    """The last of them, if none is missing."""
    known = [moment for moment in moments if moment]
    return max(known) if known and len(known) == len(moments) else None


def each(messages: int, places: int) -> float | None:
    """Messages for a filled place; none where no place was filled."""
    return round(messages / places, 1) if places else None


async def tallies(work: Work, callouts: Sequence[Callout]) -> list[Tally]:
    """Of all needs of these call-outs, in the order of the needs."""
    keys = [callout.id for callout in callouts]
    needs = await work.session.scalars(
        select(Need).where(Need.callout_id.in_(keys)).order_by(Need.id)
    )
    found = {need.id: Tally(need) for need in needs}
    counted = await work.session.execute(
        select(Response.need_id, func.count())
        .where(Response.callout_id.in_(keys))
        .group_by(Response.need_id)
    )
    for need_id, count in counted:
        found[need_id].asked = count
    moments = await work.session.execute(
        select(Response.need_id, Response.answered_at, Response.arrived_at).where(
            Response.callout_id.in_(keys), Response.said_yes
        )
    )
    for need_id, answered_at, arrived_at in moments:
        if answered_at:
            found[need_id].agreed.append(answered_at)
        if arrived_at:
            found[need_id].arrivals.append(arrived_at)
    for one in found.values():
        one.agreed.sort()
        one.arrivals.sort()
    by_subject = {calls_for(one.need): one for one in found.values()}
    for subject, channel, count in await _sent(work, list(by_subject)):
        by_subject[subject].sent[channel] += count
    return list(found.values())


async def _sent(work: Work, subjects: Sequence[str]) -> Sequence[Row[str, str, int]]:
    """How many calls went out about each subject, by channel; what edits one is none."""
    counted = await work.session.execute(
        select(func.coalesce(Message.subject, ""), Delivery.channel, func.count())
        .join(Delivery, Delivery.message_id == Message.id)
        .where(
            Message.subject.in_(subjects),
            Message.kind == ALARM,
            Delivery.state == DeliveryState.SENT,
            Delivery.edits_id.is_(None),
        )
        .group_by(Message.subject, Delivery.channel)
    )
    return counted.all()


async def beside(work: Work, callout: Callout) -> list[dict[str, Any]]:
    """The last real ones and the last drills of the organisation, those of its own sort first."""
    earlier = [
        *await _last(work, callout, drill=callout.drill),
        *await _last(work, callout, drill=not callout.drill),
    ]
    found = await tallies(work, earlier)
    return [
        in_short(one, [tally for tally in found if tally.need.callout_id == one.id])
        for one in earlier
    ]


async def _last(work: Work, callout: Callout, *, drill: bool) -> Sequence[Callout]:
    found = await work.session.scalars(
        select(Callout)
        .where(
            Callout.organisation_id == callout.organisation_id,
            Callout.drill == drill,
            Callout.state == CalloutState.ENDED,
            ~Callout.false_alarm,
            Callout.id < callout.id,
        )
        .order_by(Callout.id.desc())
        .limit(COMPARED)
    )
    return found.all()


def in_short(callout: Callout, needs: Sequence[Tally]) -> dict[str, Any]:
    """A call-out in one line; minutes count from its launch."""
    asked, yes = sum(one.asked for one in needs), sum(len(one.agreed) for one in needs)
    filled = sum(one.filled for one in needs)
    messages = sum(one.sent.total() for one in needs)

    def minutes(moment: datetime | None) -> int | None:
        if moment is None or callout.launched_at is None:
            return None
        return round((moment - callout.launched_at).total_seconds() / 60)

    return {
        "kind": callout.kind.value,
        "drill": callout.drill,
        "launched_at": callout.launched_at,
        "quota": sum(one.need.quota for one in needs),
        "asked": asked,
        "yes": yes,
        "came": sum(one.came for one in needs),
        "filled": filled,
        "percent": round(100 * yes / max(1, asked)),
        "messages": messages,
        "each": each(messages, filled),
        "minutes": minutes(together([one.full_at for one in needs])),
        "there_minutes": minutes(together([one.there_at for one in needs])),
    }
