"""Social workers and volunteers side by side (社工+义工): who looks after whom at an activity.

A coordinator plans a post for social workers beside that of the volunteers; those who have a place
at the same time can be paired. Each learns the other's name, and nothing else.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, exists, select

from models import Activity, Enrolment, EnrolmentState, MarkKind, Person, PersonMark, Shift, Tandem
from services import access, activities, audit, delivery
from services.access import Right
from services.errors import Gone, Refusal
from services.work import Work

KIND = "tandems"
HAS_A_PLACE = (EnrolmentState.CONFIRMED, EnrolmentState.ATTENDED)


@dataclass(frozen=True, slots=True)
class Somebody:
    """One who has a place; `shifts` are theirs."""

    id: int
    name: str
    shifts: list[Shift] = field(default_factory=list)

    def meets(self, other: "Somebody") -> bool:
        """Whether they are there at the same time."""
        return any(
            mine.starts_at < theirs.ends_at and theirs.starts_at < mine.ends_at
            for mine in self.shifts
            for theirs in other.shifts
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """The social workers, each with their volunteers, and who has none."""

    activity: Activity
    workers: list[tuple[Somebody, list[Somebody]]]
    alone: list[Somebody]

    @property
    def volunteers(self) -> list[Somebody]:
        """All of them, by name."""
        paired = [one for _, theirs in self.workers for one in theirs]
        return sorted([*paired, *self.alone], key=lambda one: (one.name, one.id))

    def worker_of(self, volunteer_id: int) -> int | None:
        """Key of the one who looks after somebody."""
        for worker, theirs in self.workers:
            if any(one.id == volunteer_id for one in theirs):
                return worker.id
        return None


# For coordinators


async def seen(work: Work, activity_id: int) -> Pairs:
    """Raises Gone or NotAllowed."""
    return await _pairs(work, await activities.planned(work, activity_id))


async def pair(work: Work, activity_id: int, volunteer_id: int, worker_id: int) -> Pairs:
    """In place of whoever looked after them. Raises Gone, NotAllowed or Refusal."""
    pairs = await _locked(work, activity_id)
    volunteer = _one(pairs.volunteers, volunteer_id)
    worker = _one((one for one, _ in pairs.workers), worker_id)
    if not worker.meets(volunteer):
        raise Refusal("tandem_other_time")
    if pairs.worker_of(volunteer_id) == worker_id:
        return pairs
    await _write(work, pairs, [(volunteer, worker)])
    return await _pairs(work, pairs.activity)


async def part(work: Work, activity_id: int, volunteer_id: int) -> Pairs:
    """They are on their own again. Raises Gone or NotAllowed."""
    pairs = await _locked(work, activity_id)
    await _drop(work, activity_id, [volunteer_id])
    return await _pairs(work, pairs.activity)


async def share_out(work: Work, activity_id: int) -> Pairs:
    """Everybody who has none gets a social worker who is there then, the one with the fewest.

    Raises Gone, NotAllowed or Refusal("tandem_none").
    """
    pairs = await _locked(work, activity_id)
    if not pairs.workers:
        raise Refusal("tandem_none")
    load = {worker.id: len(theirs) for worker, theirs in pairs.workers}
    chosen: list[tuple[Somebody, Somebody]] = []
    for volunteer in pairs.alone:
        there = [worker for worker, _ in pairs.workers if worker.meets(volunteer)]
        if there:
            worker = min(there, key=lambda one: (load[one.id], one.name, one.id))
            load[worker.id] += 1
            chosen.append((volunteer, worker))
    await _write(work, pairs, chosen)
    return await _pairs(work, pairs.activity)


async def _locked(work: Work, activity_id: int) -> Pairs:
    """Two who pair at the same activity do so one after the other."""
    await work.session.execute(
        select(Activity.id).where(Activity.id == activity_id).with_for_update()
    )
    return await seen(work, activity_id)


def _one(people: Iterable[Somebody], key: int) -> Somebody:
    for one in people:
        if one.id == key:
            return one
    raise Gone


async def _write(work: Work, pairs: Pairs, chosen: Sequence[tuple[Somebody, Somebody]]) -> None:
    activity = pairs.activity
    await _drop(work, activity.id, [volunteer.id for volunteer, _ in chosen])
    work.session.add_all(
        Tandem(
            activity_id=activity.id, volunteer_id=volunteer.id, worker_id=worker.id,
            at=work.now, by_id=work.person.id,
        )
        for volunteer, worker in chosen
    )  # fmt: skip
    await work.session.flush()
    if chosen:
        audit.note(
            work, "tandem.paired", activities.subject(activity.id),
            organisation_id=activity.organisation_id, count=len(chosen),
        )  # fmt: skip
    for key, name in {worker.id: worker.name for _, worker in chosen}.items():
        theirs = [volunteer for volunteer, worker in chosen if worker.id == key]
        await _tell(work, activity, "worker", [one.id for one in theirs], name=name)
        await _tell(work, activity, "volunteers", [key], names=[one.name for one in theirs])


async def _drop(work: Work, activity_id: int, volunteers: Sequence[int]) -> None:
    await work.session.execute(
        delete(Tandem).where(Tandem.activity_id == activity_id, Tandem.volunteer_id.in_(volunteers))
    )


async def _tell(
    work: Work, activity: Activity, template: str, told: Sequence[int], **more: Any
) -> None:
    parameters = {"title": activity.title, "activity_id": activity.id, **more}
    subject = activities.subject(activity.id)
    post = delivery.Post(f"tandems/{template}", parameters, kind=KIND, subject=subject)
    await delivery.tell(work, post, told)


async def _pairs(work: Work, activity: Activity) -> Pairs:
    """As it stands: of pairs only those of whom both still have a place."""
    bears = exists().where(
        PersonMark.person_id == Person.id, PersonMark.kind == MarkKind.SOCIAL_WORKER
    )
    rows = await work.session.execute(
        select(Person.id, Person.name, bears, Shift)
        .join(Enrolment, Enrolment.person_id == Person.id)
        .join(Shift, Shift.id == Enrolment.shift_id)
        .where(Shift.activity_id == activity.id, Enrolment.state.in_(HAS_A_PLACE))
        .order_by(Person.name_search, Person.id, Shift.starts_at)
    )
    workers: dict[int, Somebody] = {}
    volunteers: dict[int, Somebody] = {}
    for key, name, is_worker, shift in rows:
        kind = workers if is_worker else volunteers
        kind.setdefault(key, Somebody(key, name)).shifts.append(shift)
    tandems = await work.session.execute(
        select(Tandem.volunteer_id, Tandem.worker_id).where(Tandem.activity_id == activity.id)
    )
    theirs: dict[int, list[Somebody]] = {key: [] for key in workers}
    for volunteer_id, worker_id in tandems:
        if volunteer_id in volunteers and worker_id in workers:
            theirs[worker_id].append(volunteers.pop(volunteer_id))
    paired = [(worker, theirs[key]) for key, worker in workers.items()]
    return Pairs(activity, paired, list(volunteers.values()))


# For those who are paired


async def mine(work: Work, activity_id: int) -> dict[str, Any]:
    """Names only: of the actor's social worker, or of those whom they look after."""
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    known = await work.session.scalar(
        select(Tandem.volunteer_id)
        .where(
            Tandem.activity_id == activity_id,
            (Tandem.volunteer_id == work.person.id) | (Tandem.worker_id == work.person.id),
        )
        .limit(1)
    )
    if known is None:
        return {"worker": None, "volunteers": []}
    pairs = await _pairs(work, activity)
    worker_id = pairs.worker_of(work.person.id)
    names = {worker.id: worker.name for worker, _ in pairs.workers}
    looked_after = [
        one.name for worker, theirs in pairs.workers for one in theirs
        if worker.id == work.person.id
    ]  # fmt: skip
    return {"worker": names.get(worker_id or 0), "volunteers": looked_after}


async def on_roster(work: Work, activity_id: int) -> dict[int, str]:
    """Volunteer's key -> name of their social worker, for those who take the roll."""
    activity = await work.session.get(Activity, activity_id)
    if activity is None:
        raise Gone
    await access.require(work, Right.TAKE_ROLL, activity.organisation_id)
    pairs = await _pairs(work, activity)
    return {one.id: worker.name for worker, theirs in pairs.workers for one in theirs}
