"""Awards: kinds that organisations give, lists proposed by a rule, and nominations.

A list is approved by the level above whoever handed it up; a nomination by the organisation whose
award it is, never by the nominated, the nominator or whoever proposed it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from models import (
    AwardKind,
    AwardRound,
    AwardRule,
    Callout,
    LedgerEntry,
    Nomination,
    Organisation,
    Person,
    Recognition,
    RecognitionState,
    Response,
    RoundState,
    Standing,
    StarBar,
    Trait,
)
from services import access, audit, delivery, lengths, listing, organisations, recognition
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.listing import Slice
from services.recognition import Case
from services.work import Work

NAME = (2, 60)
WORDS = (5, 500)
"""Characters of why somebody is nominated."""
LISTED = 20
AT_ONCE = 25
"""People to whom an award is given in one transaction."""
LEAST = {
    AwardRule.NOMINATION: (0, 0),
    AwardRule.HOURS: (1, 10_000),
    AwardRule.YEARS: (1, 80),
    AwardRule.EMERGENCY: (1, 1_000),
}
"""What a rule may ask for at least and at most."""
UNDER_WAY = (RoundState.OPEN, RoundState.SUBMITTED)


@dataclass(frozen=True, slots=True)
class Kind:
    kind: AwardKind
    body: Organisation


@dataclass(frozen=True, slots=True)
class Round:
    """A list of proposals; what the actor may do with it now."""

    round: AwardRound
    kind: AwardKind
    body: Organisation
    count: int
    may_edit: bool
    may_decide: bool

    @property
    def id(self) -> int:
        return self.round.id


@dataclass(frozen=True, slots=True)
class Nominated:
    """Somebody nominated with why; what the actor may do about it now."""

    case: Case
    words: list[str]
    may_propose: bool
    may_decide: bool

    @property
    def id(self) -> int:
        return self.case.id


# Kinds


async def kinds(work: Work) -> list[Kind]:
    """Awards of the organisations in the actor's reach that are not closed."""
    reach = await access.within_reach(work, Right.RECOGNISE, AwardKind.organisation_id)
    return await _kinds(work, reach)


async def _kinds(work: Work, *conditions: ColumnElement[bool]) -> list[Kind]:
    rows = await work.session.execute(
        select(AwardKind, Organisation)
        .join(Organisation, Organisation.id == AwardKind.organisation_id)
        .where(AwardKind.closed_at.is_(None), *conditions)
        .order_by(Organisation.path, AwardKind.id)
    )
    return [Kind(*row) for row in rows]


async def add_kind(
    work: Work,
    organisation_id: int,
    name: str,
    rule: AwardRule,
    least: int = 0,
    *,
    yearly: bool = True,
) -> AwardKind:
    """Raises NotAllowed, Refusal."""
    await access.require(work, Right.RECOGNISE, organisation_id)
    name = " ".join(name.split())
    lengths.check("award", name, NAME)
    fewest, most = LEAST[rule]
    if not fewest <= least <= most:
        raise Refusal("award_least", least=fewest, most=most)
    kind = AwardKind(
        organisation_id=organisation_id,
        name=name,
        rule=rule,
        least=least,
        yearly=yearly,
        created_by_id=work.person.id,
        created_at=work.now,
    )
    work.session.add(kind)
    await work.session.flush()
    _note_kind(work, "added", kind)
    return kind


async def close_kind(work: Work, kind_id: int) -> None:
    """It is given no more; what was given stays. Raises Gone, NotAllowed."""
    kind = await _own_kind(work, kind_id)
    kind.closed_at = work.now
    await work.session.flush()
    _note_kind(work, "closed", kind)


async def _own_kind(work: Work, kind_id: int) -> AwardKind:
    """Raises Gone, NotAllowed."""
    kind = await work.session.get(AwardKind, kind_id)
    if kind is None or kind.closed_at is not None:
        raise Gone
    await access.require(work, Right.RECOGNISE, kind.organisation_id)
    return kind


def _note_kind(work: Work, what: str, kind: AwardKind) -> None:
    audit.note(work, f"award.{what}", f"award_kind:{kind.id}", organisation_id=kind.organisation_id)


# Lists by a rule


async def open_round(work: Work, kind_id: int, year: int | None = None) -> Round:
    """Proposes everybody who fulfils the rule in a year and has not got it yet.

    `year` is the present one unless given. Raises Gone, NotAllowed, Refusal.
    """
    kind = await _own_kind(work, kind_id)
    year = year or work.today.year
    if kind.rule is AwardRule.NOMINATION or not 2000 <= year <= work.today.year:
        raise Gone
    body = await work.session.get_one(Organisation, kind.organisation_id)
    most = work.policy.award_most
    due = list(await work.session.scalars(_fulfilling(work, kind, body, year).limit(most + 1)))
    if not due:
        raise Refusal("award_nobody")
    if len(due) > most:
        raise Refusal("award_too_many", most=most)
    opened = AwardRound(
        kind_id=kind.id,
        year=year,
        state=RoundState.OPEN,
        opened_by_id=work.person.id,
        opened_at=work.now,
    )
    try:
        async with work.session.begin_nested():
            work.session.add(opened)
    except IntegrityError:
        raise Refusal("award_round_open") from None
    await _propose(work, opened, kind, due)
    _note_round(work, "opened", opened, kind, count=len(due))
    return await round_of(work, opened.id)


async def _propose(work: Work, opened: AwardRound, kind: AwardKind, people: Sequence[int]) -> None:
    year = opened.year if kind.yearly else 0
    rows = [
        {
            "person_id": key,
            "organisation_id": kind.organisation_id,
            "kind_id": kind.id,
            "year": year,
            "round_id": opened.id,
            "state": RecognitionState.PROPOSED,
            "begun_at": work.now,
            "proposed_by_id": work.person.id,
        }
        for key in people
    ]
    await work.session.execute(insert(Recognition), rows)


def _fulfilling(work: Work, kind: AwardKind, body: Organisation, year: int) -> Select[int]:
    """Keys of the organisation's volunteers who fulfil the rule, and have it neither nor wait."""
    below = select(Organisation.id).where(organisations.within(body.path))
    had = exists().where(
        Recognition.person_id == Trait.person_id,
        Recognition.kind_id == kind.id,
        Recognition.year == (year if kind.yearly else 0),
        Recognition.state.in_(
            (RecognitionState.NOMINATED, RecognitionState.PROPOSED, RecognitionState.AWARDED)
        ),
    )
    barred = exists().where(
        StarBar.person_id == Trait.person_id,
        StarBar.lifted_at.is_(None),
        StarBar.until_day > work.today,
    )
    return select(Trait.person_id).where(
        Trait.organisation_id.in_(below), ~had, ~barred, *_rule(work, kind, year)
    )


def _rule(work: Work, kind: AwardKind, year: int) -> list[ColumnElement[bool]]:
    start, end = (datetime(at, 1, 1, tzinfo=work.policy.zone) for at in (year, year + 1))
    served = LedgerEntry.person_id == Trait.person_id
    within = (LedgerEntry.served_at >= start, LedgerEntry.served_at < end)
    if kind.rule is AwardRule.HOURS:
        # Whoever has them in a year has them in all: few are left to be looked up.
        enough = [Trait.minutes >= kind.least * 60]
        if kind.yearly:
            sums = select(func.sum(LedgerEntry.minutes)).where(served, *within)
            enough.append(sums.scalar_subquery() >= kind.least * 60)
        return enough
    if kind.rule is AwardRule.YEARS:
        since = datetime(year + 1 - kind.least, 1, 1, tzinfo=work.policy.zone).astimezone(UTC)
        return [
            Trait.minutes > 0,
            exists().where(Person.id == Trait.person_id, Person.registered_at < since),
            exists().where(served, *within),
        ]
    calls = (
        select(func.count())
        .select_from(Response)
        .join(Callout, Callout.id == Response.callout_id)
        .where(
            Response.person_id == Trait.person_id,
            Response.arrived_at.is_not(None),
            Callout.drill.is_(False),
        )
    )
    if kind.yearly:
        calls = calls.where(Response.arrived_at >= start, Response.arrived_at < end)
    return [Trait.callable.is_(True), calls.scalar_subquery() >= kind.least]


async def rounds(work: Work) -> list[Round]:
    """Lists under way that the actor made or will decide, those handed up first."""
    reach = await access.within_reach(work, Right.RECOGNISE, AwardKind.organisation_id)
    found = (await _rounds(work)).where(AwardRound.state.in_(UNDER_WAY), reach)
    ordered = found.order_by(AwardRound.state.desc(), AwardRound.id).limit(LISTED)
    return [_round(work, row) for row in await work.session.execute(ordered)]


async def waiting(work: Work) -> int:
    """How many lists and nominations wait for the actor's decision."""
    lists = select(func.count()).select_from(
        (await _rounds(work))
        .where(
            AwardRound.state == RoundState.SUBMITTED,
            AwardRound.opened_by_id != work.person.id,
            AwardRound.submitted_by_id != work.person.id,
            await _above(work),
        )
        .with_only_columns(AwardRound.id)
        .subquery()
    )
    mine = exists().where(
        Nomination.recognition_id == Recognition.id, Nomination.nominator_id == work.person.id
    )
    proposed = Recognition.state == RecognitionState.PROPOSED
    named = select(func.count()).select_from(
        (await _nominations(work))
        .where(~proposed | (~mine & (Recognition.proposed_by_id != work.person.id)))
        .with_only_columns(Recognition.id)
        .subquery()
    )
    return (await work.session.scalar(lists) or 0) + (await work.session.scalar(named) or 0)


async def round_of(work: Work, round_id: int) -> Round:
    """Raises Gone, NotAllowed."""
    found = (await _rounds(work)).where(AwardRound.id == round_id)
    row = (await work.session.execute(found)).one_or_none()
    if row is None:
        raise Gone
    await access.require(work, Right.RECOGNISE, row[2].id)
    return _round(work, row)


async def _rounds(work: Work) -> Any:
    """Each with its award, its organisation, how many it names, and whether the actor is above."""
    count = (
        select(func.count())
        .select_from(Recognition)
        .where(Recognition.round_id == AwardRound.id)
        .scalar_subquery()
    )
    return (
        select(AwardRound, AwardKind, Organisation, count, await _above(work))
        .join(AwardKind, AwardKind.id == AwardRound.kind_id)
        .join(Organisation, Organisation.id == AwardKind.organisation_id)
    )


async def _above(work: Work) -> ColumnElement[bool]:
    """Whether the actor stands above the organisation of the query; for the top, in it."""
    above = await access.within_reach(work, Right.RECOGNISE, Organisation.parent_id)
    top = await access.within_reach(work, Right.RECOGNISE, Organisation.id)
    return or_(above, Organisation.parent_id.is_(None) & top)


def _round(work: Work, row: Any) -> Round:
    one, kind, body, count, is_above = row
    decides = one.state is RoundState.SUBMITTED and bool(is_above)
    others = work.person.id not in (one.submitted_by_id, one.opened_by_id)
    may_edit = one.state is RoundState.OPEN
    return Round(one, kind, body, count, may_edit=may_edit, may_decide=decides and others)


async def people(work: Work, round_id: int, number: int = 1, per_page: int = 50) -> Slice[Any]:
    """Who is on a list: (recognition's key, person, minutes), most hours first.

    Raises Gone, NotAllowed.
    """
    await round_of(work, round_id)
    found: Any = (
        select(Recognition.id, Person, func.coalesce(Trait.minutes, 0))
        .join(Person, Person.id == Recognition.person_id)
        .outerjoin(Trait, Trait.person_id == Person.id)
        .where(Recognition.round_id == round_id)
        .order_by(func.coalesce(Trait.minutes, 0).desc(), Recognition.id)
    )
    return await listing.of(work, found, number, per_page=per_page)


async def take_off(work: Work, recognition_id: int) -> Round:
    """Takes somebody off a list that is still open. Raises Gone, NotAllowed."""
    one = await recognition.case(work, recognition_id)
    if one.recognition.round_id is None:
        raise Gone
    found = await _round_in(work, one.recognition.round_id, RoundState.OPEN)
    await work.session.execute(delete(Recognition).where(Recognition.id == one.id))
    _note_round(work, "taken_off", found.round, found.kind, person=one.person.id)
    return await round_of(work, found.id)


async def drop_round(work: Work, round_id: int) -> None:
    """Throws an open list away. Raises Gone, NotAllowed."""
    found = await _round_in(work, round_id, RoundState.OPEN)
    await work.session.execute(delete(Recognition).where(Recognition.round_id == round_id))
    await work.session.execute(delete(AwardRound).where(AwardRound.id == round_id))
    _note_round(work, "dropped", found.round, found.kind)


async def _round_in(work: Work, round_id: int, state: RoundState) -> Round:
    """Locked, so that nobody else decides on it meanwhile. Raises Gone where it is not so."""
    await work.session.execute(
        select(AwardRound)
        .where(AwardRound.id == round_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = await round_of(work, round_id)
    if found.round.state is not state:
        raise Gone
    return found


async def submit(work: Work, round_id: int) -> Round:
    """Hands a list up. Raises Gone, NotAllowed, Refusal("award_nobody")."""
    found = await _round_in(work, round_id, RoundState.OPEN)
    if not found.count:
        raise Refusal("award_nobody")
    one = found.round
    one.state, one.submitted_by_id, one.submitted_at = (
        RoundState.SUBMITTED,
        work.person.id,
        work.now,
    )
    one.remark = None
    await work.session.flush()
    _note_round(work, "submitted", one, found.kind)
    above = await access.holders_above(work, Right.RECOGNISE, found.body.id)
    mine = {work.person.id, one.opened_by_id}
    await _tell_of_round(work, "round_submitted", found, [key for key in above if key not in mine])
    return await round_of(work, round_id)


async def approve(work: Work, round_id: int) -> int:
    """The level above gives the award to all on the list. Raises Gone, NotAllowed, Refusal."""
    found = await _to_decide(work, round_id)
    on_it = recognition.cases(Recognition.round_id == round_id)
    if await recognition.found(work, on_it.where(Recognition.person_id == work.person.id)):
        raise Refusal("recognition_own")
    await _close(work, found, RoundState.APPROVED)
    _note_round(work, "approved", found.round, found.kind, count=found.count)
    await _tell_of_round(work, "round_approved", found, _makers(found))
    return found.count


async def due(work: Work) -> int | None:
    """An approved list on which somebody has not been given the award yet."""
    left = exists().where(
        Recognition.round_id == AwardRound.id, Recognition.state == RecognitionState.PROPOSED
    )
    approved = select(AwardRound.id).where(AwardRound.state == RoundState.APPROVED, left)
    return await work.session.scalar(approved.order_by(AwardRound.id).limit(1))


async def give(work: Work, round_id: int | None) -> int:
    """Sweep: a portion of an approved list, for whoever approved it; the groups hear at its end.

    A certificate and a message each take their time, and nobody else shall wait for all of them.
    """
    if round_id is None:
        return 0
    one = await work.session.get_one(AwardRound, round_id, with_for_update=True)
    work = work.acting_as(await work.session.get_one(Person, one.decided_by_id))
    on_it = recognition.cases(Recognition.round_id == round_id)
    left = on_it.where(Recognition.state == RecognitionState.PROPOSED).order_by(Recognition.id)
    portion = await recognition.found(work, left.limit(AT_ONCE))
    active = [case for case in portion if case.person.standing is Standing.ACTIVE]
    others = [case.id for case in portion if case.person.standing is not Standing.ACTIVE]
    refused = RecognitionState.REFUSED
    await recognition.decide(work, others, RecognitionState.PROPOSED, state=refused)
    await recognition.give(work, active, RecognitionState.PROPOSED)
    if not await recognition.found(work, left.limit(1)):
        held = on_it.where(Recognition.state == RecognitionState.AWARDED)
        await recognition.tell_groups(work, await recognition.found(work, held))
    return len(portion)


async def send_back(work: Work, round_id: int, remark: str) -> None:
    """It goes back to its makers with a word why. Raises Gone, NotAllowed, Refusal."""
    lengths.check("reason", remark, recognition.REMARK)
    found = await _to_decide(work, round_id)
    found.round.remark = remark
    await _close(work, found, RoundState.OPEN)
    _note_round(work, "sent_back", found.round, found.kind)
    await _tell_of_round(work, "round_sent_back", found, _makers(found), remark=remark)


async def _to_decide(work: Work, round_id: int) -> Round:
    found = await _round_in(work, round_id, RoundState.SUBMITTED)
    if not found.may_decide:
        raise NotAllowed
    return found


async def _close(work: Work, found: Round, state: RoundState) -> None:
    one = found.round
    one.state, one.decided_by_id, one.decided_at = state, work.person.id, work.now
    await work.session.flush()


def _makers(found: Round) -> set[int]:
    return {found.round.opened_by_id, found.round.submitted_by_id or found.round.opened_by_id}


async def _tell_of_round(
    work: Work, template: str, found: Round, people: Sequence[int] | set[int], **more: Any
) -> None:
    post = delivery.Post(
        f"recognition/{template}",
        {
            "round_id": found.id,
            "name": found.kind.name,
            "body": found.body.names,
            "count": found.count,
            **more,
        },
        kind=recognition.KIND,
        subject=f"award_round:{found.id}",
    )
    await delivery.tell(work, post, people)


def _note_round(work: Work, what: str, one: AwardRound, kind: AwardKind, **details: Any) -> None:
    audit.note(
        work,
        f"award_round.{what}",
        f"award_round:{one.id}",
        organisation_id=kind.organisation_id,
        **details,
    )


# Nominations


async def nominee(work: Work, typed: str) -> Person:
    """The volunteer with a number, or the only one of that name in the actor's own town.

    Raises Refusal("nominee_none"), Refusal("nominee_many"), Refusal("recognition_own").
    """
    wanted = "".join(typed.split())
    home = await work.session.get_one(Organisation, work.person.organisation_id)
    town = await organisations.town_of(work.session, home)
    near = select(Organisation.id).where(organisations.within(town.path))
    found = (
        await work.session.scalars(
            select(Person)
            .where(
                Person.standing == Standing.ACTIVE,
                or_(
                    Person.number == wanted.upper(),
                    (Person.name == typed.strip()) & Person.organisation_id.in_(near),
                ),
            )
            .limit(2)
        )
    ).all()
    if not found:
        raise Refusal("nominee_none")
    if len(found) > 1:
        raise Refusal("nominee_many")
    if found[0].id == work.person.id:
        raise Refusal("recognition_own")
    return found[0]


async def nominable(work: Work, person: Person | None = None) -> list[Kind]:
    """Awards for which somebody can be nominated: of their organisation and of those above it."""
    home = await work.session.get_one(Organisation, (person or work.person).organisation_id)
    way = [int(key) for key in home.path.split(".") if key]
    return await _kinds(
        work, AwardKind.rule == AwardRule.NOMINATION, AwardKind.organisation_id.in_(way)
    )


async def nominate(work: Work, kind_id: int, person_id: int, words: str) -> Recognition:
    """The actor says why somebody should have an award. Raises Gone, Refusal.

    What others have said of the same person stands beside it; the nominated is told nothing.
    """
    lengths.check("reason", words, WORDS)
    person = await work.session.get(Person, person_id)
    if person is None or person.standing is not Standing.ACTIVE:
        raise Gone
    if person.id == work.person.id:
        raise Refusal("recognition_own")
    kind = next((one.kind for one in await nominable(work, person) if one.kind.id == kind_id), None)
    if kind is None:
        raise Gone
    one = await _nominated(work, kind, person)
    try:
        async with work.session.begin_nested():
            work.session.add(
                Nomination(
                    recognition_id=one.id, nominator_id=work.person.id, words=words, at=work.now
                )
            )
    except IntegrityError:
        raise Refusal("nominated_twice") from None
    audit.note(
        work, "award.nominated", f"recognition:{one.id}", organisation_id=person.organisation_id
    )
    return one


async def _nominated(work: Work, kind: AwardKind, person: Person) -> Recognition:
    """The case of this year, begun by whoever is first. Raises Refusal("award_has")."""
    year = work.today.year if kind.yearly else 0
    case = Recognition(
        person_id=person.id,
        organisation_id=kind.organisation_id,
        kind_id=kind.id,
        year=year,
        state=RecognitionState.NOMINATED,
        begun_at=work.now,
    )
    try:
        async with work.session.begin_nested():
            work.session.add(case)
    except IntegrityError:
        return await _known(work, kind, person, year)
    holders = await access.holders(work, Right.RECOGNISE, person.organisation_id)
    post = delivery.Post(
        "recognition/nominated",
        {"recognition_id": case.id, "award": kind.name, "name": person.name},
        kind=recognition.KIND,
        subject=f"recognition:{case.id}",
    )
    await delivery.tell(work, post, [key for key in holders if key != person.id])
    return case


async def _known(work: Work, kind: AwardKind, person: Person, year: int) -> Recognition:
    found = await work.session.scalar(
        select(Recognition).where(
            Recognition.person_id == person.id,
            Recognition.kind_id == kind.id,
            Recognition.year == year,
            Recognition.state.in_(
                (RecognitionState.NOMINATED, RecognitionState.PROPOSED, RecognitionState.AWARDED)
            ),
        )
    )
    if found is None:
        raise Gone
    if found.state is RecognitionState.AWARDED:
        raise Refusal("award_has")
    return found


async def nominations(work: Work) -> list[Nominated]:
    """Nominations that the actor may propose or decide on, never their own."""
    ordered = (await _nominations(work)).order_by(Recognition.state.desc(), Recognition.id)
    found = await recognition.found(work, ordered.limit(LISTED))
    said = await _said(work, [one.id for one in found])
    return [_nominated_shown(work, one, said[one.id], in_body=True) for one in found]


async def _nominations(work: Work) -> Any:
    """Those to be proposed are the nominated's organisation's, those proposed the award's."""
    proposing = await access.within_reach(work, Right.RECOGNISE, Person.organisation_id)
    deciding = await access.within_reach(work, Right.RECOGNISE, Recognition.organisation_id)
    return recognition.cases(
        Recognition.kind_id.is_not(None),
        Recognition.round_id.is_(None),
        Recognition.person_id != work.person.id,
        or_(
            (Recognition.state == RecognitionState.NOMINATED) & proposing,
            (Recognition.state == RecognitionState.PROPOSED) & deciding,
        ),
    )


async def nomination(work: Work, recognition_id: int) -> Nominated:
    """One, for whoever proposes or decides. Raises Gone, NotAllowed."""
    one = await recognition.case(work, recognition_id)
    state = one.recognition.state
    if one.recognition.kind_id is None or one.recognition.round_id is not None:
        raise Gone
    if state not in (RecognitionState.NOMINATED, RecognitionState.PROPOSED):
        raise Gone
    if one.person.id == work.person.id:
        raise Gone
    at_home = await access.may(work, Right.RECOGNISE, one.person.organisation_id)
    in_body = await access.may(work, Right.RECOGNISE, one.body.id)
    if not at_home and not in_body:
        raise NotAllowed
    said = await _said(work, [one.id])
    return _nominated_shown(work, one, said[one.id], at_home=at_home, in_body=in_body)


async def _said(work: Work, keys: Sequence[int]) -> dict[int, list[Nomination]]:
    """What nominators wrote, by the case."""
    said: dict[int, list[Nomination]] = {key: [] for key in keys}
    rows = await work.session.scalars(
        select(Nomination).where(Nomination.recognition_id.in_(keys)).order_by(Nomination.id)
    )
    for row in rows:
        said[row.recognition_id].append(row)
    return said


def _nominated_shown(
    work: Work, one: Case, said: Sequence[Nomination], *, in_body: bool, at_home: bool = True
) -> Nominated:
    state = one.recognition.state
    mine = {row.nominator_id for row in said} | {one.recognition.proposed_by_id}
    decides = state is RecognitionState.PROPOSED and in_body
    return Nominated(
        one,
        [row.words for row in said],
        may_propose=state is RecognitionState.NOMINATED and at_home,
        may_decide=decides and work.person.id not in mine,
    )


async def propose(work: Work, recognition_id: int) -> Nominated:
    """A coordinator stands behind a nomination. Raises Gone, NotAllowed."""
    found = await nomination(work, recognition_id)
    if not found.may_propose:
        raise NotAllowed
    done = await work.session.execute(
        update(Recognition)
        .where(Recognition.id == found.id, Recognition.state == RecognitionState.NOMINATED)
        .values(state=RecognitionState.PROPOSED, proposed_by_id=work.person.id)
        .returning(Recognition.id)
        .execution_options(synchronize_session=False)
    )
    if done.scalar() is None:
        raise Gone
    await work.session.refresh(found.case.recognition)
    recognition.note(work, "proposed", found.case)
    post = delivery.Post(
        "recognition/proposed",
        {
            "recognition_id": found.id,
            "award": found.case.about["name"],
            "name": found.case.person.name,
        },
        kind=recognition.KIND,
        subject=f"recognition:{found.id}",
    )
    nominators = set(
        await work.session.scalars(
            select(Nomination.nominator_id).where(Nomination.recognition_id == found.id)
        )
    )
    not_to = nominators | {found.case.person.id, work.person.id}
    body = found.case.body.id
    holders = set(await access.holders(work, Right.RECOGNISE, body)) - not_to
    holders = holders or set(await access.holders_above(work, Right.RECOGNISE, body)) - not_to
    await delivery.tell(work, post, holders)
    return await nomination(work, recognition_id)


async def award(work: Work, recognition_id: int) -> Case:
    """The organisation whose award it is gives it. Raises Gone, NotAllowed."""
    found = await nomination(work, recognition_id)
    if not found.may_decide:
        raise NotAllowed
    await recognition.award(work, found.case, RecognitionState.PROPOSED)
    await _thank_nominators(work, found.case)
    return found.case


async def decline(work: Work, recognition_id: int, remark: str) -> None:
    """It goes no further; the nominators are told why. Raises Gone, NotAllowed, Refusal."""
    found = await nomination(work, recognition_id)
    if not found.may_decide and not found.may_propose:
        raise NotAllowed
    await recognition.refuse(work, found.case, remark)
    await _tell_nominators(work, "nomination_declined", found.case, remark=remark)


async def _thank_nominators(work: Work, one: Case) -> None:
    await _tell_nominators(work, "nomination_awarded", one)


async def _tell_nominators(work: Work, template: str, one: Case, **more: Any) -> None:
    post = delivery.Post(
        f"recognition/{template}",
        {"award": one.about["name"], "name": one.person.name, **more},
        kind=recognition.KIND,
        subject=f"recognition:{one.id}",
    )
    nominators = await work.session.scalars(
        select(Nomination.nominator_id).where(Nomination.recognition_id == one.id)
    )
    await delivery.tell(work, post, nominators.all())
