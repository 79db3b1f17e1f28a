"""Incidents: told from a shift in a minute, taken on by a coordinator, followed up to the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, or_, select, update

from models import (
    Activity,
    Enclosure,
    Enrolment,
    EnrolmentState,
    Gravity,
    Incident,
    IncidentKind,
    IncidentNote,
    IncidentState,
    Lane,
    Organisation,
    Person,
    Shift,
)
from services import access, audit, delivery, enclosures, listing
from services.access import Right
from services.delivery import Post
from services.enclosures import Content
from services.errors import Gone, NotAllowed, Refusal
from services.measuring import Measure
from services.work import Work

KIND = "incident"
TEXT, NOTE = (5, 1000), (2, 1000)
MOST_PHOTOS = 6
OPEN_FOR = timedelta(days=3)
"""After the end of a shift something can still be reported."""
BEFORE = timedelta(hours=2)
"""And so long before its start, on the way."""
SHOWN = 10

MEASURES = (
    Measure(
        "incidents",
        "protection",
        lambda: select(Incident.organisation_id, Incident.reported_at, literal(1)),
    ),
    Measure(
        "incidents_closed",
        "protection",
        lambda: select(Incident.organisation_id, Incident.closed_at, literal(1)),
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody reports; photos by Telegram's file id."""

    kind: IncidentKind
    gravity: Gravity
    text: str
    photos: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """What was done, when, and by whom."""

    note: IncidentNote
    name: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """An incident with all that is known of it."""

    incident: Incident
    activity: Activity
    shift: Shift
    reporter: str
    taken_by: str | None
    steps: list[Step]
    photos: list[Enclosure]

    @property
    def pictures(self) -> list[Enclosure]:
        """The photos that a page can show already."""
        return [one for one in self.photos if enclosures.is_here(one)]


def subject(incident_id: int) -> str:
    return f"incident:{incident_id}"


# Reporting


async def at_hand(work: Work) -> list[tuple[Shift, Activity]]:
    """Shifts of which the actor can report: first those that they are in, then those they lead."""
    first = _is_in(work).desc(), Shift.starts_at.desc()
    found = (await _open_ones(work)).order_by(*first).limit(SHOWN)
    return [(row[0], row[1]) for row in await work.session.execute(found)]


async def _open_ones(work: Work) -> Any:
    reach = await access.within_reach(work, Right.TAKE_ROLL, Activity.organisation_id)
    return (
        select(Shift, Activity)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(
            Shift.starts_at <= work.now + BEFORE,
            Shift.ends_at > work.now - OPEN_FOR,
            or_(_is_in(work), reach),
        )
    )


def _is_in(work: Work) -> ColumnElement[bool]:
    return Shift.id.in_(
        select(Enrolment.shift_id).where(
            Enrolment.person_id == work.person.id,
            Enrolment.state.in_((EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED)),
        )
    )


async def check_may_report(work: Work, shift_id: int) -> tuple[Shift, Activity]:
    """Raises Gone for a shift that the actor has no part in, or that is long over."""
    wanted = (await _open_ones(work)).where(Shift.id == shift_id)
    found = (await work.session.execute(wanted)).one_or_none()
    if found is None:
        raise Gone
    return found[0], found[1]


async def report(work: Work, shift_id: int, told: Told) -> Incident:
    """Coordinators are told at once. Raises Gone, Refusal."""
    _, activity = await check_may_report(work, shift_id)
    made = Incident(
        organisation_id=activity.organisation_id,
        shift_id=shift_id,
        reporter_id=work.person.id,
        kind=told.kind,
        gravity=told.gravity,
        text=told.text,
        state=IncidentState.OPEN,
        reported_at=work.now,
    )
    work.session.add(made)
    await work.session.flush()
    await enclosures.add(work, subject(made.id), told.photos)
    _note(work, made, "reported", gravity=told.gravity.value)
    holders = await access.holders(work, Right.PLAN_ACTIVITIES, made.organisation_id)
    await _alert(work, made, activity, [key for key in holders if key != work.person.id])
    return made


async def _alert(
    work: Work, incident: Incident, activity: Activity, people: Sequence[int], *, late: bool = False
) -> None:
    """Says no more than that something happened: what, is read by whoever opens it."""
    about = {
        "incident_id": incident.id,
        "title": activity.title,
        "kind": incident.kind.value,
        "gravity": incident.gravity.value,
        "late": late,
    }
    post = Post(
        "incidents/alert", about, kind=KIND, lane=Lane.INTERACTIVE, subject=subject(incident.id)
    )
    await delivery.tell(work, post, people)


async def mine(work: Work) -> list[Case]:
    """What the actor has reported, the newest first."""
    found = await work.session.scalars(
        select(Incident)
        .where(Incident.reporter_id == work.person.id)
        .order_by(Incident.id.desc())
        .limit(SHOWN)
    )
    return [await _case(work, one) for one in found]


# Following up


async def waiting(work: Work) -> int:
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Incident.organisation_id)
    open_ones = select(func.count()).where(reach, Incident.state != IncidentState.CLOSED)
    return await work.session.scalar(open_ones) or 0


async def page(work: Work, number: int, *, closed: bool = False) -> listing.Slice[Any]:
    """Each with activity and organisation, what is grave first. Raises NotAllowed."""
    await access.require_anywhere(work, Right.PLAN_ACTIVITIES)
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Incident.organisation_id)
    is_closed = Incident.state == IncidentState.CLOSED
    rows: Any = (
        select(Incident, Activity.title, Organisation.names)
        .join(Shift, Shift.id == Incident.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Organisation, Organisation.id == Incident.organisation_id)
        .where(reach, is_closed if closed else ~is_closed)
        .order_by(Incident.gravity.desc(), Incident.id.desc())
    )
    return await listing.of(work, rows, number)


async def opened(work: Work, incident_id: int) -> Case:
    """For coordinators of the activity. Raises Gone, NotAllowed."""
    incident = await _led(work, incident_id)
    return await _case(work, incident)


async def look(work: Work, incident_id: int) -> Case:
    """As `opened`, in a transaction that writes: the look is noted."""
    found = await opened(work, incident_id)
    _note(work, found.incident, "seen")
    return found


async def photo(work: Work, incident_id: int, enclosure_id: int) -> Content:
    """Raises Gone, NotAllowed."""
    await _led(work, incident_id)
    return await enclosures.content(work, subject(incident_id), enclosure_id)


async def take(work: Work, incident_id: int) -> Case:
    """The actor sees to it; whoever reported is told. Raises Gone, NotAllowed, Refusal."""
    incident = await _led(work, incident_id)
    done = await work.session.scalars(
        update(Incident)
        .where(Incident.id == incident_id, Incident.state == IncidentState.OPEN)
        .values(state=IncidentState.TAKEN, taken_by_id=work.person.id, taken_at=work.now)
        .returning(Incident.id)
        .execution_options(synchronize_session=False)
    )
    if done.one_or_none() is None:
        raise Refusal("incident_taken")
    await work.session.refresh(incident)
    case = await _case(work, incident)
    await _tell_reporter(work, case, "taken")
    await _say_taken(work, case)
    _note(work, incident, "taken")
    return case


async def _say_taken(work: Work, case: Case) -> None:
    """The others who were told see that the actor sees to it."""
    about = subject(case.incident.id)
    told = {
        "incident_id": case.incident.id, "title": case.activity.title, "by": work.person.name,
    }  # fmt: skip
    await delivery.correct(work, about, Post("incidents/taken", told, kind=KIND, subject=about))


async def add_note(work: Work, incident_id: int, text: str, *, closes: bool = False) -> Case:
    """What was done; at the end it `closes`, and whoever reported is told, once.

    Whoever notes something of what nobody has taken on sees to it from then on.
    Raises Gone, NotAllowed, Refusal("incident_closed").
    """
    incident = await _led(work, incident_id, locked=True)
    if incident.state is IncidentState.CLOSED:
        raise Refusal("incident_closed")
    was_open = incident.state is IncidentState.OPEN
    work.session.add(
        IncidentNote(incident_id=incident_id, by_id=work.person.id, at=work.now, text=text)
    )
    if was_open:
        incident.taken_by_id, incident.taken_at = work.person.id, work.now
        incident.state = IncidentState.TAKEN
    if closes:
        incident.state, incident.closed_at = IncidentState.CLOSED, work.now
    await work.session.flush()
    case = await _case(work, incident)
    if was_open:
        await _say_taken(work, case)
    if closes or was_open:
        await _tell_reporter(work, case, "closed" if closes else "taken")
    _note(work, incident, "closed" if closes else "noted")
    return case


async def _led(work: Work, incident_id: int, *, locked: bool = False) -> Incident:
    """Raises Gone, NotAllowed."""
    incident = await work.session.get(
        Incident, incident_id, with_for_update=locked or None, populate_existing=locked
    )
    if incident is None:
        raise Gone
    if not await access.may(work, Right.PLAN_ACTIVITIES, incident.organisation_id):
        raise NotAllowed
    return incident


async def _case(work: Work, incident: Incident) -> Case:
    shift = await work.session.get_one(Shift, incident.shift_id)
    activity = await work.session.get_one(Activity, shift.activity_id)
    reporter = await work.session.get_one(Person, incident.reporter_id)
    taken_by = None
    if incident.taken_by_id is not None:
        taken_by = (await work.session.get_one(Person, incident.taken_by_id)).name
    rows = await work.session.execute(
        select(IncidentNote, Person.name)
        .outerjoin(Person, Person.id == IncidentNote.by_id)
        .where(IncidentNote.incident_id == incident.id)
        .order_by(IncidentNote.id)
    )
    steps = [Step(row[0], row[1]) for row in rows]
    photos = await enclosures.of(work, subject(incident.id))
    return Case(incident, activity, shift, reporter.name, taken_by, steps, photos)


async def _tell_reporter(work: Work, case: Case, what: str) -> None:
    if case.incident.reporter_id == work.person.id:
        return
    about = {"title": case.activity.title, "what": what, "by": work.person.name}
    await delivery.tell(work, Post("incidents/news", about, kind=KIND), [case.incident.reporter_id])


def _note(work: Work, incident: Incident, what: str, **details: Any) -> None:
    audit.note(
        work, f"incident.{what}", subject(incident.id),
        organisation_id=incident.organisation_id, **details,
    )  # fmt: skip


# When nobody sees to it


async def raise_late(work: Work) -> int:
    """Sweep: what nobody has taken on in time is told to the level above, once."""
    policy = work.policy
    grave = work.now - timedelta(minutes=policy.incident_minutes)
    usual = work.now - timedelta(minutes=policy.incident_minutes_minor)
    due = await work.session.scalars(
        select(Incident)
        .where(
            Incident.state == IncidentState.OPEN,
            Incident.raised_at.is_(None),
            or_(
                (Incident.gravity == Gravity.SERIOUS) & (Incident.reported_at <= grave),
                Incident.reported_at <= usual,
            ),
        )
        .with_for_update()
    )
    found = due.all()
    for incident in found:
        incident.raised_at = work.now
        shift = await work.session.get_one(Shift, incident.shift_id)
        activity = await work.session.get_one(Activity, shift.activity_id)
        above = await access.holders_above(work, Right.PLAN_ACTIVITIES, incident.organisation_id)
        await _alert(work, incident, activity, above, late=True)
    await work.session.flush()
    return len(found)


# Personal data


def rows_about(person_id: int) -> dict[str, Select[*tuple[Any, ...]]]:
    """As `services.personal_data` asks every topic."""
    return {"incidents": select(Incident).where(Incident.reporter_id == person_id)}


async def forget_person(work: Work, person_id: int) -> None:
    """What happened must stay known to whoever answers for it; who told of it need not.

    The row points at the erased person, of whom nothing is left; photos went with the enclosures.
    """
