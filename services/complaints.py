"""Complaints and suggestions: who handles one, its answer, and the way up when there is none.

It goes to the organisation in which it happened, but by-passes whoever is complained about: they
never handle it, and where they hold a role it goes to the level above, up to the top's other
administrators. So does what concerns an organisation itself. Words are sealed, each look is noted,
messages carry no words, and the log does not say who complained. What is not answered within
`policy.complaint_days` goes a level up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, update

from models import (
    About,
    Account,
    Activity,
    AuditEntry,
    Complaint,
    ComplaintState,
    Enclosure,
    EnclosureKind,
    Enrolment,
    Naming,
    Organisation,
    Person,
    Remark,
    RemarkKind,
    Role,
    RoleKind,
    Shift,
)
from services import access, audit, delivery, enclosures, lengths, organisations
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.measuring import Measure
from services.work import Work

KIND = "complaint"
RIGHT = Right.HANDLE_COMPLAINTS
WORDS = (4, 2000)
"""Characters of a complaint, an answer, a question, a side."""
ANSWER = (2, 2000)
PHOTOS = 5
PAGE = 8
LATELY = timedelta(days=365)
"""Activities so long ago can be complained about by picking them."""
PICKED = 20
"""Activities to pick from."""
AT_ONCE = 200
OPENED_FOR = timedelta(hours=1)
"""After a noted look its photos can be fetched."""
SWAY = tuple(kind for kind in RoleKind if access.RIGHTS[kind])
"""Roles that let somebody decide anything."""


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody complains about; `person_id` 0 where it is somebody whom they can't pick."""

    about: About
    words: str
    naming: Naming
    activity_id: int | None = None
    person_id: int | None = None
    organisation_id: int | None = None
    photos: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """What the actor can pick: what they were at, who was responsible, whose it was."""

    activities: list[tuple[Activity, Shift]]
    people: list[tuple[Person, Organisation]]
    organisations: list[Organisation]


@dataclass(frozen=True, slots=True)
class Line:
    """A complaint in a list, without its words."""

    complaint: Complaint
    concerned: Organisation
    late: bool


@dataclass(frozen=True, slots=True)
class Case:
    """A complaint with all that its reader may know; names are empty where they may not."""

    complaint: Complaint
    concerned: Organisation
    handled_by: Organisation
    author: str
    person: str
    activity: str
    remarks: list[tuple[Remark, str]]
    """Each with who said it; the author's and the asked one's are known from their kind."""
    photos: list[Enclosure]
    asks: bool = False
    """Whether the one complained about is known and can be asked for their side."""
    higher: bool = False
    """Whether there is somebody above to pass it on to."""


# Making one


async def choices(work: Work) -> Choices:
    """For the form: nothing of people whom the actor does not know from their activities."""
    rows = await work.session.execute(
        select(Activity, Shift)
        .join(Shift, Shift.activity_id == Activity.id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .where(
            Enrolment.person_id == work.person.id,
            Shift.starts_at > work.now - LATELY,
            Shift.starts_at < work.now + timedelta(days=60),
        )
        .order_by(Shift.starts_at.desc(), Shift.id.desc())
        .limit(PICKED * 3)
    )
    by_activity: dict[int, tuple[Activity, Shift]] = {}
    for activity, shift in rows:
        by_activity.setdefault(activity.id, (activity, shift))
    known = list(by_activity.values())[:PICKED]
    own = await work.session.get_one(Organisation, work.person.organisation_id)
    keys = {int(key) for key in own.path.split(".") if key}
    places = keys | {activity.organisation_id for activity, _ in known}
    found = await organisations.by_keys(work.session, sorted(places))
    return Choices(known, await _responsible(work, keys, known), found)


async def _responsible(
    work: Work, keys: set[int], known: Sequence[tuple[Activity, Shift]]
) -> list[tuple[Person, Organisation]]:
    """Who made those activities, and who holds a role in those organisations."""
    made = {activity.created_by_id: activity.organisation_id for activity, _ in known}
    holding = select(Role.person_id, Role.organisation_id).where(
        Role.organisation_id.in_(keys), Role.kind.in_(SWAY)
    )
    found: dict[int, int] = dict((await work.session.execute(holding)).all())
    found = {**found, **made}
    found.pop(work.person.id, None)
    people = await work.session.scalars(
        select(Person).where(Person.id.in_(found), Person.name != "").order_by(Person.name_search)
    )
    places = await organisations.by_keys(work.session, sorted(set(found.values())))
    by_key = {one.id: one for one in places}
    return [(person, by_key[found[person.id]]) for person in people]


async def complain(work: Work, said: Said) -> Case:
    """Hands it to whoever is to handle it. Raises Gone, Refusal."""
    lengths.check("complaint", said.words, WORDS)
    await _check_often(work)
    concerned, person_id = await _concerned(work, said)
    way = await _way(work, concerned, person_id, said)
    first = await _first_with_handlers(work, way, {work.person.id, person_id})
    complaint = Complaint(
        author_id=work.person.id,
        about=said.about,
        person_id=person_id,
        activity_id=said.activity_id if said.about is About.ACTIVITY else None,
        concerned_id=concerned.id,
        first_id=first or way[-1],
        organisation_id=first or way[-1],
        naming=said.naming,
        words=said.words,
        state=ComplaintState.OPEN,
        raised_at=work.now,
        due_at=work.now + timedelta(days=work.policy.complaint_days),
    )
    work.session.add(complaint)
    await work.session.flush()
    await enclosures.add(work, subject(complaint), said.photos[:PHOTOS])
    await _tell_handlers(work, "raised", complaint)
    _note(work.acting_as(None), "complaint.made", complaint)
    return await _case(work, complaint, for_author=True)


async def _check_often(work: Work) -> None:
    """Raises Refusal. Whoever makes another at the same moment waits until we are done."""
    await work.session.execute(
        select(Person.id).where(Person.id == work.person.id).with_for_update()
    )
    since = work.now - timedelta(days=1)
    made = await work.session.scalar(
        select(func.count())
        .select_from(Complaint)
        .where(Complaint.author_id == work.person.id, Complaint.raised_at > since)
    )
    if (made or 0) >= work.policy.complaints_per_day:
        raise Refusal("complaint_often", most=work.policy.complaints_per_day)


async def _concerned(work: Work, said: Said) -> tuple[Organisation, int | None]:
    """Where it happened, and who is complained about, if that is known. Raises Gone."""
    offered = await choices(work)
    if said.about is About.ACTIVITY:
        for activity, _ in offered.activities:
            if activity.id == said.activity_id:
                home = await work.session.get_one(Organisation, activity.organisation_id)
                return home, activity.created_by_id
        raise Gone
    if said.about is About.PERSON and said.person_id:
        for person, organisation in offered.people:
            if person.id == said.person_id:
                return organisation, person.id
        raise Gone
    if said.about is About.ORGANISATION:
        for organisation in offered.organisations:
            if organisation.id == said.organisation_id:
                return organisation, None
        raise Gone
    return await work.session.get_one(Organisation, work.person.organisation_id), None


async def _way(work: Work, concerned: Organisation, person_id: int | None, said: Said) -> list[int]:
    """The organisations that may handle it, from the first one up to the top.

    Of an activity's maker it by-passes only what they decide over, since a word about an activity
    is best heard where it is planned; of anybody else, each level at which they hold a role.
    """
    chain = [int(key) for key in concerned.path.split(".") if key]
    itself = said.about is About.ORGANISATION
    unknown = said.about is About.PERSON and person_id is None
    lowest = len(chain) - (2 if itself or unknown else 1)
    kinds = access.roles_with(Right.GRANT_ROLES) if said.about is About.ACTIVITY else SWAY
    if person_id is not None:
        held = await work.session.scalars(
            select(Role.organisation_id).where(
                Role.person_id == person_id, Role.organisation_id.in_(chain), Role.kind.in_(kinds)
            )
        )
        lowest = min([lowest, *(chain.index(key) - 1 for key in held)])
    return chain[max(lowest, 0) :: -1]


async def _first_with_handlers(
    work: Work, way: Sequence[int], involved: Iterable[int | None]
) -> int | None:
    """The first of these in which somebody who is not involved handles complaints."""
    rows = await _handlers(work, way, involved)
    with_some = {organisation_id for organisation_id, _ in rows}
    return next((key for key in way if key in with_some), None)


async def _handlers(
    work: Work, keys: Sequence[int], involved: Iterable[int | None]
) -> list[tuple[int, int]]:
    """Organisation and person, for each who can be told."""
    rows = await work.session.execute(
        select(Role.organisation_id, Role.person_id)
        .join(Account, Account.person_id == Role.person_id)
        .where(
            Role.organisation_id.in_(keys),
            Role.kind.in_(access.roles_with(RIGHT)),
            Role.person_id.not_in([key for key in involved if key is not None]),
        )
        .distinct()
    )
    return [(row[0], row[1]) for row in rows]


def _involved(complaint: Complaint) -> set[int | None]:
    """Who never handles it: of an appeal, also whoever gave the first answer."""
    found = {complaint.author_id, complaint.person_id}
    return found | {complaint.answered_by_id} if complaint.appealed_at else found


async def _above(work: Work, complaint: Complaint, *, left: int | None = None) -> int | None:
    """The next organisation up that can handle it; `left` is somebody who does not any more."""
    here = await work.session.get_one(Organisation, complaint.organisation_id)
    chain = [int(key) for key in here.path.split(".") if key][:-1]
    return await _first_with_handlers(work, chain[::-1], {*_involved(complaint), left})


# The author's side of it


async def own(work: Work) -> list[Line]:
    """The actor's complaints, the latest first."""
    return await _lines(
        work,
        _listed()
        .where(Complaint.author_id == work.person.id)
        .order_by(Complaint.raised_at.desc(), Complaint.id.desc())
        .limit(PAGE),
    )


async def own_case(work: Work, complaint_id: int) -> Case:
    """One of the actor's, with the answers to it. Raises Gone."""
    return await _case(work, await _own(work, complaint_id), for_author=True)


async def _own(work: Work, complaint_id: int) -> Complaint:
    complaint = await work.session.get(Complaint, complaint_id)
    if complaint is None or complaint.author_id != work.person.id:
        raise Gone
    return complaint


async def accept(work: Work, complaint_id: int) -> Case:
    """The author is content. Raises Gone, Refusal."""
    await _lock(work, complaint_id)
    complaint = await _own(work, complaint_id)
    if complaint.state is not ComplaintState.ANSWERED:
        raise Refusal("complaint_not_answered")
    complaint.state = ComplaintState.CLOSED
    await work.session.flush()
    _note(work.acting_as(None), "complaint.closed", complaint)
    return await _case(work, complaint, for_author=True)


async def check_may_appeal(work: Work, complaint_id: int) -> Complaint:
    """Raises Gone, Refusal."""
    await _lock(work, complaint_id)
    complaint = await _own(work, complaint_id)
    if complaint.state is not ComplaintState.ANSWERED:
        raise Refusal("complaint_not_answered")
    if complaint.appealed_at is not None:
        raise Refusal("complaint_appealed")
    return complaint


async def appeal(work: Work, complaint_id: int, words: str) -> Case:
    """The level above looks again, once; at the top, somebody else does. Raises Gone, Refusal."""
    complaint = await check_may_appeal(work, complaint_id)
    lengths.check("complaint", words, WORDS)
    answered_by = complaint.answered_by_id
    above = await _above(work, complaint, left=answered_by)
    if above is None:
        involved = {*_involved(complaint), answered_by}
        above = await _first_with_handlers(work, [complaint.organisation_id], involved)
    if above is None:
        raise Refusal("complaint_no_higher")
    complaint.appealed_at = work.now
    complaint.state = ComplaintState.OPEN
    _hand_over(work, complaint, above)
    await _add(work, complaint, RemarkKind.APPEAL, words)
    await _tell_handlers(work, "raised", complaint, again=True)
    _note(work.acting_as(None), "complaint.appealed", complaint)
    return await _case(work, complaint, for_author=True)


def _hand_over(work: Work, complaint: Complaint, organisation_id: int) -> None:
    """Whoever gets it has the whole time."""
    complaint.organisation_id = organisation_id
    complaint.due_at = work.now + timedelta(days=work.policy.complaint_days)
    complaint.warned_at = None


# Handling


async def waiting(work: Work) -> int:
    """How many complaints wait for the actor's answer."""
    found = select(func.count()).select_from(Complaint).where(*await _open_to(work))
    return await work.session.scalar(found) or 0


async def listed(work: Work, most: int = PAGE, *, over: bool = False) -> list[Line]:
    """Those that wait for the actor, the most urgent first; or those that are answered."""
    which = await _within(work) if over else await _open_to(work)
    order = (Complaint.answered_at.desc(),) if over else (Complaint.due_at, Complaint.id)
    states = Complaint.state != ComplaintState.OPEN if over else literal(value=True)
    return await _lines(work, _listed().where(*which, states).order_by(*order).limit(most))


async def _open_to(work: Work) -> tuple[ColumnElement[bool], ...]:
    return Complaint.state == ComplaintState.OPEN, *await _within(work)


async def _within(work: Work) -> tuple[ColumnElement[bool], ...]:
    """The conditions that a complaint is the actor's to handle."""
    me = work.person.id
    return (
        await access.within_reach(work, RIGHT, Complaint.organisation_id),
        or_(Complaint.author_id.is_(None), Complaint.author_id != me),
        or_(Complaint.person_id.is_(None), Complaint.person_id != me),
        or_(
            Complaint.appealed_at.is_(None),
            Complaint.state != ComplaintState.OPEN,
            Complaint.answered_by_id != me,
        ),
    )


def _listed() -> Any:
    return select(Complaint, Organisation).join(
        Organisation, Organisation.id == Complaint.concerned_id
    )


async def _lines(work: Work, found: Any) -> list[Line]:
    rows = await work.session.execute(found)
    return [Line(row[0], row[1], row[0].due_at < work.now) for row in rows]


async def line(work: Work, complaint_id: int) -> Line:
    """One to be handled by the actor, without a word of it. Raises Gone, NotAllowed."""
    complaint = await _handled(work, complaint_id)
    concerned = await work.session.get_one(Organisation, complaint.concerned_id)
    return Line(complaint, concerned, complaint.due_at < work.now)


async def look(work: Work, complaint_id: int) -> Case:
    """All of it, for whoever handles it; the look is noted. Raises Gone, NotAllowed."""
    complaint = await _handled(work, complaint_id)
    _note(work, "complaint.seen", complaint)
    return await _case(work, complaint)


async def just_read(work: Work, complaint_id: int) -> Case | None:
    """All of it once more for whoever has just looked at it. Raises Gone, NotAllowed."""
    complaint = await _handled(work, complaint_id)
    return await _case(work, complaint) if await _has_looked(work, complaint) else None


async def photo(work: Work, complaint_id: int, enclosure_id: int) -> enclosures.Content:
    """For whoever has just looked at the complaint. Raises Gone, NotAllowed."""
    complaint = await _handled(work, complaint_id)
    if not await _has_looked(work, complaint):
        raise NotAllowed
    return await enclosures.content(work, subject(complaint), enclosure_id)


async def _has_looked(work: Work, complaint: Complaint) -> bool:
    looked = await work.session.scalar(
        select(AuditEntry.id)
        .where(
            AuditEntry.actor_id == work.person.id,
            AuditEntry.action == "complaint.seen",
            AuditEntry.subject == subject(complaint),
            AuditEntry.at >= work.now - OPENED_FOR,
        )
        .limit(1)
    )
    return looked is not None


async def _handled(work: Work, complaint_id: int) -> Complaint:
    """Raises Gone, NotAllowed."""
    complaint = await work.session.get(Complaint, complaint_id)
    if complaint is None:
        raise Gone
    found = select(Complaint.id).where(Complaint.id == complaint_id, *await _within(work))
    if await work.session.scalar(found) is None:
        raise NotAllowed
    return complaint


async def _lock(work: Work, complaint_id: int) -> None:
    """Whoever else decides on it waits until we are done."""
    await work.session.execute(
        select(Complaint)
        .where(Complaint.id == complaint_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


async def check_may_handle(work: Work, complaint_id: int) -> Complaint:
    """One that waits for the actor, locked. Raises Gone, NotAllowed, Refusal."""
    await _lock(work, complaint_id)
    complaint = await _handled(work, complaint_id)
    if complaint.state is not ComplaintState.OPEN:
        raise Refusal("complaint_over")
    return complaint


async def answer(work: Work, complaint_id: int, words: str) -> Case:
    """Its author is told. Raises Gone, NotAllowed, Refusal."""
    complaint = await check_may_handle(work, complaint_id)
    lengths.check("answer", words, ANSWER)
    complaint.state = ComplaintState.ANSWERED
    complaint.answered_at = complaint.answered_at or work.now
    if complaint.appealed_at is None:
        complaint.answered_by_id = work.person.id
    await _add(work, complaint, RemarkKind.ANSWER, words)
    if complaint.author_id is not None:
        await _tell(work, "answered", complaint, [complaint.author_id])
    _note(work, "complaint.answered", complaint)
    return await _case(work, complaint)


async def check_may_ask(work: Work, complaint_id: int) -> Complaint:
    """Raises Gone, NotAllowed, Refusal."""
    complaint = await check_may_handle(work, complaint_id)
    if complaint.person_id is None:
        raise Refusal("complaint_nobody_to_ask")
    return complaint


async def ask_for_side(work: Work, complaint_id: int, words: str) -> Case:
    """The one complained about reads the handler's question, and nothing else of the complaint.

    Raises Gone, NotAllowed, Refusal.
    """
    complaint = await check_may_ask(work, complaint_id)
    lengths.check("question", words, WORDS)
    await _add(work, complaint, RemarkKind.QUESTION, words, to_id=complaint.person_id)
    await _tell(work, "asked", complaint, [complaint.person_id or 0])
    _note(work, "complaint.side_asked", complaint)
    return await _case(work, complaint)


async def pass_on(work: Work, complaint_id: int) -> Complaint:
    """Whoever can't judge it gives it to the level above. Raises Gone, NotAllowed, Refusal."""
    complaint = await check_may_handle(work, complaint_id)
    above = await _above(work, complaint)
    if above is None:
        raise Refusal("complaint_no_higher")
    due_at = complaint.due_at
    _hand_over(work, complaint, above)
    complaint.due_at = due_at
    await work.session.flush()
    await _tell_handlers(work, "raised", complaint)
    _note(work, "complaint.passed_on", complaint)
    return complaint


# The side of whoever is complained about


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody is asked about a complaint; its author only if they agreed to be named."""

    complaint: Complaint
    handled_by: Organisation
    author: str
    remarks: list[Remark]
    open: bool


async def asked(work: Work, complaint_id: int) -> Asked:
    """For whoever was asked for their side. Raises Gone."""
    complaint = await work.session.get(Complaint, complaint_id)
    me = work.person.id
    remarks = await work.session.scalars(
        select(Remark)
        .where(
            Remark.complaint_id == complaint_id,
            or_(
                and_(Remark.kind == RemarkKind.QUESTION, Remark.to_id == me),
                and_(Remark.kind == RemarkKind.SIDE, Remark.person_id == me),
            ),
        )
        .order_by(Remark.id)
    )
    found = list(remarks)
    if complaint is None or not found:
        raise Gone
    author = ""
    if complaint.naming is Naming.OPEN and complaint.author_id is not None:
        author = (await work.session.get_one(Person, complaint.author_id)).name
    handler = await work.session.get_one(Organisation, complaint.organisation_id)
    open_now = complaint.state is ComplaintState.OPEN
    return Asked(complaint, handler, author, found, open_now)


async def tell_side(work: Work, complaint_id: int, words: str) -> Asked:
    """Raises Gone, Refusal."""
    await _lock(work, complaint_id)
    found = await asked(work, complaint_id)
    if not found.open:
        raise Refusal("complaint_over")
    lengths.check("complaint", words, WORDS)
    await _add(work, found.complaint, RemarkKind.SIDE, words)
    await _tell_handlers(work, "side", found.complaint)
    _note(work, "complaint.side_told", found.complaint)
    return await asked(work, complaint_id)


# What the clock does


async def remind(work: Work) -> int:
    """Sweep: those who handle what is soon late are reminded, once for each date."""
    soon = work.now + timedelta(days=work.policy.complaint_warn_days)
    due = await work.session.scalars(
        select(Complaint)
        .where(
            Complaint.state == ComplaintState.OPEN,
            Complaint.due_at <= soon,
            Complaint.due_at > work.now,
            Complaint.warned_at.is_(None),
        )
        .order_by(Complaint.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    found = due.all()
    for complaint in found:
        complaint.warned_at = work.now
        await _tell_handlers(work, "due", complaint)
    await work.session.flush()
    return len(found)


async def escalate(work: Work) -> int:
    """Sweep: what was not answered in time goes a level up; at the top it is asked for again."""
    due = await work.session.scalars(
        select(Complaint)
        .where(Complaint.state == ComplaintState.OPEN, Complaint.due_at <= work.now)
        .order_by(Complaint.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    late = due.all()
    for complaint in late:
        await _escalate(work, complaint)
    return len(late)


async def _escalate(work: Work, complaint: Complaint) -> None:
    complaint.late_at = complaint.late_at or work.now
    above = await _above(work, complaint)
    if above is not None:
        await _tell_handlers(work, "gone_up", complaint)
    _hand_over(work, complaint, above or complaint.organisation_id)
    await work.session.flush()
    await _tell_handlers(work, "raised", complaint, late=True)
    if above is not None and complaint.author_id is not None:
        await _tell(work, "late", complaint, [complaint.author_id])
    _note(work, "complaint.escalated", complaint)


# What is shown and told


def subject(complaint: Complaint) -> str:
    return f"complaint:{complaint.id}"


async def _case(work: Work, complaint: Complaint, *, for_author: bool = False) -> Case:
    rows = await work.session.execute(
        select(Remark, Person.name)
        .outerjoin(Person, Person.id == Remark.person_id)
        .where(Remark.complaint_id == complaint.id)
        .order_by(Remark.id)
    )
    of_author = (RemarkKind.ANSWER, RemarkKind.APPEAL)
    remarks = [
        (remark, name or "" if remark.kind is not RemarkKind.APPEAL else "")
        for remark, name in rows
        if not for_author or remark.kind in of_author
    ]
    named = not for_author and complaint.naming is not Naming.NOBODY
    concerned = await work.session.get_one(Organisation, complaint.concerned_id)
    open_now = complaint.state is ComplaintState.OPEN
    handles = open_now and not for_author
    return Case(
        complaint=complaint,
        concerned=concerned,
        handled_by=await work.session.get_one(Organisation, complaint.organisation_id),
        author=await _name(work, complaint.author_id) if named else "",
        person=await _name(work, complaint.person_id),
        activity=await _title(work, complaint.activity_id),
        remarks=remarks,
        photos=[
            one
            for one in await enclosures.of(work, subject(complaint))
            if one.kind is EnclosureKind.PHOTO
        ],
        asks=handles and complaint.person_id is not None,
        higher=handles and await _above(work, complaint) is not None,
    )


async def _name(work: Work, person_id: int | None) -> str:
    found = await work.session.get(Person, person_id) if person_id is not None else None
    return found.name if found else ""


async def _title(work: Work, activity_id: int | None) -> str:
    found = await work.session.get(Activity, activity_id) if activity_id is not None else None
    return found.title if found else ""


async def _add(
    work: Work, complaint: Complaint, kind: RemarkKind, words: str, to_id: int | None = None
) -> None:
    work.session.add(
        Remark(
            complaint_id=complaint.id,
            kind=kind,
            person_id=work.person.id,
            to_id=to_id,
            words=words,
            at=work.now,
        )
    )
    await work.session.flush()


async def _tell_handlers(work: Work, template: str, complaint: Complaint, **more: object) -> None:
    rows = await _handlers(work, [complaint.organisation_id], _involved(complaint))
    people = {person_id for _, person_id in rows}
    await _tell(work, template, complaint, people, **more)


async def _tell(
    work: Work, template: str, complaint: Complaint, people: Iterable[int], **more: object
) -> None:
    """No words of anybody, and no name."""
    handler = await work.session.get_one(Organisation, complaint.organisation_id)
    await delivery.tell(
        work,
        delivery.Post(
            f"complaints/{template}",
            {
                "complaint_id": complaint.id,
                "about": complaint.about.value,
                "due_at": complaint.due_at,
                "handled_by": handler.names,
                **more,
            },
            kind=KIND,
            subject=subject(complaint),
        ),
        people,
    )


def _note(work: Work, action: str, complaint: Complaint) -> None:
    audit.note(work, action, subject(complaint), organisation_id=complaint.organisation_id)


# In the statistics


def _rows(moment: Any, *conditions: Any) -> Select[Any]:
    return select(Complaint.first_id, moment, literal(1)).where(*conditions)


IN_TIME, LATE = "complaints_in_time", "complaints_late"
MEASURES = (
    Measure("complaints", "feedback", lambda: _rows(Complaint.raised_at)),
    Measure(
        IN_TIME, "feedback",
        lambda: _rows(Complaint.answered_at, Complaint.late_at.is_(None)),
    ),
    Measure(LATE, "feedback", lambda: _rows(Complaint.late_at)),
)  # fmt: skip


# What is held of somebody


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic.

    What others complained about somebody is not handed out: it would tell who they are.
    """
    return {
        "complaints": select(Complaint).where(Complaint.author_id == person_id),
        "words_on_complaints": select(Remark).where(Remark.person_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """Their complaints stay as figures; an open one has nobody left to answer."""
    await work.session.execute(
        update(Remark)
        .where(Remark.person_id == person_id)
        .values(words="")
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(Complaint)
        .where(Complaint.author_id == person_id, Complaint.state == ComplaintState.OPEN)
        .values(state=ComplaintState.CLOSED)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(Complaint)
        .where(Complaint.author_id == person_id)
        .values(author_id=None, words="")
        .execution_options(synchronize_session=False)
    )
