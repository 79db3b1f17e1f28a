"""Stars: applied for once the hours are there, put on public notice, awarded by the level entitled.

Guangdong's star rules: on application, by the federation entitled to that star, after a public
notice of at least five working days; false hours bar a person for one to three years.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, String, cast, exists, func, literal, select, update
from sqlalchemy.exc import IntegrityError

from models import (
    Message,
    NoticeObjection,
    Organisation,
    Person,
    Recognition,
    RecognitionState,
    Standing,
    StarBar,
)
from services import access, audit, delivery, lengths, organisations, recognition, records
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.recognition import Case
from services.work import Work
from services.working_days import end_of_notice

WORDS = (5, 500)
"""Characters of an objection, of a reason for a bar, and of the answer to who objects to it."""
LISTED = 20
AT_ONCE = 100
"""Notices that end and are told of in one transaction."""
NOTICE_OVER = "recognition/notice_over"


@dataclass(frozen=True, slots=True)
class Held:
    """How somebody stands with stars: awarded, on notice, and what they may apply for now."""

    awarded: int
    on_notice: Recognition | None
    next: int | None
    """The star to apply for; None while there is none."""
    bar: StarBar | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An application with what is said against it; `over` once its notice is."""

    case: Case
    minutes: int
    objections: list[NoticeObjection]
    over: bool
    bar: StarBar | None = None

    @property
    def id(self) -> int:
        return self.case.id


# Applying


async def standing(work: Work, person: Person) -> Held:
    awarded = await recognition.star_of(work, person.id)
    on_notice = await work.session.scalar(
        select(Recognition).where(
            Recognition.person_id == person.id, Recognition.state == RecognitionState.NOTICE
        )
    )
    minutes = (await recognition.minutes_of(work, [person.id])).get(person.id, 0)
    reached = records.stars(minutes, work.policy).count
    bar = await bar_of(work, person.id)
    free = on_notice is None and bar is None and reached > awarded
    return Held(awarded, on_notice, reached if free else None, bar)


async def entitled(work: Work, person: Person, star: int) -> Organisation:
    """Who awards that star: the person's town association, or the city's federation."""
    home = await work.session.get_one(Organisation, person.organisation_id)
    if star >= work.policy.star_city_from:
        return (await organisations.chain(work.session, home))[0]
    return await organisations.town_of(work.session, home)


async def offer(work: Work) -> tuple[int, Organisation]:
    """The star that the actor may apply for, and who awards it. Raises Refusal."""
    at = await standing(work, work.person)
    if at.bar is not None:
        raise Refusal("star_barred", until=at.bar.until_day)
    if at.on_notice is not None:
        raise Refusal("star_on_notice", star=at.on_notice.star, until=at.on_notice.notice_until)
    if at.next is None:
        raise Refusal("star_not_yet", awarded=at.awarded)
    return at.next, await entitled(work, work.person, at.next)


async def apply(work: Work) -> Recognition:
    """Puts the highest star that the actor's hours reach on public notice. Raises Refusal."""
    star, body = await offer(work)
    application = Recognition(
        person_id=work.person.id,
        organisation_id=body.id,
        star=star,
        state=RecognitionState.NOTICE,
        begun_at=work.now,
        notice_until=end_of_notice(work.now, work.policy),
    )
    try:
        async with work.session.begin_nested():
            work.session.add(application)
    except IntegrityError:
        raise Refusal("star_on_notice", star=star, until=application.notice_until) from None
    audit.note(
        work, "star.applied", f"recognition:{application.id}", organisation_id=body.id, star=star
    )
    return application


async def withdraw(work: Work, recognition_id: int) -> None:
    """The applicant takes it back. Raises Gone."""
    done = await work.session.execute(
        update(Recognition)
        .where(
            Recognition.id == recognition_id,
            Recognition.person_id == work.person.id,
            Recognition.state == RecognitionState.NOTICE,
        )
        .values(state=RecognitionState.REFUSED, decided_at=work.now)
        .returning(Recognition.organisation_id)
    )
    organisation_id = done.scalar()
    if organisation_id is None:
        raise Gone
    subject = f"recognition:{recognition_id}"
    audit.note(work, "star.withdrawn", subject, organisation_id=organisation_id)


# The public notice


async def notices(work: Work, *, everywhere: bool = False) -> list[Case]:
    """Applications on public notice: of the actor's town and the city's own, or of the whole city.

    The body is whoever has signed up. Those that end first stand first.
    """
    on_notice = recognition.cases(
        Recognition.state == RecognitionState.NOTICE, Recognition.notice_until > work.now
    )
    if not everywhere:
        home = await work.session.get_one(Organisation, work.person.organisation_id)
        way = await organisations.chain(work.session, home)
        on_notice = on_notice.where(Recognition.organisation_id.in_([one.id for one in way]))
    ordered = on_notice.order_by(Recognition.notice_until, Recognition.id).limit(LISTED)
    return await recognition.found(work, ordered)


async def on_notice(work: Work, recognition_id: int) -> Case:
    """One that anybody who has signed up may read and object to now. Raises Gone."""
    one = await recognition.case(work, recognition_id)
    until = one.recognition.notice_until
    over = until is None or until <= work.now
    if one.recognition.state is not RecognitionState.NOTICE or over:
        raise Gone
    return one


async def object_to(work: Work, recognition_id: int, words: str) -> NoticeObjection:
    """Somebody else's word against it, for those who decide. Raises Gone, Refusal."""
    one = await on_notice(work, recognition_id)
    if one.person.id == work.person.id:
        raise Refusal("recognition_own")
    lengths.check("objection", words, WORDS)
    objection = NoticeObjection(
        recognition_id=one.id, person_id=work.person.id, words=words, at=work.now
    )
    try:
        async with work.session.begin_nested():
            work.session.add(objection)
    except IntegrityError:
        raise Refusal("notice_objected") from None
    recognition.note(work, "objected", one)
    post = delivery.Post(
        "recognition/objected",
        {"recognition_id": one.id, "award": one.about, "name": one.person.name},
        kind=recognition.KIND,
        subject=f"recognition:{one.id}",
    )
    await delivery.tell(work, post, await _deciders(work, one))
    return objection


async def _deciders(work: Work, one: Case) -> list[int]:
    found = await access.holders(work, Right.RECOGNISE, one.body.id)
    own = {one.person.id, work.actor.id if work.actor else 0}
    others = [key for key in found if key not in own]
    above = await access.holders_above(work, Right.RECOGNISE, one.body.id)
    return others or [key for key in above if key not in own]


async def report(work: Work) -> int:
    """Sweep: those who decide learn that a notice is over, once for each."""
    subject = literal("recognition:") + cast(Recognition.id, String)
    known = exists().where(Message.subject == subject, Message.template == NOTICE_OVER)
    ended = recognition.cases(
        Recognition.state == RecognitionState.NOTICE,
        Recognition.notice_until <= work.now,
        ~known,
    )
    told = 0
    for one in await recognition.found(work, ended.order_by(Recognition.id).limit(AT_ONCE)):
        post = delivery.Post(
            NOTICE_OVER,
            {"recognition_id": one.id, "award": one.about, "name": one.person.name},
            kind=recognition.KIND,
            subject=f"recognition:{one.id}",
            due_at=delivery.after_quiet_hours(work, work.now),
            dedupe=f"notice:{one.id}",
        )
        await delivery.tell(work, post, await _deciders(work, one))
        told += 1
    return told


# Deciding


async def _in_reach(work: Work) -> list[ColumnElement[bool]]:
    return [
        Recognition.state == RecognitionState.NOTICE,
        Recognition.person_id != work.person.id,
        await access.within_reach(work, Right.RECOGNISE, Recognition.organisation_id),
    ]


async def waiting(work: Work) -> int:
    """How many applications wait for the actor, their notice being over."""
    rows = select(func.count()).select_from(Recognition)
    over = Recognition.notice_until <= work.now
    return await work.session.scalar(rows.where(over, *await _in_reach(work))) or 0


async def applications(work: Work) -> list[Waiting]:
    """All that the actor will decide, also those still on notice; what is over first."""
    found = recognition.cases(*await _in_reach(work))
    ordered = found.order_by(Recognition.notice_until, Recognition.id).limit(LISTED)
    return await _with_objections(work, await recognition.found(work, ordered))


async def application(work: Work, recognition_id: int) -> Waiting:
    """One, for those who decide; not one's own. Raises Gone, NotAllowed."""
    one = await _on_notice(work, recognition_id)
    if one.person.id == work.person.id:
        raise Gone
    (waits,) = await _with_objections(work, [one])
    return waits


async def _on_notice(work: Work, recognition_id: int) -> Case:
    """Raises Gone, NotAllowed."""
    one = await recognition.case(work, recognition_id)
    await access.require(work, Right.RECOGNISE, one.body.id)
    if one.recognition.state is not RecognitionState.NOTICE:
        raise Gone
    return one


async def _with_objections(work: Work, some: Sequence[Case]) -> list[Waiting]:
    rows = await work.session.scalars(
        select(NoticeObjection)
        .where(NoticeObjection.recognition_id.in_([one.id for one in some]))
        .order_by(NoticeObjection.id)
    )
    said: dict[int, list[NoticeObjection]] = {}
    for row in rows:
        said.setdefault(row.recognition_id, []).append(row)
    people = [one.person.id for one in some]
    minutes = await recognition.minutes_of(work, people)
    bars = await _bars(work, people)
    return [
        Waiting(
            one,
            minutes.get(one.person.id, 0),
            said.get(one.id, []),
            one.recognition.notice_until is not None and one.recognition.notice_until <= work.now,
            bars.get(one.person.id),
        )
        for one in some
    ]


async def award(work: Work, recognition_id: int) -> Case:
    """After the notice, while the hours still reach it. Raises Gone, NotAllowed, Refusal."""
    waits = await _to_decide(work, recognition_id)
    one = waits.case
    if one.person.standing is not Standing.ACTIVE:
        raise Gone
    if not waits.over:
        raise Refusal("star_notice", until=one.recognition.notice_until)
    if waits.bar is not None:
        raise Refusal("star_barred", until=waits.bar.until_day)
    star = one.recognition.star or 0
    if records.stars(waits.minutes, work.policy).count < star:
        raise Refusal("star_hours_gone", star=star)
    await recognition.award(work, one, RecognitionState.NOTICE)
    return one


async def refuse(work: Work, recognition_id: int, remark: str) -> Case:
    """At any time, for a reason that the applicant reads. Raises Gone, NotAllowed, Refusal."""
    one = (await _to_decide(work, recognition_id)).case
    await recognition.refuse(work, one, remark)
    post = delivery.Post(
        "recognition/star_refused",
        {"award": one.about, "remark": remark},
        kind=recognition.KIND,
        subject=f"recognition:{one.id}",
    )
    await delivery.tell(work, post, [one.person.id])
    return one


async def _to_decide(work: Work, recognition_id: int) -> Waiting:
    one = await _on_notice(work, recognition_id)
    if one.person.id == work.person.id:
        raise Refusal("recognition_own")
    return await application(work, recognition_id)


# Bars


def _holds(work: Work) -> ColumnElement[bool]:
    return StarBar.lifted_at.is_(None) & (StarBar.until_day > work.today)


async def bar_of(work: Work, person_id: int) -> StarBar | None:
    """What bars somebody now."""
    return (await _bars(work, [person_id])).get(person_id)


async def _bars(work: Work, people: Sequence[int]) -> dict[int, StarBar]:
    rows = await work.session.scalars(
        select(StarBar)
        .where(StarBar.person_id.in_(people), _holds(work))
        .order_by(StarBar.until_day)
    )
    return {row.person_id: row for row in rows}


async def bar(work: Work, person_id: int, years: int, reason: str) -> StarBar:
    """No stars for so many years, for false hours. Raises Gone, NotAllowed, Refusal.

    What they have on notice is refused with it; they are told, and may object once.
    """
    person = await work.session.get(Person, person_id, with_for_update=True)
    if person is None or person.standing is not Standing.ACTIVE:
        raise Gone
    await access.require(work, Right.RECOGNISE, person.organisation_id)
    if person.id == work.person.id:
        raise Refusal("recognition_own")
    least, most = work.policy.bar_years
    if not least <= years <= most:
        raise Refusal("bar_years", least=least, most=most)
    lengths.check("reason", reason, WORDS)
    if await bar_of(work, person.id) is not None:
        raise Refusal("bar_twice")
    one = StarBar(
        person_id=person.id,
        organisation_id=person.organisation_id,
        reason=reason,
        from_day=work.today,
        until_day=_years_on(work.today, years),
        barred_by_id=work.person.id,
        barred_at=work.now,
    )
    work.session.add(one)
    await work.session.flush()
    await _drop_applications(work, person.id)
    _note(work, "barred", one)
    post = delivery.Post(
        "recognition/barred",
        {"bar_id": one.id, "until": one.until_day, "reason": reason},
        kind=recognition.KIND,
        subject=f"star_bar:{one.id}",
    )
    await delivery.tell(work, post, [person.id])
    return one


async def _drop_applications(work: Work, person_id: int) -> None:
    await work.session.execute(
        update(Recognition)
        .where(Recognition.person_id == person_id, Recognition.state == RecognitionState.NOTICE)
        .values(state=RecognitionState.REFUSED, decided_at=work.now, decided_by_id=work.person.id)
        .execution_options(synchronize_session=False)
    )


def _years_on(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


async def own_bar(work: Work, bar_id: int) -> StarBar:
    """The actor's own, which still can be objected to. Raises Gone, Refusal."""
    one = await work.session.get(StarBar, bar_id)
    if one is None or one.person_id != work.person.id or one.lifted_at is not None:
        raise Gone
    if one.objected_at is not None:
        raise Refusal("bar_objected")
    return one


async def object_to_bar(work: Work, bar_id: int, words: str) -> None:
    """Goes to the level above whoever imposed it. Raises Gone, Refusal."""
    lengths.check("objection", words, WORDS)
    one = await own_bar(work, bar_id)
    one.objection, one.objected_at = words, work.now
    await work.session.flush()
    _note(work, "bar_objected", one)
    post = delivery.Post(
        "recognition/bar_objected",
        {"bar_id": one.id, "name": work.person.name},
        kind=recognition.KIND,
        subject=f"star_bar:{one.id}",
    )
    deciders = await access.holders_above(work, Right.RECOGNISE, one.organisation_id)
    barred = {one.person_id, one.barred_by_id}
    await delivery.tell(work, post, [key for key in deciders if key not in barred])


@dataclass(frozen=True, slots=True)
class Barred:
    bar: StarBar
    person: Person
    may_decide: bool
    """Whether the actor decides on the objection."""


async def bars(work: Work) -> list[Barred]:
    """All that hold in the actor's reach, with an open objection first."""
    rows = await work.session.execute(
        select(StarBar, Person)
        .join(Person, Person.id == StarBar.person_id)
        .where(
            _holds(work),
            await access.within_reach(work, Right.RECOGNISE, StarBar.organisation_id),
        )
        .order_by(_open_objection().desc(), StarBar.barred_at.desc())
        .limit(LISTED)
    )
    return [Barred(one, person, await _may_decide(work, one)) for one, person in rows.all()]


def _open_objection() -> ColumnElement[bool]:
    return StarBar.objected_at.is_not(None) & StarBar.decided_at.is_(None)


async def barred(work: Work, bar_id: int) -> Barred:
    """One, for coordinators above the person. Raises Gone, NotAllowed."""
    one = await work.session.get(StarBar, bar_id)
    if one is None:
        raise Gone
    await access.require(work, Right.RECOGNISE, one.organisation_id)
    person = await work.session.get_one(Person, one.person_id)
    return Barred(one, person, await _may_decide(work, one))


async def _may_decide(work: Work, one: StarBar) -> bool:
    if one.objected_at is None or one.decided_at is not None or one.lifted_at is not None:
        return False
    if work.person.id in (one.person_id, one.barred_by_id):
        return False
    return await access.may_above(work, Right.RECOGNISE, one.organisation_id)


async def answer_bar(work: Work, bar_id: int, answer: str, *, lift: bool) -> StarBar:
    """The level above lifts it, or says why it stands. Raises Gone, NotAllowed, Refusal."""
    lengths.check("answer", answer, recognition.REMARK)
    await work.session.get(StarBar, bar_id, with_for_update=True)
    found = await barred(work, bar_id)
    if not found.may_decide:
        raise NotAllowed
    one = found.bar
    one.answer, one.decided_at, one.decided_by_id = answer, work.now, work.person.id
    one.lifted_at = work.now if lift else None
    await work.session.flush()
    _note(work, "bar_lifted" if lift else "bar_upheld", one)
    post = delivery.Post(
        "recognition/bar_answered",
        {"answer": answer, "lifted": lift, "until": one.until_day},
        kind=recognition.KIND,
        subject=f"star_bar:{one.id}",
    )
    await delivery.tell(work, post, {one.person_id, one.barred_by_id})
    return one


def _note(work: Work, action: str, one: StarBar, **details: Any) -> None:
    audit.note(
        work,
        f"star.{action}",
        f"person:{one.person_id}",
        organisation_id=one.organisation_id,
        **details,
    )
