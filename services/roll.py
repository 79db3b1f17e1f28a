"""The coordinator's roll of a shift: ticking who is there, walk-ins, checking everyone out.

Who takes the roll vouches for it; each tick bears their key.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from models import (
    HOLDING_A_PLACE,
    Activity,
    ActivityState,
    Attendance,
    Enrolment,
    EnrolmentState,
    HoursState,
    Means,
    Person,
    Shift,
    Standing,
)
from services import (
    access,
    activities,
    attendance,
    audit,
    codes,
    delivery,
    enrolment,
    insurance,
    people,
    requirements,
    traits,
)
from services.attendance import WITH_A_PLACE, Presence
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

PAGE = 8
CALLING_THE_ROLL = timedelta(minutes=30)
"""A roll takes a while: ticked within so long of the start, it counts from the start."""
OPEN_FOR = timedelta(days=14)
"""So long after a shift its roll can still be put right."""
FOUND = 8


@dataclass(frozen=True, slots=True)
class Line:
    person: Person
    enrolment: Enrolment
    attendance: Attendance | None


@dataclass(frozen=True, slots=True)
class Roll:
    """A page of the roll; `there` of `expected` have checked in, `still_in` have not left."""

    shift: Shift
    activity: Activity
    lines: list[Line]
    page: int
    pages: int
    there: int
    still_in: int
    expected: int
    typed: str = ""
    untrained: frozenset[int] = frozenset()
    """Keys of those shown who lack a training that is asked for here."""


async def call(work: Work, shift_id: int, page: int = 0, typed: str = "") -> Roll:
    """The roll by name; `typed` narrows it to names that contain it. Raises Gone or NotAllowed."""
    shift, activity = await held(work, shift_id)
    rows = await work.session.execute(
        select(Person, Enrolment, Attendance)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .outerjoin(Attendance, Attendance.enrolment_id == Enrolment.id)
        .where(Enrolment.shift_id == shift_id, Enrolment.state.in_(WITH_A_PLACE))
        .order_by(Person.name_search, Enrolment.id)
    )
    everyone = [Line(*row) for row in rows]
    wanted = "".join(typed.split()).lower()
    shown = [line for line in everyone if _fits(line.person, wanted)]
    pages = max(1, -(-len(shown) // PAGE))
    page = max(0, min(page, pages - 1))
    present = [line.attendance for line in everyone if line.attendance is not None]
    lines = shown[page * PAGE : (page + 1) * PAGE]
    lacked = await requirements.lacked(work, shift, activity, [one.person.id for one in lines])
    return Roll(
        shift,
        activity,
        lines,
        page,
        pages,
        there=len(present),
        still_in=sum(one.checked_out_at is None for one in present),
        expected=len(everyone),
        typed=typed,
        untrained=frozenset(lacked),
    )


def _fits(person: Person, wanted: str) -> bool:
    return wanted in person.name_search.lower() or person.number == wanted.upper()


async def held(work: Work, shift_id: int) -> tuple[Shift, Activity]:
    """A shift whose roll the actor takes. Raises Gone or NotAllowed."""
    shift, activity = await activities.published_shift(work, shift_id)
    await access.require(work, access.Right.TAKE_ROLL, activity.organisation_id)
    return shift, activity


async def check_open(work: Work, shift_id: int) -> None:
    """Raises Gone, NotAllowed, or a Refusal that says why nobody can be ticked now."""
    await _open(work, shift_id)


async def _open(work: Work, shift_id: int) -> tuple[Shift, Activity]:
    """The same, while the roll can be changed. Raises Refusal outside of that time, too."""
    shift, activity = await held(work, shift_id)
    if activity.state is ActivityState.CANCELLED:
        raise Refusal("checkin_cancelled", title=activity.title)
    opens_at = shift.starts_at - timedelta(minutes=work.policy.check_in_early)
    if work.now < opens_at:
        raise Refusal("checkin_early", opens_at=opens_at, starts_at=shift.starts_at)
    if work.now > shift.ends_at + OPEN_FOR:
        raise Refusal("roll_closed")
    return shift, activity


# Ticking


async def line(work: Work, enrolment_id: int) -> tuple[Presence, Person]:
    """One person on the roll. Raises Gone or NotAllowed."""
    found = await attendance.find(
        work, Enrolment.id == enrolment_id, Enrolment.state.in_(WITH_A_PLACE)
    )
    if not found:
        raise Gone
    await held(work, found[0].shift.id)
    person = await work.session.get_one(Person, found[0].enrolment.person_id)
    return found[0], person


async def tick(work: Work, enrolment_id: int) -> Presence:
    """This person is there. Raises Gone, NotAllowed or Refusal."""
    presence, person = await line(work, enrolment_id)
    await _open(work, presence.shift.id)
    await attendance.take_turn(work, presence.shift.id, person.id)
    presence, _ = await line(work, enrolment_id)
    if presence.attendance is None:
        await _tick(work, presence)
        _note(work, "roll.present", presence)
    return presence


async def _tick(work: Work, presence: Presence) -> Attendance:
    """After the end it vouches for the whole shift, and the hours are proposed at once."""
    shift = presence.shift
    begun = await attendance.begin(
        work,
        presence.enrolment,
        at=_counts_from(work, shift),
        means=Means.ROLL,
        by_id=work.person.id,
    )
    if work.now >= shift.ends_at:
        await attendance.leave(
            work,
            Presence(presence.enrolment, shift, presence.activity, begun),
            shift.ends_at,
            Means.ROLL,
            by_id=work.person.id,
        )
    return begun


def _counts_from(work: Work, shift: Shift) -> datetime:
    called_late = shift.starts_at < work.now <= shift.starts_at + CALLING_THE_ROLL
    if called_late or work.now >= shift.ends_at:
        return shift.starts_at
    return work.now


async def untick(work: Work, enrolment_id: int) -> Presence:
    """This person was not there after all. Raises Gone, NotAllowed, or Refusal once decided."""
    presence, person = await line(work, enrolment_id)
    await _open(work, presence.shift.id)
    await attendance.take_turn(work, presence.shift.id, person.id)
    found = presence.there
    await work.session.refresh(found, with_for_update=True)
    if found.state not in (HoursState.OPEN, HoursState.PROPOSED, HoursState.TRAINING):
        raise Refusal("roll_decided")
    await work.session.delete(found)
    grace = timedelta(minutes=work.policy.check_out_grace)
    over = work.now >= presence.shift.ends_at + grace
    presence.enrolment.state = EnrolmentState.NO_SHOW if over else EnrolmentState.CONFIRMED
    await traits.recount(work, [person.id])
    _note(work, "roll.absent", presence)
    return presence


async def tick_all(work: Work, shift_id: int) -> int:
    """Everyone with a place is there. Answers how many were ticked now."""
    shift, activity = await _open(work, shift_id)
    await work.session.execute(
        select(Enrolment.id)
        .where(Enrolment.shift_id == shift_id, Enrolment.state.in_(WITH_A_PLACE))
        .order_by(Enrolment.id)
        .with_for_update()
    )
    missing = await attendance.find(
        work,
        Enrolment.shift_id == shift_id,
        Enrolment.state.in_((EnrolmentState.CONFIRMED, EnrolmentState.NO_SHOW)),
        Attendance.id.is_(None),
    )
    for presence in missing:
        await _tick(work, presence)
    audit.note(
        work,
        "roll.all_present",
        f"shift:{shift.id}",
        organisation_id=activity.organisation_id,
        count=len(missing),
    )
    return len(missing)


async def check_out(work: Work, enrolment_id: int) -> Presence:
    """This person leaves now. Raises Gone, NotAllowed or Refusal."""
    presence, _ = await line(work, enrolment_id)
    await _open(work, presence.shift.id)
    at = min(work.now, presence.shift.ends_at)
    await attendance.leave(work, presence, at, Means.ROLL, by_id=work.person.id)
    _note(work, "roll.left", presence)
    return presence


async def check_out_all(work: Work, shift_id: int) -> int:
    """Everyone who is still in leaves now. Answers how many."""
    shift, activity = await _open(work, shift_id)
    enrolled = select(Enrolment.id).where(Enrolment.shift_id == shift_id)
    held = await work.session.scalars(
        select(Attendance.id)
        .where(Attendance.state == HoursState.OPEN, Attendance.enrolment_id.in_(enrolled))
        .order_by(Attendance.id)
        .with_for_update()
    )
    still_in = await attendance.find(work, Attendance.id.in_(held.all()))
    at = min(work.now, shift.ends_at)
    for presence in still_in:
        await attendance.leave(work, presence, at, Means.ROLL, by_id=work.person.id)
    audit.note(
        work,
        "roll.all_left",
        f"shift:{shift.id}",
        organisation_id=activity.organisation_id,
        count=len(still_in),
    )
    return len(still_in)


def _note(work: Work, action: str, presence: Presence) -> None:
    audit.note(
        work,
        action,
        f"enrolment:{presence.enrolment.id}",
        organisation_id=presence.activity.organisation_id,
    )


# Walk-ins


async def candidates(work: Work, shift_id: int, typed: str) -> list[Person]:
    """Volunteers who may be meant: by name among the actor's own, by number or phone anywhere.

    Raises Gone or NotAllowed.
    """
    await held(work, shift_id)
    reach = await people.in_reach(work, access.Right.TAKE_ROLL)
    named = people.named_like(typed).where(reach).with_only_columns(Person.id)
    found = await work.session.scalars(
        select(Person)
        .where(or_(Person.id.in_(people.exactly(work, typed)), Person.id.in_(named)))
        .order_by(Person.name_search, Person.id)
        .limit(FOUND)
    )
    return list(found)


async def add_walk_in(
    work: Work,
    shift_id: int,
    person_id: int,
    *,
    typed: str = "",
    key: str = "",
    one_more: bool = False,
) -> Presence:
    """Somebody without a place is there and joins in.

    Of other towns only who was found by what was `typed`, or shown with the button that has this
    `key` (`codes.walk_in`). `one_more` raises the quota of a full shift by one; without it
    Refusal("walkin_full") is raised.
    Raises Gone, NotAllowed, or a Refusal that says why this person can't join.
    """
    if not codes.is_walk_in(shift_id, person_id, key):
        await people.check_known(work, access.Right.TAKE_ROLL, person_id, typed)
    shift, activity = await _open(work, shift_id)
    person = await work.session.get(Person, person_id)
    if person is None or person.standing is not Standing.ACTIVE:
        raise Gone
    await attendance.take_turn(work, shift_id, person_id)
    known = await work.session.scalar(
        select(Enrolment)
        .where(Enrolment.shift_id == shift_id, Enrolment.person_id == person_id)
        .execution_options(populate_existing=True)
    )
    if known is not None and known.state in WITH_A_PLACE:
        return await tick(work, known.id)
    await _check_joins(work, shift, person)
    if known is None or known.state not in HOLDING_A_PLACE:
        await _take_place(work, shift, activity, one_more=one_more)
    joined = known or Enrolment(shift_id=shift_id, person_id=person_id)
    enrolment.forget_earlier(joined)
    joined.state = EnrolmentState.CONFIRMED
    joined.walk_in = True
    joined.queued_at = work.now
    work.session.add(joined)
    await work.session.flush()
    await enrolment.is_confirmed(work, activity, joined)
    presence = Presence(joined, shift, activity, None)
    begun = await _tick(work, presence)
    _note(work, "roll.walk_in", presence)
    await delivery.tell(
        work,
        delivery.Post(
            "attendance/added",
            {"title": activity.title, "starts_at": shift.starts_at, "ends_at": shift.ends_at},
            kind=attendance.KIND,
            subject=f"enrolment:{joined.id}",
        ),
        [person_id],
    )
    return Presence(joined, shift, activity, begun)


async def _check_joins(work: Work, shift: Shift, person: Person) -> None:
    """What stands against an enrolment stands against a walk-in, too, told to the coordinator.

    But for a training that is asked for: they are there, so the roll marks it.
    """
    try:
        await enrolment.check_suits(work.acting_as(person), shift)
        await enrolment.check_clash(work.acting_as(person), shift)
        await insurance.check(work, shift, person.id)
    except NotAllowed:
        raise
    except Refusal as why:
        raise Refusal("walkin_unsuited", name=person.name, why=why.code, **why.parameters) from None


async def _take_place(work: Work, shift: Shift, activity: Activity, *, one_more: bool) -> None:
    if await enrolment.take_place(work, shift.id):
        return
    if not one_more:
        raise Refusal("walkin_full", quota=shift.quota)
    await work.session.execute(
        update(Shift)
        .where(Shift.id == shift.id)
        .values(quota=Shift.quota + 1, taken=Shift.taken + 1)
        .execution_options(synchronize_session=False)
    )
    await work.session.refresh(shift)
    audit.note(
        work,
        "roll.quota_raised",
        f"shift:{shift.id}",
        organisation_id=activity.organisation_id,
        quota=shift.quota,
    )


async def ask_to_be_added(work: Work, shift_id: int) -> None:
    """A volunteer without a place asks those who take the roll. Raises Gone or Refusal."""
    shift, activity = await activities.published_shift(work, shift_id)
    if activity.state is not ActivityState.PUBLISHED or work.now >= shift.ends_at:
        raise Refusal("checkin_over", ends_at=shift.ends_at)
    opens_at = shift.starts_at - timedelta(minutes=work.policy.check_in_early)
    if work.now < opens_at:
        raise Refusal("checkin_early", opens_at=opens_at, starts_at=shift.starts_at)
    dedupe = f"walkin:{shift_id}:{work.person.id}"
    if await work.session.scalar(delivery.posted(work, dedupe)):
        return
    await delivery.tell(
        work,
        delivery.Post(
            "attendance/walk_in",
            {
                "shift_id": shift_id,
                "person_id": work.person.id,
                "key": codes.walk_in(shift_id, work.person.id),
                "name": work.person.name,
                "number": work.person.number,
                "title": activity.title,
                "starts_at": shift.starts_at,
                "ends_at": shift.ends_at,
            },
            kind=attendance.KIND,
            subject=f"shift:{shift_id}",
            dedupe=dedupe,
            expires_at=shift.ends_at,
        ),
        await access.holders(work, access.Right.TAKE_ROLL, activity.organisation_id),
    )
