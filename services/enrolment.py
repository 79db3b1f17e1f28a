"""Enrolment: asking for a place, the waitlist, offers, cancelling, confirming by hand.

A place is taken by one conditional UPDATE and nothing else, so no crowd overfills a shift.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    String,
    and_,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from models import (
    ENGAGED,
    HOLDING_A_PLACE,
    Account,
    Activity,
    ActivityState,
    Attendance,
    AuditEntry,
    Block,
    Coming,
    Confirmation,
    Enrolment,
    EnrolmentState,
    MarkKind,
    Means,
    PartyMember,
    Person,
    PersonLanguage,
    PersonMark,
    PersonSkill,
    Qualification,
    QualificationKind,
    QualificationState,
    Shift,
    ShiftLanguage,
    ShiftQualification,
    ShiftSkill,
    Skill,
    SpokenLanguage,
    Standing,
)
from services import (
    access,
    accounts,
    activities,
    audit,
    delivery,
    events,
    insurance,
    lengths,
    matching,
    minors,
    people,
    requirements,
    training,
    traits,
)
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

KIND = "enrolment"
OPEN = (
    EnrolmentState.APPLIED,
    EnrolmentState.CONFIRMED,
    EnrolmentState.OFFERED,
    EnrolmentState.WAITLISTED,
)
"""States that the person can still cancel."""
REASON = (2, 300)
"""Characters of a reason."""
MADE_BY_OTHERS = ("enrolment.made", "roll.walk_in")
"""What the audit log says of a place that somebody did not take themselves."""
MOST_TRIED = 8
"""Of the waitlist, when places are free; the first is only passed by where somebody else holds it.
"""
OVER = (EnrolmentState.CANCELLED, EnrolmentState.DECLINED)
"""States after which one may enrol anew."""

Names = dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """An enrolment with what it is for."""

    enrolment: Enrolment
    shift: Shift
    activity: Activity


# Asking for a place


async def enrol(work: Work, shift_id: int) -> Enrolment:
    """A place for the actor, or one on the waitlist. Raises Gone or a Refusal that says why not."""
    shift, activity = await activities.published_shift(work, shift_id)
    check_open(work, shift, activity)
    _check_not_paused(work)
    await _earlier(work, shift_id)
    await check_suits(work, shift)
    await requirements.check_trained(work, shift, activity)
    await check_clash(work, shift)
    placed = await take_place(work, shift_id)
    known = await _earlier(work, shift_id)  # somebody may have enrolled them at this very moment
    enrolment = known or Enrolment(shift_id=shift_id, person_id=work.person.id)
    enrolment.state = await state_if(work, shift, activity, work.person.id, placed=placed)
    enrolment.queued_at = work.now
    forget_earlier(enrolment)
    work.session.add(enrolment)
    await traits.recount(work, [work.person.id])
    if enrolment.state is EnrolmentState.APPLIED:
        await _ask_coordinators(work, Place(enrolment, shift, activity))
    elif enrolment.state is EnrolmentState.CONFIRMED:
        await is_confirmed(work, activity, enrolment)
    return enrolment


async def is_confirmed(work: Work, activity: Activity, enrolment: Enrolment) -> None:
    """Other programs hear of it."""
    kind = events.Kind.ENROLMENT_CONFIRMED
    await events.of_enrolments(work, kind, activity, [enrolment])


async def is_cancelled(work: Work, place: Place) -> None:
    """Other programs hear of it."""
    kind = events.Kind.ENROLMENT_CANCELLED
    await events.of_enrolments(work, kind, place.activity, [place.enrolment])


def forget_earlier(enrolment: Enrolment) -> None:
    """What was noted of an earlier, cancelled enrolment no longer counts."""
    enrolment.block_id = None
    enrolment.walk_in = False
    enrolment.reconfirm = False
    enrolment.cancelled_late = False
    enrolment.excused_at = None
    enrolment.coming = None
    enrolment.offer_expires_at = None
    enrolment.reminded_day_at = None
    enrolment.reminded_hours_at = None
    enrolment.cancelled_at = None
    enrolment.cancel_reason = None


async def state_if(
    work: Work, shift: Shift, activity: Activity, person_id: int, *, placed: bool
) -> EnrolmentState:
    """What somebody's enrolment is, once a place was taken for it or was not to be had.

    Who is not insured for something dangerous waits until the coordinator has seen to it.
    """
    if not placed:
        return EnrolmentState.WAITLISTED
    if activity.confirmation is Confirmation.BY_HAND:
        return EnrolmentState.APPLIED
    if await insurance.is_dangerous(work, activity.id) and await insurance.uncovered(
        work, shift, [person_id]
    ):
        return EnrolmentState.APPLIED
    return EnrolmentState.CONFIRMED


async def take_place(work: Work, shift_id: int) -> bool:
    """Takes a free place of the shift, if there is one."""
    return await take_places(work, shift_id, 1)


async def take_places(work: Work, shift_id: int, count: int) -> bool:
    """Takes so many free places of the shift, or none if there are fewer.

    Whoever frees places, or calls the activity off, waits until we are done, or we for them: they
    must see who has a place or waits for one. Raises Refusal("enrol_cancelled").
    """
    taken = await _take(work, shift_id, count)
    if not taken:
        await _hold(work, Shift.id == shift_id)
        taken = await _take(work, shift_id, count)
    called_off = await work.session.scalar(
        select(Activity.title)
        .join(Shift, Shift.activity_id == Activity.id)
        .where(Shift.id == shift_id, Activity.state == ActivityState.CANCELLED)
    )
    if called_off is not None:
        raise Refusal("enrol_cancelled", title=called_off)
    return taken


async def _take(work: Work, shift_id: int, count: int) -> bool:
    done = await work.session.execute(
        update(Shift)
        .where(Shift.id == shift_id, Shift.taken + count <= Shift.quota)
        .values(taken=Shift.taken + count)
        .execution_options(synchronize_session=False)
    )
    return bool(getattr(done, "rowcount", 0))


async def _hold(work: Work, which: ColumnElement[bool]) -> None:
    """Nobody else changes how many places of these shifts are taken until we are done."""
    shifts = select(Shift.id).where(which).order_by(Shift.id).with_for_update()
    await work.session.execute(shifts)


async def _earlier(work: Work, shift_id: int) -> Enrolment | None:
    """The actor's enrolment that is over, locked. Raises Refusal("enrol_already")."""
    known = await work.session.scalar(
        select(Enrolment)
        .where(Enrolment.shift_id == shift_id, Enrolment.person_id == work.person.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if known is not None and known.state not in OVER:
        raise Refusal("enrol_already", state=known.state.value)
    return known


def check_open(work: Work, shift: Shift, activity: Activity) -> None:
    """Whether volunteers can still enrol. Raises NotAllowed or a Refusal that says why not."""
    if not accounts.is_volunteer(work.actor):
        raise NotAllowed
    if activity.state is ActivityState.CANCELLED:
        raise Refusal("enrol_cancelled", title=activity.title)
    if activity.state is not ActivityState.PUBLISHED or shift.starts_at <= work.now:
        raise Refusal("enrol_over")
    if activity.enrolment_deadline is not None and activity.enrolment_deadline <= work.now:
        raise Refusal("enrol_deadline", deadline=activity.enrolment_deadline)


def _check_not_paused(work: Work) -> None:
    paused_until = work.person.paused_until
    if paused_until is not None and paused_until > work.today:
        raise Refusal("enrol_paused", until=paused_until)


async def check_suits(work: Work, shift: Shift) -> None:
    """Raises Refusal with what the actor lacks for the shift."""
    person = work.person
    if shift.mark is not None and not await _bears(work, shift.mark):
        raise Refusal("enrol_lacks_mark", mark=shift.mark.value)
    if shift.least_age and (
        person.birth_date is None or person.birth_date > matching.born_before(work, shift)
    ):
        raise Refusal("enrol_too_young", age=shift.least_age)
    day = shift.starts_at.astimezone(work.policy.zone).date()
    verified = select(Qualification.kind_id).where(
        Qualification.person_id == person.id,
        Qualification.state == QualificationState.VERIFIED,
        or_(Qualification.expires_on.is_(None), Qualification.expires_on >= day),
    )
    lacked = await _lacked(
        work, QualificationKind, ShiftQualification.kind_id, ShiftQualification, shift, verified
    )
    if lacked:
        ways = await training.ways_to(work, kinds=lacked)
        names = list(lacked.values())
        raise Refusal("enrol_lacks_qualification", names=names, courses=_each(ways))
    skills = select(PersonSkill.skill_id).where(PersonSkill.person_id == person.id)
    lacked = await _lacked(work, Skill, ShiftSkill.skill_id, ShiftSkill, shift, skills)
    if lacked:
        ways = await training.ways_to(work, skills=lacked)
        raise Refusal("enrol_lacks_skill", names=list(lacked.values()), courses=_each(ways))
    spoken = select(PersonLanguage.spoken_language_id).where(PersonLanguage.person_id == person.id)
    column = ShiftLanguage.spoken_language_id
    lacked = await _lacked(work, SpokenLanguage, column, ShiftLanguage, shift, spoken)
    if lacked:
        raise Refusal("enrol_lacks_language", names=list(lacked.values()))
    await minors.check(work, shift)


def _each(ways: dict[int, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Each course once that gives something of what is lacked."""
    return list({one["id"]: one for some in ways.values() for one in some}.values())


async def _bears(work: Work, kind: MarkKind) -> bool:
    return await work.session.get(PersonMark, (work.person.id, kind)) is not None


async def _lacked(  # noqa: PLR0917 - a query in five parts
    work: Work, term: Any, column: Any, link: Any, shift: Shift, held: Any
) -> dict[int, Names]:
    """What the shift needs of one kind and the actor does not hold, by key."""
    rows = await work.session.execute(
        select(term.id, term.names)
        .join(link, column == term.id)
        .where(link.shift_id == shift.id, term.id.not_in(held))
        .order_by(term.position)
    )
    return {row[0]: row[1] for row in rows}


async def check_clash(work: Work, shift: Shift) -> None:
    """Raises Refusal naming what the actor is engaged in at that time."""
    other = (
        await work.session.execute(
            select(Activity.title, Shift.starts_at, Shift.ends_at)
            .join(Shift, Shift.activity_id == Activity.id)
            .join(Enrolment, Enrolment.shift_id == Shift.id)
            .where(
                Enrolment.person_id == work.person.id,
                Enrolment.state.in_(ENGAGED),
                Shift.id != shift.id,
                Shift.starts_at < shift.ends_at,
                Shift.ends_at > shift.starts_at,
            )
            .order_by(Shift.starts_at)
            .limit(1)
        )
    ).one_or_none()
    if other is not None:
        raise Refusal("enrol_clash", title=other[0], starts_at=other[1], ends_at=other[2])


# Places that become free


async def give_back(work: Work, shift_id: int, count: int = 1) -> None:
    """So many places are free: the next on the waitlist are offered them."""
    await work.session.execute(
        update(Shift)
        .where(Shift.id == shift_id)
        .values(taken=Shift.taken - count)
        .execution_options(synchronize_session=False)
    )
    for _ in range(count):
        if not await free_place(work, shift_id):
            return


async def freed(work: Work, place: Place, *, held: bool) -> None:
    """What it means for others that somebody is out, who `held` a place or waited for one."""
    if held:
        await give_back(work, place.shift.id)
    elif place.enrolment.block_id is not None:
        await free_place(work, place.shift.id)  # the rest of their group may fit now


async def free_place(work: Work, shift_id: int) -> bool:
    """Offers unoccupied places to the first on the waitlist whom they suffice.

    A group waits until all of it fits. Until then whoever stands behind it is offered what is free,
    so that no place stays empty; the group keeps its turn. Nothing once the shift began. Answers
    whether anything was offered.
    """
    shift, activity = await activities.published_shift(work, shift_id)
    if activity.state is not ActivityState.PUBLISHED or shift.starts_at <= work.now:
        return False
    for keys in await _queue(work, shift_id):
        waiting = await _still_waiting(work, keys)
        if len(waiting) == len(keys) and await take_places(work, shift_id, len(keys)):
            await _offer(work, [Place(one, shift, activity) for one in waiting])
            return True
    return False


async def _queue(work: Work, shift_id: int) -> list[list[int]]:
    """Keys of those who wait for no more places than are free, a group's together, in turn."""
    free = select(Shift.quota - Shift.taken).where(Shift.id == shift_id).scalar_subquery()
    unit = func.coalesce(-Enrolment.block_id, Enrolment.id)
    waits = (Enrolment.shift_id == shift_id, Enrolment.state == EnrolmentState.WAITLISTED)
    first = (
        select(
            unit.label("unit"),
            func.min(Enrolment.queued_at).label("queued_at"),
            func.min(Enrolment.id).label("first"),
        )
        .where(*waits)
        .group_by(unit)
        .having(func.count() <= free)
        .order_by("queued_at", "first")
        .limit(MOST_TRIED)
        .subquery()
    )
    rows = await work.session.execute(
        select(first.c.unit, Enrolment.id)
        .join(first, first.c.unit == unit)
        .where(*waits)
        .order_by(first.c.queued_at, first.c.first, Enrolment.id)
    )
    units: dict[int, list[int]] = {}
    for key, enrolment_id in rows:
        units.setdefault(key, []).append(enrolment_id)
    return list(units.values())


async def _still_waiting(work: Work, keys: Sequence[int]) -> list[Enrolment]:
    """Locked; those that somebody else decides on at this moment are left out."""
    found = await work.session.scalars(
        select(Enrolment)
        .where(Enrolment.id.in_(keys), Enrolment.state == EnrolmentState.WAITLISTED)
        .order_by(Enrolment.id)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return list(found)


async def _offer(work: Work, places: Sequence[Place]) -> None:
    """Holds places that were taken for one or for a group, and asks whether they want them."""
    lasts = timedelta(minutes=work.policy.offer_minutes)
    expires_at = min(work.now + lasts, places[0].shift.starts_at)
    for place in places:
        place.enrolment.state = EnrolmentState.OFFERED
        place.enrolment.offer_expires_at = expires_at
    await work.session.flush()
    if places[0].enrolment.block_id is None:
        await _tell(work, places[0], "offer", expires_at=expires_at)
    else:
        await _tell_head(work, places, expires_at)


async def _tell_head(work: Work, places: Sequence[Place], expires_at: datetime) -> None:
    """Whoever enrolled a group says for all of it whether it still comes."""
    block = await work.session.get_one(Block, places[0].enrolment.block_id)
    names = await work.session.scalars(
        select(Person.name)
        .where(Person.id.in_([place.enrolment.person_id for place in places]))
        .order_by(Person.id)
    )
    post = delivery.Post(
        "parties/offer",
        {
            **about(places[0]),
            "block_id": block.id,
            "group": block.name,
            "names": list(names),
            "expires_at": expires_at,
        },
        kind=KIND,
        subject=offered_as(places[0].enrolment),
    )
    await delivery.tell(work, post, [block.head_id])


async def accept_offer(work: Work, enrolment_id: int) -> Place:
    """Raises Gone, or Refusal if the offer has lapsed or what they took since stands against it."""
    place = await own_place(work, enrolment_id, changes=True)
    enrolment = place.enrolment
    if enrolment.state is not EnrolmentState.OFFERED:
        raise Refusal("offer_over")
    if enrolment.offer_expires_at is not None and enrolment.offer_expires_at <= work.now:
        raise Refusal("offer_over")
    await check_clash(work, place.shift)
    await minors.check(work, place.shift)
    enrolment.state = await state_if(work, place.shift, place.activity, work.person.id, placed=True)
    enrolment.offer_expires_at = None
    await work.session.flush()
    if enrolment.state is EnrolmentState.APPLIED:
        await _ask_coordinators(work, place)
    else:
        await is_confirmed(work, place.activity, enrolment)
    return place


async def decline_offer(work: Work, enrolment_id: int) -> Place:
    """The place goes to the next. Raises Gone or Refusal("offer_over")."""
    place = await own_place(work, enrolment_id, changes=True)
    if place.enrolment.state is not EnrolmentState.OFFERED:
        raise Refusal("offer_over")
    await _let_go(work, place)
    return place


async def _let_go(work: Work, place: Place) -> None:
    place.enrolment.state = EnrolmentState.DECLINED
    place.enrolment.offer_expires_at = None
    await work.session.flush()
    await give_back(work, place.shift.id)


async def expire_offers(work: Work) -> int:
    """Sweep: offers that nobody accepted in time go to the next on the waitlist."""
    lapsed = await _places(
        work,
        Enrolment.state == EnrolmentState.OFFERED,
        Enrolment.offer_expires_at <= work.now,
        locked=True,
    )
    for place in lapsed:
        place.enrolment.state = EnrolmentState.DECLINED
        place.enrolment.offer_expires_at = None
    await work.session.flush()
    for shift_id, count in Counter(place.shift.id for place in lapsed).items():
        await give_back(work, shift_id, count)
    for asked, place in {offered_as(place.enrolment): place for place in lapsed}.items():
        post = delivery.Post("enrolment/offer_lapsed", about(place), kind=KIND, subject=asked)
        await delivery.correct(work, asked, post)
    return len(lapsed)


# Cancelling


def is_late(work: Work, place: Place) -> bool:
    """Whether cancelling now needs a reason: the place is held, and the start is near."""
    near = timedelta(minutes=work.policy.late_cancel_minutes)
    held = place.enrolment.state in (EnrolmentState.APPLIED, EnrolmentState.CONFIRMED)
    return held and place.shift.starts_at - work.now < near


async def cancel(work: Work, enrolment_id: int, reason: str | None = None) -> Place:
    """The actor's own enrolment ends. Raises Gone, or Refusal if it is too late or has no reason.

    A changed time or place is a reason of its own.
    """
    place = await own_place(work, enrolment_id, changes=True)
    enrolment = place.enrolment
    if enrolment.state not in OPEN:
        raise Refusal("cancel_over")
    if place.shift.starts_at <= work.now:
        raise Refusal("cancel_begun")
    late = is_late(work, place) and not enrolment.reconfirm
    if late and not reason:
        raise Refusal("cancel_needs_reason")
    held = enrolment.state in HOLDING_A_PLACE
    enrolment.state = EnrolmentState.CANCELLED
    enrolment.cancelled_at = work.now
    enrolment.cancelled_late = late
    enrolment.cancel_reason = reason
    await work.session.flush()
    await freed(work, place, held=held)
    if late:
        await _tell_coordinators(work, place, "cancelled_late", reason=reason)
    await is_cancelled(work, place)
    return place


async def release_all(work: Work, activity_id: int) -> None:
    """The activity does not take place: nobody is engaged in it any more."""
    await _hold(work, Shift.activity_id == activity_id)
    shifts = select(Shift.id).where(Shift.activity_id == activity_id)
    released = await work.session.scalars(
        update(Enrolment)
        .where(Enrolment.shift_id.in_(shifts), Enrolment.state.in_(OPEN))
        .values(state=EnrolmentState.CANCELLED, cancelled_at=work.now, offer_expires_at=None)
        .returning(Enrolment)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    activity = await work.session.get_one(Activity, activity_id)
    kind = events.Kind.ENROLMENT_CANCELLED
    await events.of_enrolments(work, kind, activity, released.all())
    await _recount(work, Shift.activity_id == activity_id)


async def leave_everything(work: Work, person_id: int) -> int:
    """Somebody withdraws: their coming places go to the next. Answers how many there were."""
    places = await _places(
        work,
        Enrolment.person_id == person_id,
        Enrolment.state.in_(OPEN),
        Shift.starts_at > work.now,
        locked=True,
    )
    for place in places:
        held = place.enrolment.state in HOLDING_A_PLACE
        place.enrolment.state = EnrolmentState.CANCELLED
        place.enrolment.cancelled_at = work.now
        await work.session.flush()
        await freed(work, place, held=held)
        await is_cancelled(work, place)
    return len(places)


async def _recount(work: Work, which: Any) -> None:
    holding = (
        select(func.count())
        .select_from(Enrolment)
        .where(Enrolment.shift_id == Shift.id, Enrolment.state.in_(HOLDING_A_PLACE))
        .scalar_subquery()
    )
    await work.session.execute(
        update(Shift)
        .where(which)
        .values(taken=holding)
        .execution_options(synchronize_session=False)
    )


# Changes and coming


def recipients_of(work: Work, *conditions: Any) -> delivery.Recipients:
    """Those whose enrolments meet the conditions, each told its key as `enrolment_id`."""
    return (
        select(
            Enrolment.person_id,
            Account.telegram_id,
            Person.language,
            delivery.own_parameters(work, "enrolment_id", Enrolment.id).label("parameters"),
        )
        .join(Person, Person.id == Enrolment.person_id)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(*conditions)
    )


async def ask_to_reconfirm(work: Work, activity_id: int, changed: dict[str, Any]) -> int:
    """Time or place has changed: everyone enrolled is asked anew. Answers how many.

    `changed` names what is new (`address`, or `shift_id` with its times) and what it was.
    """
    keys = _to_reconfirm(work, activity_id, changed.get("shift_id"))
    activity = await work.session.get_one(Activity, activity_id)
    recipients = recipients_of(work, Enrolment.id.in_(keys))
    asked = await delivery.tell_all(
        work,
        delivery.Post(
            "enrolment/changed",
            {"title": activity.title, "activity_id": activity_id, "changed": changed},
            kind=KIND,
            subject=activities.subject(activity_id),
        ),
        recipients,
    )
    await work.session.execute(
        update(Enrolment)
        .where(Enrolment.id.in_(keys))
        .values(reconfirm=True, coming=None, reminded_day_at=None, reminded_hours_at=None)
        .execution_options(synchronize_session=False)
    )
    return asked


async def count_to_reconfirm(work: Work, activity_id: int, shift_id: int | None = None) -> int:
    """How many people a change of time or place would ask anew."""
    keys = _to_reconfirm(work, activity_id, shift_id)
    people = select(func.count(Enrolment.person_id.distinct())).where(Enrolment.id.in_(keys))
    return await work.session.scalar(people) or 0


def _to_reconfirm(work: Work, activity_id: int, shift_id: int | None) -> Select[int]:
    """Keys of the enrolments that a change of an activity, or of one of its shifts, concerns."""
    concerned = [
        Shift.activity_id == activity_id,
        Shift.ends_at > work.now,
        Enrolment.state.in_((EnrolmentState.APPLIED, EnrolmentState.CONFIRMED)),
    ]
    if shift_id is not None:
        concerned.append(Shift.id == shift_id)
    return select(Enrolment.id).join(Shift, Shift.id == Enrolment.shift_id).where(*concerned)


async def answer_coming(work: Work, enrolment_id: int, coming: Coming) -> Place:
    """The answer to "still coming?". Raises Gone or Refusal."""
    place = await own_place(work, enrolment_id, changes=True)
    if place.enrolment.state not in (EnrolmentState.APPLIED, EnrolmentState.CONFIRMED):
        raise Refusal("cancel_over")
    if place.shift.ends_at <= work.now:
        raise Refusal("enrol_over")
    if coming is Coming.YES:
        place.enrolment.reconfirm = False
    place.enrolment.coming = coming
    await work.session.flush()
    if place.enrolment.block_id is not None:
        await _answer_for_wards(work, place.enrolment)
    return place


async def _answer_for_wards(work: Work, own: Enrolment) -> None:
    """Children who came along have no chat: whoever registered and enrolled them answers."""
    theirs = (
        select(PartyMember.person_id)
        .join(Block, Block.party_id == PartyMember.party_id)
        .where(Block.id == own.block_id, Block.head_id == work.person.id, PartyMember.ward)
    )
    await work.session.execute(
        update(Enrolment)
        .where(
            Enrolment.block_id == own.block_id,
            Enrolment.state.in_((EnrolmentState.APPLIED, EnrolmentState.CONFIRMED)),
            Enrolment.person_id.in_(theirs),
        )
        .values(coming=own.coming, reconfirm=own.reconfirm)
        .execution_options(synchronize_session=False)
    )


# Confirming by hand


async def applications(work: Work, activity_id: int) -> list[tuple[Place, Person]]:
    """Who waits for the coordinator's word, the earliest first. Raises Gone or NotAllowed."""
    await activities.planned(work, activity_id)
    rows = await work.session.execute(
        select(Enrolment, Shift, Activity, Person)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .join(Person, Person.id == Enrolment.person_id)
        .where(Activity.id == activity_id, Enrolment.state == EnrolmentState.APPLIED)
        .order_by(Enrolment.queued_at, Enrolment.id)
    )
    return [(Place(row[0], row[1], row[2]), row[3]) for row in rows]


async def decide(work: Work, enrolment_id: int, *, accept: bool) -> Place:
    """A coordinator's word on an application. Raises Gone, NotAllowed, Refusal("decided")."""
    place = await _led(work, enrolment_id)
    if place.enrolment.state is not EnrolmentState.APPLIED:
        raise Refusal("application_decided")
    if accept:
        await insurance.check(work, place.shift, place.enrolment.person_id)
    place.enrolment.state = EnrolmentState.CONFIRMED if accept else EnrolmentState.DECLINED
    await work.session.flush()
    if not accept:
        await give_back(work, place.shift.id)
    await _tell(work, place, "accepted" if accept else "declined")
    if accept:
        await is_confirmed(work, place.activity, place.enrolment)
    else:
        await is_cancelled(work, place)
    person = await work.session.get_one(Person, place.enrolment.person_id)
    await delivery.correct(
        work,
        _application(place.enrolment),
        delivery.Post(
            "enrolment/application_decided",
            {**about(place), "name": person.name, "accepted": accept, "by": work.person.name},
            kind=KIND,
            subject=_application(place.enrolment),
        ),
    )
    audit.note(
        work,
        "enrolment.accepted" if accept else "enrolment.declined",
        f"enrolment:{enrolment_id}",
        organisation_id=place.activity.organisation_id,
    )
    return place


# At the coordinator's desk


async def enrol_other(work: Work, shift_id: int, person_id: int, typed: str = "") -> Enrolment:
    """A place for somebody who asked the coordinator for it; on the waitlist if all are taken.

    Of other towns only who was found by what was `typed`. The coordinator's word is confirmation
    enough. Raises Gone, NotAllowed, or a Refusal that says
    why this person can't join.
    """
    shift, activity = await activities.published_shift(work, shift_id)
    await access.require(work, access.Right.PLAN_ACTIVITIES, activity.organisation_id)
    await people.check_known(work, access.Right.TAKE_ROLL, person_id, typed)
    person = await work.session.get(Person, person_id)
    if person is None or person.standing is not Standing.ACTIVE:
        raise Gone
    theirs = work.acting_as(person)
    await _check_joins(theirs, shift, activity)
    placed = await take_place(work, shift_id)
    known = await _earlier_told(theirs, shift_id)
    enrolment = known or Enrolment(shift_id=shift_id, person_id=person_id)
    enrolment.state = EnrolmentState.CONFIRMED if placed else EnrolmentState.WAITLISTED
    enrolment.queued_at = work.now
    forget_earlier(enrolment)
    work.session.add(enrolment)
    await traits.recount(work, [person_id])
    await work.session.flush()
    await _tell(work, Place(enrolment, shift, activity), "enrolled", placed=placed)
    _note(work, "enrolment.made", enrolment, activity)
    if placed:
        await is_confirmed(work, activity, enrolment)
    return enrolment


async def why_not(work: Work, shift: Shift, activity: Activity) -> Refusal | None:
    """The first of the shift's requirements that the actor does not meet."""
    try:
        _check_not_paused(work)
        await check_suits(work, shift)
        await requirements.check_trained(work, shift, activity)
        await check_clash(work, shift)
    except Refusal as why:
        return why
    return None


async def _check_joins(work: Work, shift: Shift, activity: Activity) -> None:
    """What stands against the actor's own enrolment, told to whoever enrols them.

    A deadline binds volunteers, not the coordinator.
    """
    if activity.state is not ActivityState.PUBLISHED or shift.starts_at <= work.now:
        raise Refusal("enrol_over")
    await _earlier_told(work, shift.id)
    try:
        await check_suits(work, shift)
        await requirements.check_trained(work, shift, activity)
        await check_clash(work, shift)
        await insurance.check(work, shift, work.person.id)
    except Refusal as why:
        raise _told_of(work, why) from None


async def _earlier_told(work: Work, shift_id: int) -> Enrolment | None:
    """As `_earlier`, told to whoever enrols the actor."""
    try:
        return await _earlier(work, shift_id)
    except Refusal as why:
        raise _told_of(work, why) from None


def _told_of(work: Work, why: Refusal) -> Refusal:
    return Refusal("walkin_unsuited", name=work.person.name, why=why.code, **why.parameters)


async def remove(work: Work, enrolment_id: int, reason: str) -> Place:
    """A coordinator ends somebody's enrolment; they learn why, and the next is offered the place.

    Raises Gone, NotAllowed or Refusal.
    """
    place = await _led(work, enrolment_id)
    enrolment = place.enrolment
    if enrolment.state not in OPEN:
        raise Refusal("remove_over")
    if place.shift.starts_at <= work.now:
        raise Refusal("remove_begun")
    lengths.check("reason", reason, REASON)
    held = enrolment.state in HOLDING_A_PLACE
    enrolment.state = EnrolmentState.CANCELLED
    enrolment.cancelled_at = work.now
    enrolment.cancel_reason = reason
    enrolment.offer_expires_at = None
    await work.session.flush()
    await _tell(work, place, "removed", reason=reason)
    await freed(work, place, held=held)
    _note(work, "enrolment.removed", enrolment, place.activity)
    await is_cancelled(work, place)
    return place


async def offer(work: Work, enrolment_id: int) -> Place:
    """A free place to somebody on the waitlist, whoever else stands before them.

    Raises Gone, NotAllowed or Refusal.
    """
    place = await _led(work, enrolment_id)
    if place.activity.state is not ActivityState.PUBLISHED or place.shift.starts_at <= work.now:
        raise Refusal("enrol_over")
    if place.enrolment.state is not EnrolmentState.WAITLISTED:
        raise Refusal("offer_not_waiting")
    together = [place.enrolment]
    if place.enrolment.block_id is not None:
        together = await of_block(work, place.enrolment.block_id, EnrolmentState.WAITLISTED)
    if not await take_places(work, place.shift.id, len(together)):
        raise Refusal("walkin_full", quota=place.shift.quota)
    await _offer(work, [Place(one, place.shift, place.activity) for one in together])
    for one in together:
        _note(work, "enrolment.offered", one, place.activity)
    return place


async def of_block(work: Work, block_id: int, *states: EnrolmentState) -> list[Enrolment]:
    """Those of a group in these states, locked."""
    found = await work.session.scalars(
        select(Enrolment)
        .where(Enrolment.block_id == block_id, Enrolment.state.in_(states))
        .order_by(Enrolment.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return list(found)


async def shift_of(work: Work, enrolment_id: int) -> int:
    """Key of the shift that an enrolment is for. Raises Gone."""
    return (await _place(work, enrolment_id)).shift.id


async def phone_of(work: Work, enrolment_id: int) -> str:
    """The number of somebody in a shift, see `phone_shows`; that they looked is noted.

    Raises Gone, also where there is no number, or NotAllowed.
    """
    place = await _place(work, enrolment_id)
    organisation_id = place.activity.organisation_id
    await access.require(work, access.Right.SEE_VOLUNTEERS, organisation_id)
    person = await work.session.get_one(Person, place.enrolment.person_id)
    if enrolment_id not in await with_phone(work, [enrolment_id]):
        raise NotAllowed
    if person.phone is None:
        raise Gone
    audit.note(work, "person.phone_seen", f"person:{person.id}", organisation_id=organisation_id)
    return person.phone


async def with_phone(work: Work, enrolment_ids: Sequence[int]) -> set[int]:
    """Those whose phone number the actor may look at if they see volunteers of the activity."""
    found = await work.session.scalars(
        select(Enrolment.id)
        .join(Person, Person.id == Enrolment.person_id)
        .where(Enrolment.id.in_(enrolment_ids), await phone_shows(work))
    )
    return set(found)


async def phone_shows(work: Work) -> ColumnElement[bool]:
    """The condition on `Person` and `Enrolment` that a number is shown beside the place.

    Who asked for a place wants to be reached; who was only put on the roster is called by those who
    may see contacts in their own organisation. Numbers of registration can be computed, and whoever
    added somebody by one would have their phone.
    """
    reach = await access.within_reach(work, access.Right.SEE_CONTACTS, Person.organisation_id)
    return or_(reach, _took_themselves())


def _took_themselves() -> ColumnElement[bool]:
    """That nobody else gave the place, as it is held now."""
    given = (
        exists()
        .where(
            AuditEntry.subject == literal("enrolment:") + cast(Enrolment.id, String),
            AuditEntry.action.in_(MADE_BY_OTHERS),
            AuditEntry.at >= Enrolment.queued_at,
        )
        .correlate(Enrolment)
    )
    imported = (
        exists()
        .where(Attendance.enrolment_id == Enrolment.id, Attendance.in_means == Means.IMPORTED)
        .correlate(Enrolment)
    )
    return and_(~given, ~imported)


async def _led(work: Work, enrolment_id: int) -> Place:
    """Locked, so that two who decide at once do so one after the other. Raises Gone, NotAllowed."""
    place = await _place(work, enrolment_id, locked=True)
    await access.require(work, access.Right.PLAN_ACTIVITIES, place.activity.organisation_id)
    return place


def _note(work: Work, action: str, enrolment: Enrolment, activity: Activity) -> None:
    audit.note(work, action, f"enrolment:{enrolment.id}", organisation_id=activity.organisation_id)


async def _ask_coordinators(work: Work, place: Place) -> None:
    person = work.person
    await delivery.tell(
        work,
        delivery.Post(
            "enrolment/application",
            {**about(place), "name": person.name, "number": person.number},
            kind=KIND,
            subject=_application(place.enrolment),
        ),
        await access.holders(work, access.Right.PLAN_ACTIVITIES, place.activity.organisation_id),
    )


# What somebody has, and who has a shift


async def own_place(work: Work, enrolment_id: int, *, changes: bool = False) -> Place:
    """An enrolment of the actor; locked for whoever `changes` it.

    Raises Gone, also for somebody else's.
    """
    place = await _place(work, enrolment_id, locked=changes)
    if work.actor is None or place.enrolment.person_id != work.actor.id:
        raise Gone
    return place


async def _place(work: Work, enrolment_id: int, *, locked: bool = False) -> Place:
    found = await _places(work, Enrolment.id == enrolment_id, locked=locked)
    if not found:
        raise Gone
    return found[0]


async def _places(work: Work, *conditions: Any, locked: bool = False) -> list[Place]:
    """Locked, each place is decided on once, and so given back once."""
    wanted = (
        select(Enrolment, Shift, Activity)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .join(Activity, Activity.id == Shift.activity_id)
        .where(*conditions)
        .order_by(Shift.starts_at, Enrolment.id)
    )
    if locked:
        wanted = wanted.with_for_update(of=Enrolment)
        wanted = wanted.execution_options(populate_existing=True)
    rows = await work.session.execute(wanted)
    return [Place(*row) for row in rows]


async def coming_places(work: Work) -> list[Place]:
    """What the actor is enrolled in or waits for, the next first."""
    return await _places(
        work,
        Enrolment.person_id == work.person.id,
        Enrolment.state.in_((*OPEN, EnrolmentState.ATTENDED)),
        Shift.ends_at > work.now,
    )


async def of_activity(work: Work, activity_id: int) -> dict[int, Enrolment]:
    """The actor's enrolments in an activity that are not over, by shift."""
    places = await _places(
        work,
        Enrolment.person_id == work.person.id,
        Activity.id == activity_id,
        Enrolment.state.not_in(OVER),
    )
    return {place.shift.id: place.enrolment for place in places}


async def position(work: Work, enrolment: Enrolment) -> int:
    """The place in the queue of somebody on the waitlist, from 1."""
    before = (
        select(func.count())
        .select_from(Enrolment)
        .where(
            Enrolment.shift_id == enrolment.shift_id,
            Enrolment.state == EnrolmentState.WAITLISTED,
            or_(
                Enrolment.queued_at < enrolment.queued_at,
                (Enrolment.queued_at == enrolment.queued_at) & (Enrolment.id <= enrolment.id),
            ),
        )
    )
    return await work.session.scalar(before) or 1


async def roster(work: Work, shift_id: int) -> tuple[Place, list[tuple[Enrolment, Person]]]:
    """Everyone with a place in a shift, by name; the Place bears no enrolment of the actor.

    Raises Gone or NotAllowed.
    """
    shift, activity = await activities.published_shift(work, shift_id)
    await access.require(work, access.Right.TAKE_ROLL, activity.organisation_id)
    rows = await work.session.execute(
        select(Enrolment, Person)
        .join(Person, Person.id == Enrolment.person_id)
        .where(Enrolment.shift_id == shift_id, Enrolment.state.not_in(OVER))
        .order_by(Enrolment.state, Person.name_search, Enrolment.id)
    )
    found = [(row[0], row[1]) for row in rows]
    return Place(Enrolment(shift_id=shift_id), shift, activity), found


# What is said


def subject(enrolment: Enrolment) -> str:
    return f"enrolment:{enrolment.id}"


def offered_as(enrolment: Enrolment) -> str:
    """Under which the offer of its place is found again: a group's is made to the head."""
    block_id = enrolment.block_id
    return subject(enrolment) if block_id is None else f"block:{block_id}"


def _application(enrolment: Enrolment) -> str:
    return f"application:{enrolment.id}"


def about(place: Place) -> dict[str, Any]:
    """What messages about a place say of it."""
    return {
        "enrolment_id": place.enrolment.id,
        "activity_id": place.activity.id,
        "shift_id": place.shift.id,
        "title": place.activity.title,
        "address": place.activity.address,
        "remote": place.activity.remote,
        "starts_at": place.shift.starts_at,
        "ends_at": place.shift.ends_at,
    }


async def _tell(work: Work, place: Place, template: str, **more: Any) -> None:
    await delivery.tell(
        work,
        delivery.Post(
            f"enrolment/{template}",
            {**about(place), **more},
            kind=KIND,
            subject=subject(place.enrolment),
        ),
        [place.enrolment.person_id],
    )


async def _tell_coordinators(work: Work, place: Place, template: str, **more: Any) -> None:
    await delivery.tell(
        work,
        delivery.Post(
            f"enrolment/{template}",
            {**about(place), "name": work.person.name, **more},
            kind=KIND,
            subject=subject(place.enrolment),
        ),
        await access.holders(work, access.Right.PLAN_ACTIVITIES, place.activity.organisation_id),
    )
