"""Standing visits: their rhythm, whose turn it is, what a visitor notes, and what is missed.

Sweeps: `plan` lays visits down, `remind` tells whose turn it is, `follow_up` asks after those that
were not noted: first the visitor, then the circle, then the coordinators, each once.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute

from models import (
    CareAlert,
    Enclosure,
    Pairing,
    PairingState,
    Person,
    Recipient,
    Rhythm,
    Standing,
    Visit,
    VisitState,
    Wellbeing,
)
from services import care, care_hours, delivery, enclosures, lengths, pairings
from services.delivery import Post
from services.enclosures import Voice
from services.errors import Gone, Refusal
from services.work import Work

AHEAD = timedelta(days=7)
"""So far ahead visits are laid down."""
PORTION = 200
"""Rhythms or visits that one sweep looks at."""
NOTED_LATE = timedelta(days=3)
"""So long after its time a visit can still be noted."""
TOO_LATE = timedelta(hours=24)
"""So long after its time nobody goes instead any more: after downtime only its keepers hear."""
OFFERED_AHEAD = timedelta(days=2)
"""So long before it the circle is asked about a visit that is nobody's."""
NOTE = (0, 1000)
SHOWN = 20
WEEK = 7
LONGEST_RHYTHM = 92
"""Days."""
OPEN = (VisitState.DUE, VisitState.MISSED, VisitState.NO_ANSWER)
"""In which a visit can be noted."""


@dataclass(frozen=True, slots=True)
class Rhythmic:
    """What a coordinator settles: every so many days, or on days of the week (7 bits, Monday the
    lowest), between two minutes of the local day, and who always comes, if not by turns."""

    every_days: int | None
    weekdays: int | None
    from_minute: int
    until_minute: int
    person_id: int | None = None
    first_on: date | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a visitor says afterwards; minutes as they say, without the way."""

    wellbeing: Wellbeing
    minutes: int
    text: str = ""
    voice: Voice | None = None


# The rhythm


def days(rhythm: Rhythm | Rhythmic, first: date, last: date) -> Iterator[date]:
    """The days of visits from the first, on which one falls unless weekdays say otherwise."""
    day = first
    while day <= last:
        if rhythm.weekdays is None or rhythm.weekdays >> day.weekday() & 1:
            yield day
        day += timedelta(days=1 if rhythm.weekdays is not None else cast(int, rhythm.every_days))


async def settle(work: Work, recipient_id: int, said: Rhythmic) -> Recipient:
    """How often, when and by whom they are visited; visits ahead are laid down anew.

    Raises as `care.open_to`, and Refusal("visit_rhythm").
    """
    recipient = await care.open_to(work, recipient_id)
    await _check(work, recipient, said)
    await drop(work, recipient)
    first = max(said.first_on or work.today, work.today)
    work.session.add(
        Rhythm(
            recipient_id=recipient.id,
            every_days=said.every_days,
            weekdays=said.weekdays,
            from_minute=said.from_minute,
            until_minute=said.until_minute,
            person_id=said.person_id,
            next_on=first,
        )
    )
    await work.session.flush()
    care.note(work, "rhythm", recipient)
    await plan(work, recipient.id)
    return recipient


async def _check(work: Work, recipient: Recipient, said: Rhythmic) -> None:
    either = (said.every_days is None) != (said.weekdays is None)
    long_enough = 0 <= said.from_minute < said.until_minute <= 24 * 60
    often = said.every_days is None or 1 <= said.every_days <= LONGEST_RHYTHM
    on_days = said.weekdays is None or 1 <= said.weekdays < 1 << WEEK
    if not (either and long_enough and often and on_days):
        raise Refusal("visit_rhythm")
    if said.person_id is not None and said.person_id not in await pairings.members(
        work, recipient.id
    ):
        raise Gone


async def drop(work: Work, recipient: Recipient) -> None:
    """No standing visits any more; those ahead are taken back, also on the phones."""
    await work.session.execute(delete(Rhythm).where(Rhythm.recipient_id == recipient.id))
    found = await work.session.scalars(
        select(Visit.id).where(
            Visit.recipient_id == recipient.id,
            Visit.state == VisitState.DUE,
            Visit.planned,
            ~select(CareAlert.id).where(CareAlert.visit_id == Visit.id).exists(),
        )
    )
    keys = found.all()
    for key in keys:
        over = Post("visiting/off", {}, kind=care.KIND)
        await delivery.correct(work, care.visit_subject(key), over)
    await work.session.execute(
        update(Visit)
        .where(Visit.id.in_(keys))
        .values(state=VisitState.CANCELLED)
        .execution_options(synchronize_session=False)
    )
    await work.session.flush()


# Laying visits down


async def plan(work: Work, recipient_id: int | None = None) -> int:
    """Sweep: the visits of the next days, each with whose turn it is.

    What would be over by now is left out, so downtime makes no visits of the past.
    """
    until = work.today + AHEAD
    which: list[ColumnElement[bool]] = [Rhythm.next_on <= until, Recipient.closed_at.is_(None)]
    if recipient_id is not None:
        which.append(Rhythm.recipient_id == recipient_id)
    found = await work.session.scalars(
        select(Rhythm)
        .join(Recipient, Recipient.id == Rhythm.recipient_id)
        .where(*which)
        .order_by(Rhythm.next_on, Rhythm.recipient_id)
        .limit(PORTION)
        .with_for_update(of=Rhythm)
        .execution_options(populate_existing=True)
    )
    rhythms = found.all()
    if not rhythms:
        return 0
    turns = await _turns(work, [one.recipient_id for one in rhythms])
    known = await _laid_down(work, [one.recipient_id for one in rhythms])
    made = 0
    for rhythm in rhythms:
        for day in days(rhythm, rhythm.next_on, until):
            starts_at, ends_at = _hours(work, rhythm, day)
            if ends_at > work.now and (rhythm.recipient_id, starts_at) not in known:
                person_id = turns.next(rhythm, starts_at)
                work.session.add(_planned(rhythm, starts_at, ends_at, person_id))
                made += 1
        rhythm.next_on = _next_on(rhythm, until)
    await work.session.flush()
    return made


async def _laid_down(work: Work, recipient_ids: Sequence[int]) -> set[tuple[int, datetime]]:
    """Visits that a new rhythm finds there: noted already, or with an alert."""
    rows = await work.session.execute(
        select(Visit.recipient_id, Visit.starts_at).where(
            Visit.recipient_id.in_(recipient_ids),
            Visit.planned,
            Visit.state != VisitState.CANCELLED,
            Visit.ends_at > work.now,
        )
    )
    return {(row[0], row[1]) for row in rows}


def _planned(
    rhythm: Rhythm, starts_at: datetime, ends_at: datetime, person_id: int | None
) -> Visit:
    return Visit(
        recipient_id=rhythm.recipient_id,
        planned=True,
        starts_at=starts_at,
        ends_at=ends_at,
        person_id=person_id,
        state=VisitState.DUE,
    )


def _next_on(rhythm: Rhythm, until: date) -> date:
    """The first day of the rhythm after those that were laid down."""
    far = until + timedelta(days=LONGEST_RHYTHM + 1)
    return next(day for day in days(rhythm, rhythm.next_on, far) if day > until)


def _hours(work: Work, rhythm: Rhythm, day: date) -> tuple[datetime, datetime]:
    midnight = datetime.combine(day, time(), work.policy.zone)
    starts_at = midnight.replace(hour=rhythm.from_minute // 60, minute=rhythm.from_minute % 60)
    ends_at = starts_at + timedelta(minutes=rhythm.until_minute - rhythm.from_minute)
    return starts_at.astimezone(UTC), ends_at.astimezone(UTC)


class _Turns:
    """Who is in each circle, and when each of them last had a turn."""

    def __init__(
        self, members: Iterable[tuple[int, int]], last: Iterable[tuple[int, int, datetime]]
    ) -> None:
        self._last: dict[int, dict[int, datetime | None]] = {}
        for recipient_id, person_id in members:
            self._last.setdefault(recipient_id, {})[person_id] = None
        for recipient_id, person_id, at in last:
            if person_id in self._last.get(recipient_id, {}):
                self._last[recipient_id][person_id] = at

    def next(self, rhythm: Rhythm, at: datetime) -> int | None:
        """Whoever always comes, else whose turn is the longest ago."""
        circle = self._last.get(rhythm.recipient_id, {})
        if rhythm.person_id is not None and rhythm.person_id in circle:
            return rhythm.person_id
        if not circle:
            return None
        long_ago = datetime.min.replace(tzinfo=UTC)
        chosen = min(circle, key=lambda person_id: circle[person_id] or long_ago)
        circle[chosen] = at
        return chosen


async def _turns(work: Work, recipient_ids: Sequence[int]) -> _Turns:
    members = await work.session.execute(
        select(Pairing.recipient_id, Pairing.person_id)
        .join(Person, Person.id == Pairing.person_id)
        .where(
            Pairing.recipient_id.in_(recipient_ids),
            Pairing.state == PairingState.ACTIVE,
            Person.standing == Standing.ACTIVE,
            or_(Person.paused_until.is_(None), Person.paused_until <= work.today),
        )
        .order_by(Pairing.id)
    )
    last = await work.session.execute(
        select(Visit.recipient_id, Visit.person_id, func.max(Visit.starts_at))
        .where(
            Visit.recipient_id.in_(recipient_ids),
            Visit.person_id.is_not(None),
            Visit.state != VisitState.CANCELLED,
        )
        .group_by(Visit.recipient_id, Visit.person_id)
    )
    return _Turns(
        [(row[0], row[1]) for row in members], [(row[0], row[1] or 0, row[2]) for row in last]
    )


# Reminders, and what is missed


async def remind(work: Work) -> int:
    """Sweep: whose turn it is hears of it once, outside of quiet hours."""
    ahead = timedelta(minutes=work.policy.care_reminder_minutes)
    if not ahead:
        return 0
    due = await _claim(
        work,
        Visit.reminded_at,
        Visit.person_id.is_not(None),
        Visit.starts_at <= work.now + ahead,
        Visit.ends_at > work.now,
    )
    later = delivery.after_quiet_hours(work, work.now)
    for visit, recipient in due:
        about = await _inside(work, visit, recipient)
        await _tell(
            work, visit, "visiting/reminder", about, [visit.person_id],
            due_at=later, expires_at=visit.ends_at,
        )  # fmt: skip
    return len(due)


async def follow_up(work: Work) -> int:
    """Sweep: the visitor is asked, then the circle, then the coordinators hear that nobody goes."""
    return (
        await _give_up(work)
        + await _ask_visitors(work)
        + await _offer_to_circles(work)
        + await _tell_keepers(work)
    )


async def _ask_visitors(work: Work) -> int:
    grace = timedelta(minutes=work.policy.care_grace_minutes)
    due = await _claim(
        work,
        Visit.asked_at,
        Visit.person_id.is_not(None),
        Visit.ends_at <= work.now - grace,
        Visit.ends_at > work.now - TOO_LATE,
    )
    for visit, recipient in due:
        about = await _inside(work, visit, recipient)
        await _tell(work, visit, "visiting/were_you_there", about, [visit.person_id])
    return len(due)


async def _offer_to_circles(work: Work) -> int:
    """What nobody goes to ahead, and what was asked after without an answer."""
    grace = timedelta(minutes=work.policy.care_grace_minutes)
    due = await _claim(
        work,
        Visit.offered_at,
        Visit.ends_at > work.now - TOO_LATE,
        or_(
            and_(Visit.person_id.is_(None), Visit.starts_at <= work.now + OFFERED_AHEAD),
            Visit.asked_at <= work.now - grace,
        ),
    )
    for visit, recipient in due:
        await _offer(work, visit, recipient)
    return len(due)


async def _offer(work: Work, visit: Visit, recipient: Recipient) -> None:
    """Asks the others of the circle; if there are none, the coordinators hear at once."""
    others = [one for one in await pairings.members(work, recipient.id) if one != visit.person_id]
    if others:
        about = await _inside(work, visit, recipient)
        await _tell(work, visit, "visiting/who_can_go", about, others)
    else:
        await _say_nobody_goes(work, visit, recipient)


async def _tell_keepers(work: Work) -> int:
    waited = work.now - timedelta(minutes=work.policy.care_circle_minutes)
    due = await _claim(work, Visit.told_at, Visit.offered_at <= waited)
    for visit, recipient in due:
        await _say_nobody_goes(work, visit, recipient)
    await _mark_missed(work)
    return len(due)


async def _give_up(work: Work) -> int:
    """What was over for long when the clock came to it is missed, and only its keepers hear."""
    due = await _claim(work, Visit.told_at, Visit.ends_at <= work.now - TOO_LATE)
    for visit, recipient in due:
        visit.asked_at = visit.asked_at or work.now
        visit.offered_at = visit.offered_at or work.now
        await _say_nobody_goes(work, visit, recipient)
    await _mark_missed(work)
    return len(due)


async def _say_nobody_goes(work: Work, visit: Visit, recipient: Recipient) -> None:
    visit.told_at = work.now
    await work.session.flush()
    keepers, see = await care.keepers(work, recipient)
    about = await _about(work, visit, recipient, inside=see)
    await _tell(
        work, visit, "visiting/missed", {**about, "past": visit.ends_at <= work.now}, keepers
    )


async def _mark_missed(work: Work) -> None:
    """Of which the coordinators know, and whose time is over."""
    grace = timedelta(minutes=work.policy.care_grace_minutes)
    await work.session.execute(
        update(Visit)
        .where(
            Visit.state == VisitState.DUE,
            Visit.told_at.is_not(None),
            Visit.ends_at <= work.now - grace,
        )
        .values(state=VisitState.MISSED)
    )


async def _claim(
    work: Work, noted: InstrumentedAttribute[datetime | None], *which: ColumnElement[bool]
) -> list[tuple[Visit, Recipient]]:
    """Those due for which this has not been done yet; from now on it counts as done."""
    waiting = (Visit.state == VisitState.DUE, noted.is_(None))
    found = await work.session.scalars(
        select(Visit.id).where(*waiting, *which).order_by(Visit.id).limit(PORTION)
    )
    keys = found.all()
    if not keys:
        return []
    claimed = await work.session.scalars(
        update(Visit)
        .where(Visit.id.in_(keys), *waiting)
        .values({noted.key: work.now})
        .returning(Visit.id)
        .execution_options(synchronize_session=False)
    )
    rows = await work.session.execute(
        select(Visit, Recipient)
        .join(Recipient, Recipient.id == Visit.recipient_id)
        .where(Visit.id.in_(claimed.all()))
        .order_by(Visit.starts_at, Visit.id)
        .execution_options(populate_existing=True)
    )
    return [(row[0], row[1]) for row in rows]


async def _tell(
    work: Work,
    visit: Visit,
    template: str,
    about: dict[str, Any],
    people: Iterable[int | None],
    **more: Any,
) -> None:
    post = care.sealed_post(template, about, subject=care.visit_subject(visit.id), **more)
    await delivery.tell(work, post, [one for one in people if one is not None])


async def _inside(work: Work, visit: Visit, recipient: Recipient) -> dict[str, Any]:
    return await _about(work, visit, recipient, inside=True)


async def _about(work: Work, visit: Visit, recipient: Recipient, *, inside: bool) -> dict[str, Any]:
    told = care.told_inside if inside else care.told
    return {
        "name": "",
        **await told(work, recipient),
        "visit_id": visit.id,
        "starts_at": visit.starts_at,
        "ends_at": visit.ends_at,
    }


# What volunteers do


async def own(work: Work, visit_id: int, *, lock: bool = False) -> tuple[Visit, Recipient]:
    """A visit to a recipient of the actor's, whose turn it is. Raises Gone."""
    query = select(Visit).where(Visit.id == visit_id).execution_options(populate_existing=lock)
    visit = await work.session.scalar(query.with_for_update() if lock else query)
    if visit is None or visit.person_id != work.person.id or visit.state is VisitState.CANCELLED:
        raise Gone
    await pairings.member(work, visit.recipient_id)
    return visit, await work.session.get_one(Recipient, visit.recipient_id)


async def look(work: Work, visit_id: int) -> dict[str, Any]:
    """The actor's visit with all that one must know; the look is written down. Raises Gone."""
    visit, recipient = await own(work, visit_id)
    pairing = await pairings.member(work, recipient.id)
    return {
        **await pairings.card(work, pairing.id),
        "visit_id": visit.id,
        "starts_at": visit.starts_at,
        "ends_at": visit.ends_at,
        "state": visit.state.value,
        "may_note": may_note(work, visit),
    }


async def coming(work: Work) -> list[tuple[Visit, Recipient]]:
    """The actor's visits that are due or were not noted, the next first."""
    rows = await work.session.execute(
        select(Visit, Recipient)
        .join(Recipient, Recipient.id == Visit.recipient_id)
        .join(Pairing, Pairing.recipient_id == Visit.recipient_id)
        .where(
            Pairing.person_id == work.person.id,
            Pairing.state == PairingState.ACTIVE,
            Visit.person_id == work.person.id,
            Visit.state.in_(OPEN),
            Visit.ends_at > work.now - NOTED_LATE,
            Recipient.closed_at.is_(None),
        )
        .order_by(Visit.starts_at)
        .limit(SHOWN)
    )
    return [(row[0], row[1]) for row in rows]


def may_note(work: Work, visit: Visit) -> bool:
    """From the day of the visit until a few days after it."""
    day = visit.starts_at.astimezone(work.policy.zone).date()
    return visit.state in OPEN and day <= work.today and visit.ends_at > work.now - NOTED_LATE


async def to_note(work: Work, visit_id: int) -> Visit:
    """The actor's visit, of which they may say how it was. Raises Gone, Refusal."""
    visit, _ = await own(work, visit_id)
    if not may_note(work, visit):
        raise Refusal("visit_not_now")
    return visit


async def note(work: Work, visit_id: int, report: Report, title: str) -> Visit:
    """The visit took place. Raises Gone, Refusal. `title` as of `care_hours.propose`."""
    visit, recipient = await own(work, visit_id, lock=True)
    if not may_note(work, visit):
        raise Refusal("visit_not_now")
    await _noted(work, visit, recipient, report, title)
    return visit


async def note_unplanned(work: Work, pairing_id: int, report: Report, title: str) -> Visit:
    """The actor was there without a standing visit. Raises Gone, Refusal."""
    pairing, recipient = await pairings.own(work, pairing_id)
    if pairing.state is not PairingState.ACTIVE:
        raise Gone
    lasted = timedelta(minutes=max(1, report.minutes))
    visit = Visit(
        recipient_id=recipient.id,
        planned=False,
        starts_at=work.now - lasted,
        ends_at=work.now,
        person_id=work.person.id,
        state=VisitState.DUE,
    )
    work.session.add(visit)
    await work.session.flush()
    await _noted(work, visit, recipient, report, title)
    return visit


async def _noted(
    work: Work, visit: Visit, recipient: Recipient, report: Report, title: str
) -> None:
    lengths.check("answer", report.text, NOTE)
    visit.state = VisitState.DONE
    visit.wellbeing, visit.minutes = report.wellbeing, report.minutes
    visit.note = report.text or None
    visit.noted_at = work.now
    ended_at = min(work.now, visit.ends_at)
    visit.attendance_id = await care_hours.propose(
        work, recipient.organisation_id, report.minutes, ended_at, title
    )
    await work.session.flush()
    if report.voice is not None:
        await enclosures.add(work, care.visit_subject(visit.id), voice=report.voice)
    await delivery.close(work, care.visit_subject(visit.id), kind=care.KIND)
    if report.wellbeing is not Wellbeing.WELL:
        await _say_how_they_are(work, visit, recipient, report)


async def _say_how_they_are(work: Work, visit: Visit, recipient: Recipient, report: Report) -> None:
    """Coordinators hear at once when something is needed, and when the visitor worries."""
    keepers, see = await care.keepers(work, recipient)
    about = {
        **await _about(work, visit, recipient, inside=see),
        "who": work.person.name,
        "wellbeing": report.wellbeing.value,
        "text": report.text if see else "",
        "spoken": report.voice is not None,
    }
    voice = delivery.voice(report.voice.file_id if report.voice and see else None)
    post = care.sealed_post(
        "visiting/noted_for_keepers",
        about,
        subject=care.visit_subject(visit.id),
        attachment=voice,
    )
    await delivery.tell(work, post, [one for one in keepers if one != work.person.id])


async def cannot_go(work: Work, visit_id: int) -> Visit:
    """The actor can't; the circle is asked at once. Raises Gone, Refusal("visit_over")."""
    visit, recipient = await own(work, visit_id, lock=True)
    if visit.state not in (VisitState.DUE, VisitState.MISSED):
        raise Refusal("visit_over")
    if visit.offered_at is None:
        visit.offered_at = work.now
        await work.session.flush()
        await delivery.close(work, care.visit_subject(visit.id), kind=care.KIND)
        await _offer(work, visit, recipient)
    visit.person_id = None
    await work.session.flush()
    return visit


async def take_over(work: Work, visit_id: int) -> Visit:
    """The first of the circle who presses goes instead. Raises Gone, Refusal("visit_taken")."""
    visit = await work.session.get(Visit, visit_id)
    if visit is None or visit.state is VisitState.CANCELLED:
        raise Gone
    await pairings.member(work, visit.recipient_id)
    hours = timedelta(minutes=work.policy.care_circle_minutes)
    later = work.now + hours
    done = await work.session.execute(
        update(Visit)
        .where(
            Visit.id == visit_id,
            Visit.offered_at.is_not(None),
            Visit.state.in_((VisitState.DUE, VisitState.MISSED)),
            Visit.ends_at > work.now - TOO_LATE,
        )
        .values(
            person_id=work.person.id,
            state=VisitState.DUE,
            offered_at=None,
            asked_at=None,
            told_at=None,
            reminded_at=work.now,
            ends_at=later if visit.ends_at < later else visit.ends_at,
        )
        .execution_options(synchronize_session=False)
    )
    if not getattr(done, "rowcount", 0):
        raise Refusal("visit_taken")
    await work.session.refresh(visit)
    await _say_who_goes(work, visit)
    return visit


async def _say_who_goes(work: Work, visit: Visit) -> None:
    """The others need not any more, and coordinators who had heard of it can be at ease."""
    recipient = await work.session.get_one(Recipient, visit.recipient_id)
    about = {**await care.told(work, recipient), "who": work.person.name}
    post = Post("visiting/somebody_goes", about, kind=care.KIND)
    await delivery.correct(work, care.visit_subject(visit.id), post)


# What coordinators see


@dataclass(frozen=True, slots=True)
class Line:
    """A visit in a list."""

    visit: Visit
    visitor: str | None
    enclosures: Sequence[Enclosure]


async def history(work: Work, recipient_id: int, limit: int = SHOWN) -> list[Line]:
    """A recipient's visits, those ahead first. Raises as `care.inside`."""
    recipient = await care.inside(work, recipient_id)
    rows = await work.session.execute(
        select(Visit, Person.name)
        .outerjoin(Person, Person.id == Visit.person_id)
        .where(Visit.recipient_id == recipient.id, Visit.state != VisitState.CANCELLED)
        .order_by(Visit.starts_at.desc())
        .limit(limit)
    )
    found = rows.all()
    sent = await enclosures.of_all(work, [care.visit_subject(visit.id) for visit, _ in found])
    return [Line(visit, name, sent[care.visit_subject(visit.id)]) for visit, name in found]


async def seen(work: Work, visit_id: int) -> tuple[Visit, Recipient]:
    """A visit to a recipient whom the actor may see inside. Raises Gone, NotAllowed."""
    visit = await work.session.get(Visit, visit_id)
    if visit is None:
        raise Gone
    return visit, await care.inside(work, visit.recipient_id)


async def listen(work: Work, visit_id: int) -> Enclosure:
    """The voice message of a visit; that it was listened to is written down.

    Raises Gone, NotAllowed.
    """
    visit, recipient = await seen(work, visit_id)
    sent = await enclosures.of(work, care.visit_subject(visit.id))
    if not sent:
        raise Gone
    care.note(work, "listened", recipient)
    return sent[0]


# What is held about volunteers


def rows_about(person_id: int) -> dict[str, Select[Any]]:
    """As `services.personal_data` asks every topic."""
    return {"visits": select(Visit).where(Visit.person_id == person_id)}


async def forget_person(work: Work, person_id: int) -> None:
    """Their words go; when they were there, and for how long, stays without them."""
    await work.session.execute(
        update(Visit)
        .where(Visit.person_id == person_id)
        .values(note=None)
        .execution_options(synchronize_session=False)
    )
