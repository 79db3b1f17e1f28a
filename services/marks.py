"""Marks: what kind of volunteer somebody is, beside what they can do.

Coordinators say who is a core volunteer or a social worker, since others rely on it; whether they
study, or serve from home, people say themselves.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sqlalchemy import delete, func, insert, or_, select

from models import Directory, LedgerEntry, MarkKind, Person, PersonMark, Standing, Tandem
from services import access, audit, delivery, lengths, people, traits, volunteers
from services.access import Right
from services.errors import NotAllowed, Refusal
from services.measuring import Measure, Unit
from services.traits import MARKS
from services.work import Work

KIND = "marks"
GIVEN = (MarkKind.CORE, MarkKind.SOCIAL_WORKER)
"""By coordinators."""
SAID = (MarkKind.STUDENT, MarkKind.ONLINE)
"""By the person."""
NOTE = (0, 200)
"""Characters."""
MOST_FOUND = 10


# What people say of themselves


async def own(work: Work) -> list[MarkKind]:
    """The actor's marks."""
    return [row.kind for row in await of(work, work.person.id)]


async def say(work: Work, kind: MarkKind, *, bears: bool) -> None:
    """The actor is a student, or serves online, or no longer. Raises Refusal("mark_given")."""
    if kind not in SAID:
        raise Refusal("mark_given")
    if bears:
        await _add(work, work.person.id, kind, "")
    else:
        await _drop(work, work.person.id, kind)
    audit.note(work, "mark.said", f"person:{work.person.id}", mark=kind.value, bears=bears)


# What coordinators give


async def give(work: Work, person_id: int, kind: MarkKind, note: str = "") -> None:
    """They are told. Raises Gone, NotAllowed or Refusal."""
    person = await _markable(work, person_id, kind)
    note = " ".join(note.split())
    lengths.check("note", note, NOTE)
    if not await _add(work, person_id, kind, note):
        raise Refusal("mark_borne")
    _note(work, "mark.given", person, kind)
    await _tell(work, person, kind, "given")


async def take(work: Work, person_id: int, kind: MarkKind) -> None:
    """They are told. Raises Gone, NotAllowed or Refusal."""
    person = await _markable(work, person_id, kind)
    if not await _drop(work, person_id, kind):
        raise Refusal("mark_not_borne")
    _note(work, "mark.taken", person, kind)
    await _tell(work, person, kind, "taken")


async def _markable(work: Work, person_id: int, kind: MarkKind) -> Person:
    person = await volunteers.seen(work, person_id, Right.APPROVE_VOLUNTEERS)
    if kind not in GIVEN:
        raise Refusal("mark_said")
    if person.id == work.person.id:
        raise Refusal("mark_own")
    if person.standing is not Standing.ACTIVE:
        raise Refusal("volunteer_not_active")
    return person


async def _add(work: Work, person_id: int, kind: MarkKind, note: str) -> bool:
    """Whether they did not bear it yet; two who give it at once give it once."""
    # The row of the person is the lock, so that the second of two does not meet the table's key.
    await work.session.execute(select(Person.id).where(Person.id == person_id).with_for_update())
    borne = select(PersonMark.kind).where(*_which(person_id, kind))
    if await work.session.scalar(borne) is not None:
        return False
    row = {"person_id": person_id, "kind": kind, "since": work.now, "note": note}
    await work.session.execute(insert(PersonMark).values(**row, by_id=work.person.id))
    await traits.renew(work, [person_id])
    return True


async def _drop(work: Work, person_id: int, kind: MarkKind) -> bool:
    done = await work.session.execute(delete(PersonMark).where(*_which(person_id, kind)))
    await traits.renew(work, [person_id])
    return bool(getattr(done, "rowcount", 0))


def _which(person_id: int, kind: MarkKind) -> tuple[Any, Any]:
    return PersonMark.person_id == person_id, PersonMark.kind == kind


def _note(work: Work, action: str, person: Person, kind: MarkKind) -> None:
    organisation_id = person.organisation_id
    audit.note(
        work, action, f"person:{person.id}", organisation_id=organisation_id, mark=kind.value
    )


async def _tell(work: Work, person: Person, kind: MarkKind, what: str) -> None:
    parameters = {"mark": kind.value, "by": work.person.name}
    post = delivery.Post(f"marks/{what}", parameters, kind=KIND, subject=f"person:{person.id}")
    await delivery.tell(work, post, [person.id])


# Looking


async def of(work: Work, person_id: int) -> list[PersonMark]:
    """In the order of `MarkKind`; checks no rights."""
    rows = await work.session.scalars(select(PersonMark).where(PersonMark.person_id == person_id))
    return sorted(rows, key=lambda row: MARKS.index(row.kind))


async def of_all(work: Work, people_ids: Sequence[int]) -> dict[int, list[MarkKind]]:
    """The same of many, for lists that were asked for their rights."""
    rows = await work.session.scalars(
        select(PersonMark).where(PersonMark.person_id.in_(people_ids))
    )
    found: dict[int, list[MarkKind]] = {}
    for row in sorted(rows, key=lambda row: MARKS.index(row.kind)):
        found.setdefault(row.person_id, []).append(row.kind)
    return found


async def counts(work: Work) -> dict[MarkKind, int]:
    """How many of those whom the actor sees bear each. Raises NotAllowed."""
    if not await access.organisations_with(work, Right.SEE_VOLUNTEERS):
        raise NotAllowed
    reach = await access.within_reach(work, Right.SEE_VOLUNTEERS, Directory.organisation_id)
    rows = await work.session.execute(
        select(PersonMark.kind, func.count())
        .join(Directory, Directory.person_id == PersonMark.person_id)
        .where(Directory.standing == traits.STANDINGS.index(Standing.ACTIVE), reach)
        .group_by(PersonMark.kind)
    )
    found = {row[0]: row[1] for row in rows}
    return {kind: found.get(kind, 0) for kind in MARKS}


async def candidates(work: Work, typed: str) -> list[Person]:
    """Active volunteers of the actor's who may be meant. Raises NotAllowed."""
    if not await access.organisations_with(work, Right.APPROVE_VOLUNTEERS):
        raise NotAllowed
    found = people.named_like(typed).where(
        await people.in_reach(work, Right.APPROVE_VOLUNTEERS), Person.id != work.person.id
    )
    rows = await work.session.scalars(
        found.order_by(Person.name_search, Person.id).limit(MOST_FOUND)
    )
    return list(rows)


# Personal data and statistics


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    both = or_(Tandem.volunteer_id == person_id, Tandem.worker_id == person_id)
    return {
        "marks": select(PersonMark).where(PersonMark.person_id == person_id),
        "tandems": select(Tandem).where(both),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """Their marks go; of those they gave it stays that they were given."""
    session = work.session
    await session.execute(delete(PersonMark).where(PersonMark.person_id == person_id))
    both = or_(Tandem.volunteer_id == person_id, Tandem.worker_id == person_id)
    await session.execute(delete(Tandem).where(both))


def _minutes(kind: MarkKind) -> Any:
    """Confirmed service of those who bear the mark now."""
    served = select(LedgerEntry.organisation_id, LedgerEntry.served_at, LedgerEntry.minutes)
    bears = (PersonMark.person_id == LedgerEntry.person_id) & (PersonMark.kind == kind)
    return served.join(PersonMark, bears)


MEASURES = tuple(
    Measure(f"hours_{kind.value}", "kinds", partial(_minutes, kind), Unit.MINUTES) for kind in MARKS
)
