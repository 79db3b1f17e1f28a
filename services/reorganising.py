"""Changes in the tree: founding, joining, moving and closing organisations.

Whoever may manage the level above does it at once; everybody else asks, and that level decides. A
move needs a yes of the level that is left and of the one that is joined. Nobody decides on what
they asked for themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    String,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import aliased

from models import (
    Activity,
    ActivityState,
    AuditEntry,
    Broadcast,
    BroadcastState,
    Callout,
    CalloutState,
    Course,
    CourseState,
    Duty,
    Group,
    Import,
    ImportState,
    Organisation,
    OrganisationKind,
    OrganisationRequest,
    Person,
    Project,
    ProjectState,
    RequestState,
    Role,
    RoleKind,
    Shift,
    Standing,
    TreeChange,
)
from services import (
    access,
    accounts,
    audit,
    delivery,
    leaving,
    lengths,
    organisations,
    projects,
    quiet_hours,
    roles,
    teams,
    tokens,
    traits,
    webhooks,
)
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.measuring import Measure
from services.organisations import Described
from services.work import Work

KIND = "organisations"
RIGHT = Right.MANAGE_ORGANISATIONS
REASON = (2, 300)
"""Characters of why something is asked for, and why it is refused."""
PORTION = 100
"""People of a closed organisation whom one transaction moves."""
JOINING = (
    OrganisationKind.SOCIAL_ORGANISATION,
    OrganisationKind.SCHOOL,
    OrganisationKind.ENTERPRISE,
    OrganisationKind.DEPARTMENT,
)
"""What exists outside and may come in."""
SENDING = (
    BroadcastState.AWAITING_APPROVAL,
    BroadcastState.SCHEDULED,
    BroadcastState.RUNNING,
    BroadcastState.PAUSED,
)
FOUNDED = ("organisation.created", "organisation.imported")
"""Actions of the audit log."""
IMPORTING = (ImportState.CHECKING, ImportState.RUNNING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of what somebody wanted: it was done, or a request waits."""

    organisation: Organisation | None = None
    request: OrganisationRequest | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A request with all that its screens show."""

    request: OrganisationRequest
    below: Organisation
    organisation: Organisation | None
    by: Person
    decides: bool
    """Whether the actor may say yes or no to it now."""

    @property
    def name(self) -> Mapping[str, str]:
        if self.organisation is not None:
            return self.organisation.names
        names: dict[str, str] = self.request.said["names"]
        return names


# Asking, or doing it at once


async def found(
    work: Work, below_id: int, kind: OrganisationKind, said: Described, words: str = ""
) -> Outcome:
    """A new one below another, by whoever plans there. Raises NotAllowed, Refusal."""
    await access.require(work, Right.PLAN_ACTIVITIES, below_id)
    return await _new(work, TreeChange.FOUND, below_id, (kind, said), words)


async def join(
    work: Work, below_id: int, kind: OrganisationKind, said: Described, words: str = ""
) -> Outcome:
    """One from outside comes in, with the actor as its administrator.

    Raises NotAllowed to who is no volunteer, Refusal.
    """
    if not accounts.is_volunteer(work.person):
        raise NotAllowed
    if kind not in JOINING:
        raise Refusal("organisation_kind")
    await _check_patience(work)
    return await _new(work, TreeChange.JOIN, below_id, (kind, said), words)


async def _check_patience(work: Work) -> None:
    """Raises Refusal for one request too many: each is told to all who decide."""
    most = work.policy.joins_per_day
    asked = select(func.count()).where(
        OrganisationRequest.asked_by_id == work.person.id,
        OrganisationRequest.change == TreeChange.JOIN,
        OrganisationRequest.asked_at > work.now - timedelta(days=1),
    )
    if (await work.session.scalar(asked) or 0) >= most:
        raise Refusal("reorganisation_too_many", most=most)


async def _new(
    work: Work,
    change: TreeChange,
    below_id: int,
    new: tuple[OrganisationKind, Described],
    words: str,
) -> Outcome:
    below = await _existing(work, below_id)
    kind, said = new
    organisations.check_described(work, said)
    organisations.check_kind(below, kind)
    if await access.may(work, RIGHT, below.id):
        made = await organisations.add_below(work, below, kind, said)
        if change is TreeChange.JOIN:
            await _make_administrator(work, work.person, made)
        return Outcome(organisation=made)
    await organisations.require_open(work, below.id)
    request = _request(work, change, below, words)
    request.said = {"kind": kind.value, **asdict(said)}
    return await _asked(work, request)


async def _make_administrator(work: Work, person: Person, organisation: Organisation) -> None:
    """Raises Refusal for who is no volunteer any more."""
    if not accounts.is_volunteer(person):
        raise Refusal("reorganisation_asker")
    await roles.add(work, person.id, organisation.id, RoleKind.ADMINISTRATOR)
    audit.note(
        work,
        "role.granted",
        f"person:{person.id}",
        organisation_id=organisation.id,
        kind=RoleKind.ADMINISTRATOR,
    )


async def transfer(work: Work, organisation_id: int, below_id: int, words: str = "") -> Outcome:
    """It is to stand below another, with all that is below it. Raises NotAllowed, Gone, Refusal."""
    organisation = await organisations.described(work, organisation_id)
    below = await _existing(work, below_id)
    _check_move(organisation, below)
    await organisations.require_open(work, below.id)
    old = await access.may_above(work, RIGHT, organisation.id)
    new = await access.may(work, RIGHT, below.id)
    await _require_undecided(work, organisation)
    if old and new:
        return Outcome(organisation=await _move(work, organisation, below))
    request = _request(work, TreeChange.TRANSFER, below, words)
    request.organisation_id = organisation.id
    request.said = {"left": organisation.parent_id}
    request.old_agreed_by_id = work.person.id if old else None
    request.new_agreed_by_id = work.person.id if new else None
    return await _asked(work, request)


async def close(work: Work, organisation_id: int, to_id: int, words: str = "") -> Outcome:
    """It takes nothing new any more, its people go to another. Raises NotAllowed, Gone, Refusal."""
    organisation = await organisations.described(work, organisation_id)
    to = await _existing(work, to_id)
    await _check_close(work, organisation, to)
    await organisations.require_open(work, to.id)
    await _require_undecided(work, organisation)
    if await access.may_above(work, RIGHT, organisation.id):
        request = _request(work, TreeChange.CLOSE, to, words)
        request.organisation_id = organisation.id
        request.state, request.decided_at = RequestState.GRANTED, work.now
        request.decided_by_id = work.person.id
        closed = await _close(work, organisation, to)
        work.session.add(request)
        await work.session.flush()
        return Outcome(organisation=closed)
    request = _request(work, TreeChange.CLOSE, to, words)
    request.organisation_id = organisation.id
    return await _asked(work, request)


def _request(
    work: Work, change: TreeChange, below: Organisation, words: str
) -> OrganisationRequest:
    words = " ".join(words.split())
    if words:
        lengths.check("reason", words, REASON)
    return OrganisationRequest(
        change=change,
        state=RequestState.OPEN,
        below_id=below.id,
        said={},
        words=words,
        asked_by_id=work.person.id,
        asked_at=work.now,
        reason="",
    )


async def _asked(work: Work, request: OrganisationRequest) -> Outcome:
    """Those who decide are told. Raises Refusal where another one waits already."""
    try:
        async with work.session.begin_nested():
            work.session.add(request)
            await work.session.flush()
    except IntegrityError:
        raise Refusal("reorganisation_waits") from None
    line = await _line(work, request)
    people = {key for level in _levels(line) for key in await access.holders(work, RIGHT, level)}
    await _tell(work, "reorganising/request", line, people - {work.person.id})
    _note(work, line, "asked")
    return Outcome(request=request)


async def _existing(work: Work, organisation_id: int) -> Organisation:
    """Raises Gone."""
    found = await work.session.get(Organisation, organisation_id)
    if found is None:
        raise Gone
    return found


async def _require_undecided(work: Work, organisation: Organisation) -> None:
    """Raises Refusal where a request about it waits: that one is decided, not passed by."""
    waits = select(OrganisationRequest.id).where(
        OrganisationRequest.organisation_id == organisation.id,
        OrganisationRequest.state == RequestState.OPEN,
    )
    if await work.session.scalar(waits) is not None:
        raise Refusal("reorganisation_waits")


# Deciding


async def waiting(work: Work) -> int:
    found = select(func.count()).select_from((await _to_decide(work)).subquery())
    return await work.session.scalar(found) or 0


async def pending(work: Work, limit: int = 20) -> list[Line]:
    """What waits for the actor's word, the earliest first."""
    found = (await _to_decide(work)).order_by(OrganisationRequest.asked_at, OrganisationRequest.id)
    return await _lines(work, found.limit(limit))


async def own(work: Work, limit: int = 10) -> list[Line]:
    """What the actor asked for, the latest first."""
    found = select(OrganisationRequest).where(OrganisationRequest.asked_by_id == work.person.id)
    return await _lines(work, found.order_by(OrganisationRequest.id.desc()).limit(limit))


async def seen(work: Work, request_id: int) -> Line:
    """For who asked and those who decide. Raises Gone, NotAllowed."""
    request = await work.session.get(OrganisationRequest, request_id, populate_existing=True)
    if request is None:
        raise Gone
    line = await _line(work, request)
    may = request.asked_by_id == work.person.id
    for level in _levels(line):
        may = may or await access.may(work, RIGHT, level)
    if not may:
        raise NotAllowed
    return line


async def agree(work: Work, request_id: int) -> Line:
    """Yes for all the levels that the actor may speak for; done once every level has said yes.

    Raises Gone, NotAllowed, Refusal: decided already, or no longer possible.
    """
    line = await _decidable(work, request_id)
    request = line.request
    if request.change is TreeChange.TRANSFER:
        await _agree_to_move(work, line)
        await work.session.refresh(request)
        if request.old_agreed_by_id is None or request.new_agreed_by_id is None:
            _note(work, line, "agreed")
            return await _line(work, request)
    await _decide(work, line, RequestState.GRANTED)
    await _carry_out(work, line)
    return await _told_decided(work, request)


async def refuse(work: Work, request_id: int, reason: str) -> Line:
    """Raises Gone, NotAllowed, Refusal."""
    lengths.check("reason", reason, REASON)
    line = await _decidable(work, request_id)
    await _decide(work, line, RequestState.REFUSED, reason)
    return await _told_decided(work, line.request)


async def withdraw(work: Work, request_id: int) -> Line:
    """Who asked does not want it any more. Raises Gone, NotAllowed, Refusal."""
    line = await seen(work, request_id)
    if line.request.asked_by_id != work.person.id:
        raise NotAllowed
    await _decide(work, line, RequestState.WITHDRAWN)
    return await _told_decided(work, line.request)


async def _decidable(work: Work, request_id: int) -> Line:
    line = await seen(work, request_id)
    if line.request.state is not RequestState.OPEN:
        raise Refusal("reorganisation_decided")
    if line.request.asked_by_id == work.person.id:
        raise Refusal("reorganisation_own")
    if not line.decides:
        raise Refusal("reorganisation_agreed")
    return line


async def _agree_to_move(work: Work, line: Line) -> None:
    """Each yes stands once, whoever presses at the same moment."""
    request, sides = line.request, OrganisationRequest
    for level, column in (
        (_parent_of(line), sides.old_agreed_by_id),
        (request.below_id, sides.new_agreed_by_id),
    ):
        if await access.may(work, RIGHT, level):
            await work.session.execute(
                update(sides)
                .where(sides.id == request.id, sides.state == RequestState.OPEN, column.is_(None))
                .values({column.key: work.person.id})
                .execution_options(synchronize_session=False)
            )


async def _decide(work: Work, line: Line, state: RequestState, reason: str = "") -> None:
    """Raises Refusal where somebody else was faster."""
    done = await work.session.execute(
        update(OrganisationRequest)
        .where(
            OrganisationRequest.id == line.request.id,
            OrganisationRequest.state == RequestState.OPEN,
        )
        .values(state=state, reason=reason, decided_at=work.now, decided_by_id=work.person.id)
        .execution_options(synchronize_session=False)
    )
    if not getattr(done, "rowcount", 0):
        raise Refusal("reorganisation_decided")
    await work.session.refresh(line.request)
    _note(work, line, state.value)


async def _carry_out(work: Work, line: Line) -> None:
    request = line.request
    if request.change in (TreeChange.FOUND, TreeChange.JOIN):
        said = dict(request.said)
        kind = OrganisationKind(said.pop("kind"))
        quiet = said.pop("quiet")
        described = Described(**said, quiet=tuple(quiet) if quiet else None)
        made = await organisations.add_below(work, line.below, kind, described)
        request.organisation_id = made.id
        if request.change is TreeChange.JOIN:
            await _make_administrator(work, line.by, made)
    elif line.organisation is None:
        raise Gone
    elif request.change is TreeChange.TRANSFER:
        _check_move(line.organisation, line.below)
        await _move(work, line.organisation, line.below)
    else:
        await _check_close(work, line.organisation, line.below)
        await _close(work, line.organisation, line.below)
    await work.session.flush()


async def _told_decided(work: Work, request: OrganisationRequest) -> Line:
    """Who asked is told, and the cards of those who decide say what has become of it.

    Whom it names is the organisation's from then on, or nobody's.
    """
    _forget_contact(request)
    await work.session.flush()
    line = await _line(work, request)
    if request.asked_by_id != work.person.id:
        await _tell(work, "reorganising/decided", line, [request.asked_by_id], subject=None)
    about = {**described(line), "decided_by": work.person.name}
    post = Post("reorganising/request_closed", about, kind=KIND, subject=_subject(request))
    await delivery.correct(work, _subject(request), post)
    return line


def _forget_contact(request: OrganisationRequest) -> None:
    if "head" in request.said:
        request.said = {**request.said, "head": "", "contact": ""}


# What they concern


def _parent_of(line: Line) -> int:
    """The key of the level that a moved or closed one stood below when it was asked for."""
    left: int | None = line.request.said.get("left")
    now = line.organisation.parent_id if line.organisation else None
    return left or now or line.request.below_id


def _levels(line: Line) -> list[int]:
    """The organisations whose word it takes."""
    change = line.request.change
    if change is TreeChange.TRANSFER:
        return [_parent_of(line), line.request.below_id]
    return [_parent_of(line) if change is TreeChange.CLOSE else line.request.below_id]


async def _to_decide(work: Work) -> Any:
    about = aliased(Organisation)
    below = await access.within_reach(work, RIGHT, OrganisationRequest.below_id)
    parent = await access.within_reach(work, RIGHT, about.parent_id)
    asked = OrganisationRequest
    mine: ColumnElement[bool] = or_(
        and_(asked.change.in_((TreeChange.FOUND, TreeChange.JOIN)), below),
        and_(asked.change == TreeChange.CLOSE, parent),
        and_(
            asked.change == TreeChange.TRANSFER,
            or_(
                and_(asked.new_agreed_by_id.is_(None), below),
                and_(asked.old_agreed_by_id.is_(None), parent),
            ),
        ),
    )
    actor = work.actor.id if work.actor else 0
    return (
        select(asked)
        .outerjoin(about, about.id == asked.organisation_id)
        .where(asked.state == RequestState.OPEN, asked.asked_by_id != actor, mine)
    )


async def _lines(work: Work, query: Any) -> list[Line]:
    requests = list(await work.session.scalars(query))
    keys = {one.below_id for one in requests} | {one.organisation_id or 0 for one in requests}
    known = {one.id: one for one in await organisations.by_keys(work.session, list(keys))}
    found = select(Person).where(Person.id.in_({one.asked_by_id for one in requests}))
    people = {one.id: one for one in await work.session.scalars(found)}
    lines = []
    for one in requests:
        about = known.get(one.organisation_id or 0)
        line = Line(one, known[one.below_id], about, people[one.asked_by_id], decides=False)
        lines.append(line)
    return lines


async def _line(work: Work, request: OrganisationRequest) -> Line:
    (line,) = await _lines(
        work, select(OrganisationRequest).where(OrganisationRequest.id == request.id)
    )
    to_decide = (await _to_decide(work)).where(OrganisationRequest.id == request.id)
    decides = await work.session.scalar(to_decide) is not None
    return Line(line.request, line.below, line.organisation, line.by, decides)


def described(line: Line) -> dict[str, Any]:
    """As the templates take it."""
    request = line.request
    kind = line.organisation.kind.value if line.organisation else request.said["kind"]
    return {
        "request_id": request.id,
        "organisation_id": request.organisation_id,
        "change": request.change.value,
        "state": request.state.value,
        "name": line.name,
        "kind": kind,
        "said": request.said,
        "below": line.below.names,
        "words": request.words,
        "reason": request.reason,
        "by": line.by.name,
        "asked_at": request.asked_at,
        "half": (request.old_agreed_by_id is None) != (request.new_agreed_by_id is None),
        "decides": line.decides,
    }


def _subject(request: OrganisationRequest) -> str:
    return f"organisation_request:{request.id}"


async def _tell(
    work: Work, template: str, line: Line, people: Iterable[int], *, subject: str | None = ""
) -> None:
    about = _subject(line.request) if subject == "" else subject
    await delivery.tell(work, Post(template, described(line), kind=KIND, subject=about), people)


def _note(work: Work, line: Line, what: str) -> None:
    about = line.request.organisation_id or line.request.below_id
    audit.note(
        work,
        f"reorganisation.{what}",
        f"organisation:{about}",
        organisation_id=line.request.below_id,
        change=line.request.change.value,
    )


# Moving


async def places_for(work: Work, organisation: Organisation) -> list[Organisation]:
    """Open ones of the city below which it may be moved."""
    kinds = [
        kind for kind in OrganisationKind if organisation.kind in organisations.kinds_below(kind)
    ]
    found = select(Organisation).where(
        Organisation.kind.in_(kinds),
        ~organisations.within(organisation.path),
        organisations.IS_OPEN,
        Organisation.id != (organisation.parent_id or 0),
    )
    return list(await work.session.scalars(found.order_by(Organisation.path)))


async def takers_for(work: Work, organisation: Organisation) -> list[Organisation]:
    """Open ones of the level above to which its people may go."""
    above = await work.session.get_one(Organisation, organisation.parent_id or organisation.id)
    found = select(Organisation).where(
        organisations.within(above.path),
        ~organisations.within(organisation.path),
        organisations.IS_OPEN,
    )
    return list(await work.session.scalars(found.order_by(Organisation.path)))


def _check_move(organisation: Organisation, below: Organisation) -> None:
    """Raises Refusal for where it can't stand."""
    if organisation.parent_id is None or below.path.startswith(organisation.path):
        raise Refusal("reorganisation_nowhere")
    if below.id == organisation.parent_id:
        raise Refusal("reorganisation_same")
    if organisation.closed_at is not None:
        raise Refusal("organisation_closed", organisation=organisation.names)
    organisations.check_kind(below, organisation.kind)


async def _move(work: Work, organisation: Organisation, below: Organisation) -> Organisation:
    """Paths change below it; hours, statistics and people hang on its key and go with it."""
    await _lock_tree(work)
    await work.session.refresh(organisation)
    await work.session.refresh(below)
    _check_move(organisation, below)
    await organisations.require_open(work, below.id)
    old_parent, old = organisation.parent_id, organisation.path
    new = f"{below.path}{organisation.id}."
    organisation.parent_id = below.id
    await work.session.flush()
    rest = func.substr(Organisation.path, len(old) + 1)
    await work.session.execute(
        update(Organisation)
        .where(organisations.within(old))
        .values(path=literal(new, String) + rest)
        .execution_options(synchronize_session=False)
    )
    moved = select(Organisation).where(organisations.within(new))
    await work.session.scalars(moved.execution_options(populate_existing=True))
    for parent in (old_parent, below.id):
        audit.note(
            work,
            "organisation.moved",
            f"organisation:{organisation.id}",
            organisation_id=parent,
            source=old_parent,
            target=below.id,
        )
    await _tell_of_move(work, organisation, below, old_parent)
    return organisation


async def _lock_tree(work: Work) -> None:
    """Two changes of the tree happen one after the other, so that no circle can come of them."""
    await work.session.execute(
        select(Organisation.id)
        .where(Organisation.parent_id.is_(None))
        .with_for_update(key_share=True)
    )


async def _tell_of_move(
    work: Work, organisation: Organisation, below: Organisation, old_parent: int | None
) -> None:
    """Those who work for it and for what is below it, and who manages both levels above."""
    staff = await work.session.scalars(
        select(Role.person_id)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(organisations.within(organisation.path))
        .distinct()
    )
    people = set(staff) | set(await access.holders(work, RIGHT, below.id))
    if old_parent is not None:
        people |= set(await access.holders(work, RIGHT, old_parent))
    about = {"name": organisation.names, "below": below.names, "by": work.person.name}
    post = Post("reorganising/moved", about, kind=KIND)
    await delivery.tell(work, post, people - {work.person.id})


# Closing


async def _check_close(work: Work, organisation: Organisation, to: Organisation) -> None:
    """Raises Refusal while it is not free, or where its people can't go."""
    if organisation.closed_at is not None:
        raise Refusal("organisation_closed", organisation=organisation.names)
    if organisation.parent_id is None:
        raise Refusal("reorganisation_nowhere")
    above = await work.session.get_one(Organisation, organisation.parent_id)
    if not to.path.startswith(above.path) or to.path.startswith(organisation.path):
        raise Refusal("reorganisation_to_whom")
    busy = await still_open(work, organisation)
    if busy:
        raise Refusal("reorganisation_busy", what=busy)


async def still_open(work: Work, organisation: Organisation) -> list[str]:
    """What keeps it from being closed, by name."""
    key = organisation.id
    running = (Activity.organisation_id == key, Activity.state == ActivityState.PUBLISHED)
    callouts = (CalloutState.ACTIVE, CalloutState.AWAITING_SECOND)
    found: Sequence[tuple[str, Any]] = (
        ("below", select(Organisation.id).where(
            Organisation.parent_id == key, organisations.IS_OPEN)),
        ("activities", select(Shift.id).join(Activity).where(
            *running, Shift.ends_at > work.now)),
        ("callouts", select(Callout.id).where(
            Callout.organisation_id == key, Callout.state.in_(callouts))),
        ("messages", select(Broadcast.id).where(
            Broadcast.organisation_id == key, Broadcast.state.in_(SENDING))),
        ("duty", select(Duty.id).where(
            Duty.organisation_id == key, Duty.ends_at > work.now)),
        ("imports", select(Import.id).where(
            Import.organisation_id == key, Import.state.in_(IMPORTING))),
        ("requests", select(OrganisationRequest.id).where(
            OrganisationRequest.below_id == key,
            OrganisationRequest.state == RequestState.OPEN)),
        ("projects", select(Project.id).where(
            Project.organisation_id == key,
            Project.state.in_((ProjectState.SUBMITTED, *projects.UNDER_WAY)))),
        ("courses", select(Course.id).where(
            Course.organisation_id == key, Course.state == CourseState.OPEN)),
    )  # fmt: skip
    row = (await work.session.execute(select(*(query.exists() for _, query in found)))).one()
    return [name for (name, _), there in zip(found, row, strict=True) if there]


async def _close(work: Work, organisation: Organisation, to: Organisation) -> Organisation:
    """Its roles end, its people will belong to `to`; what it did stays where it is.

    The granted request keeps where they go: `move_people` takes them there.
    """
    await _lock_tree(work)
    await work.session.refresh(organisation, with_for_update=True)
    await work.session.refresh(to)
    await _check_close(work, organisation, to)
    await organisations.require_open(work, to.id)
    organisation.closed_at = work.now
    await work.session.flush()
    await _end_roles(work, organisation)
    await teams.dissolve(work, organisation)
    await tokens.revoke_all(work, organisation.id)
    await webhooks.disable_all(work, organisation.id)
    await work.session.execute(
        update(Group)
        .where(Group.organisation_id == organisation.id)
        .values(organisation_id=to.id)
        .execution_options(synchronize_session=False)
    )
    count = select(func.count()).where(_belongs_to(organisation.id))
    people = await work.session.scalar(count) or 0
    for concerned in (organisation, to):
        audit.note(
            work,
            "organisation.closed",
            f"organisation:{organisation.id}",
            organisation_id=concerned.id,
            target=to.id,
            count=people,
        )
    return organisation


def _belongs_to(organisation_id: int) -> ColumnElement[bool]:
    return and_(Person.organisation_id == organisation_id, Person.standing != Standing.ERASED)


async def left_behind(work: Work) -> tuple[int, int] | None:
    """A closed organisation that still has people, and the one to which they go."""
    row = await work.session.execute(
        select(Organisation.id, OrganisationRequest.below_id)
        .join(Organisation, Organisation.id == OrganisationRequest.organisation_id)
        .where(
            OrganisationRequest.change == TreeChange.CLOSE,
            OrganisationRequest.state == RequestState.GRANTED,
            Organisation.closed_at.is_not(None),
            exists().where(
                Person.organisation_id == Organisation.id, Person.standing != Standing.ERASED
            ),
        )
        .order_by(OrganisationRequest.id)
        .limit(1)
    )
    found = row.first()
    return (found[0], found[1]) if found is not None else None


async def move_people(work: Work, where: tuple[int, int] | None) -> int:
    """Sweep: some of a closed organisation's people go on to another and are told so.

    In portions, as others wait for each transaction on SQLite. Answers how many.
    """
    if where is None:
        return 0
    organisation = await work.session.get_one(Organisation, where[0])
    to = await work.session.get_one(Organisation, where[1])
    some = select(Person.id).where(_belongs_to(organisation.id)).order_by(Person.id).limit(PORTION)
    moved = await work.session.execute(
        update(Person)
        .where(Person.id.in_(list(await work.session.scalars(some))), _belongs_to(organisation.id))
        .values(organisation_id=to.id, changed_at=work.now)
        .returning(Person.id, Person.standing)
        .execution_options(synchronize_session=False)
    )
    people = dict(moved.all())
    await traits.renew(work, people)
    about = {"organisation": organisation.names, "to": to.names}
    post = await quiet_hours.kept(work, Post("reorganising/people_moved", about, kind=KIND))
    active = [key for key, standing in people.items() if standing is Standing.ACTIVE]
    await delivery.tell(work, post, active)
    return len(people)


async def _end_roles(work: Work, organisation: Organisation) -> None:
    held = delete(Role).where(Role.organisation_id == organisation.id).returning(Role.person_id)
    people = set(await work.session.scalars(held))
    await roles.menus_changed(work, people)
    await leaving.let_go(work, people)
    post = Post("reorganising/role_ended", {"organisation": organisation.names}, kind=KIND)
    await delivery.tell(work, post, people - {work.person.id})


# For statistics, and what somebody's data are


def _founded() -> Any:
    noted = select(AuditEntry.organisation_id, AuditEntry.at, literal(1))
    return noted.where(AuditEntry.action.in_(FOUNDED))


def _closed() -> Any:
    return select(Organisation.id, Organisation.closed_at, literal(1))


MEASURES = (
    Measure("organisations_founded", "organising", _founded),
    Measure("organisations_closed", "organising", _closed),
)


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    asked = OrganisationRequest.asked_by_id == person_id
    return {"organisation_requests": select(OrganisationRequest).where(asked)}


async def forget_person(work: Work, person_id: int) -> None:
    """What they asked for is not asked any more; what was done stays without their words."""
    asked = OrganisationRequest.asked_by_id == person_id
    await work.session.execute(
        update(OrganisationRequest)
        .where(asked, OrganisationRequest.state == RequestState.OPEN)
        .values(state=RequestState.WITHDRAWN, decided_at=work.now)
        .execution_options(synchronize_session=False)
    )
    await work.session.execute(
        update(OrganisationRequest)
        .where(asked)
        .values(words="")
        .execution_options(synchronize_session=False)
    )
    theirs = select(OrganisationRequest).where(asked).execution_options(populate_existing=True)
    for request in (await work.session.scalars(theirs)).all():
        _forget_contact(request)
    await work.session.flush()
