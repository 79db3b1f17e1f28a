"""What a rescue team's drills and call-outs leave behind: who came, what was learnt, what to mend.

The call-outs themselves, and the commanders' report, are in `services.aftermath`.
"""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update

from models import (
    Callout,
    CalloutState,
    DrillTask,
    EquipmentCheck,
    Need,
    Organisation,
    OrganisationKind,
    Person,
    Response,
    TeamEquipment,
)
from services import (
    access,
    aftermath,
    audit,
    callouts,
    delivery,
    fitness,
    quiet_hours,
    teams,
)
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.measuring import Measure
from services.work import Work

WHAT_LENGTH = 300
LISTED = 30
"""Drills and call-outs that a team's list shows."""
TOLD_WITHIN = timedelta(days=1)
"""After the end of one its team's leaders are still asked to write down what they learnt."""
OPEN = DrillTask.done_at.is_(None)


# Records


def _took_part(team_id: int) -> ColumnElement[bool]:
    """Whether a `Callout` called a team, or was the team's own."""
    called = select(Need.id).where(Need.callout_id == Callout.id, Need.team_id == team_id)
    return or_(called.exists(), Callout.organisation_id == team_id)


def _of_team(team_id: int) -> ColumnElement[bool]:
    """Whether a `Response` to a `Callout` is that of somebody called with a team."""
    needs = select(Need.id).where(Need.callout_id == Callout.id, Need.team_id == team_id)
    return or_(Response.need_id.in_(needs), Callout.organisation_id == team_id)


async def listed(work: Work, team_id: int) -> tuple[Organisation, list[dict[str, Any]]]:
    """A team's drills and call-outs that are over, the newest first. Raises Gone, NotAllowed."""
    team = await teams.led(work, team_id)
    rows = await work.session.execute(
        select(
            Callout,
            func.count(Response.person_id),
            func.count(Response.person_id).filter(Response.arrived_at.is_not(None)),
        )
        .outerjoin(Response, and_(Response.callout_id == Callout.id, _of_team(team_id)))
        .where(Callout.state == CalloutState.ENDED, _took_part(team_id))
        .group_by(Callout.id)
        .order_by(Callout.id.desc())
        .limit(LISTED)
    )
    found = [
        {
            "callout_id": one.id,
            "kind": one.kind.value,
            "drill": one.drill,
            "address": one.address,
            "launched_at": one.launched_at,
            "asked": asked,
            "came": came,
        }
        for one, asked, came in rows
    ]
    return team, found


async def record(work: Work, team_id: int, callout_id: int) -> dict[str, Any]:
    """Who of a team was called and came when, what was learnt, what is to be mended.

    Raises Gone, NotAllowed.
    """
    team = await teams.led(work, team_id)
    callout = await _ended(work, team_id, callout_id)
    rows = await work.session.execute(
        select(Response, Person.name)
        .select_from(Callout)
        .join(Response, Response.callout_id == Callout.id)
        .join(Person, Person.id == Response.person_id)
        .where(Callout.id == callout_id, _of_team(team_id))
        .order_by(Response.arrived_at.is_(None), Response.arrived_at, Person.name_search)
    )
    return {
        **await callouts.described(work, callout),
        "team_id": team.id,
        "team": team.names,
        "ended_at": callout.ended_at,
        "lessons": callout.lessons,
        "people": [
            {
                "name": name,
                "state": one.state.value,
                "asked_at": one.asked_at,
                "answered_at": one.answered_at,
                "arrived_at": one.arrived_at,
            }
            for one, name in rows
        ],
        "tasks": await tasks(work, team_id, DrillTask.callout_id == callout_id),
    }


async def _ended(work: Work, team_id: int, callout_id: int) -> Callout:
    callout = await work.session.scalar(
        select(Callout).where(
            Callout.id == callout_id, Callout.state == CalloutState.ENDED, _took_part(team_id)
        )
    )
    if callout is None:
        raise Gone
    return callout


async def led_in(work: Work, callout_id: int) -> list[dict[str, Any]]:
    """The rescue teams that a call-out has called and that the actor leads."""
    within = await access.within_reach(work, Right.PLAN_DUTY, Organisation.id)
    called = select(Need.team_id).where(Need.callout_id == callout_id)
    found = await work.session.scalars(
        select(Organisation)
        .where(
            Organisation.id.in_(called),
            Organisation.kind == OrganisationKind.RESCUE_TEAM,
            within,
        )
        .order_by(Organisation.path)
    )
    return [{"id": one.id, "names": one.names} for one in found]


async def learn(work: Work, team_id: int, callout_id: int, text: str) -> None:
    """A leader of the team writes down a lesson. Raises Gone, NotAllowed, Refusal."""
    await teams.led(work, team_id)
    aftermath.keep_lesson(work, await _ended(work, team_id, callout_id), text)


# What is to be mended


async def tasks(work: Work, team_id: int, *which: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Those that are open first, the most urgent before the others."""
    rows = await work.session.execute(
        select(DrillTask, Person.name)
        .outerjoin(Person, Person.id == DrillTask.person_id)
        .where(DrillTask.organisation_id == team_id, *which)
        .order_by(DrillTask.done_at.is_not(None), DrillTask.due_on, DrillTask.id)
    )
    return [_shown(work, one, name) for one, name in rows]


def _shown(work: Work, one: DrillTask, name: str | None) -> dict[str, Any]:
    return {
        "id": one.id,
        "callout_id": one.callout_id,
        "what": one.what,
        "who": name,
        "mine": work.actor is not None and one.person_id == work.actor.id,
        "due_on": one.due_on,
        "late": one.done_at is None and one.due_on < work.today,
        "done_at": one.done_at,
    }


async def note_task(
    work: Work, team_id: int, callout_id: int, what: str, *, person_id: int | None, due_on: date
) -> DrillTask:
    """Whoever is to see to it is told. Raises Gone, NotAllowed, Refusal."""
    team = await teams.led(work, team_id)
    await _ended(work, team_id, callout_id)
    if not what:
        raise Refusal("text_missing")
    if len(what) > WHAT_LENGTH:
        raise Refusal("form_too_long", most=WHAT_LENGTH, length=len(what))
    if due_on < work.today:
        raise Refusal("team_task_day")
    if person_id is not None and not await fitness.of_team(work, team, Person.id == person_id):
        raise Gone
    made = DrillTask(
        organisation_id=team_id, callout_id=callout_id, what=what, person_id=person_id,
        due_on=due_on, noted_by_id=work.person.id, noted_at=work.now,
    )  # fmt: skip
    work.session.add(made)
    await work.session.flush()
    _note(work, "noted", made)
    if person_id not in {None, work.person.id}:
        await _tell(work, team, made, "teams/task", [person_id or 0])
    return made


async def finish(work: Work, task_id: int) -> DrillTask:
    """Done, says who was to see to it or a leader; once. Raises Gone, NotAllowed."""
    found = await _task(work, task_id)
    if found.person_id != work.person.id:
        await teams.led(work, found.organisation_id)
    done = await work.session.scalar(
        update(DrillTask)
        .where(DrillTask.id == task_id, OPEN)
        .values(done_at=work.now, done_by_id=work.person.id)
        .returning(DrillTask.id)
        .execution_options(synchronize_session=False)
    )
    if done is None:
        raise Gone
    await work.session.refresh(found)
    _note(work, "done", found)
    return found


async def drop(work: Work, task_id: int) -> DrillTask:
    """A leader takes back what was noted and is not done. Raises Gone, NotAllowed."""
    found = await _task(work, task_id)
    await teams.led(work, found.organisation_id)
    if found.done_at is not None:
        raise Gone
    await work.session.delete(found)
    _note(work, "dropped", found)
    return found


async def _task(work: Work, task_id: int) -> DrillTask:
    found = await work.session.get(DrillTask, task_id)
    if found is None:
        raise Gone
    if found.person_id != work.person.id and not await access.may(
        work, Right.PLAN_DUTY, found.organisation_id
    ):
        raise NotAllowed
    return found


def _note(work: Work, what: str, found: DrillTask) -> None:
    audit.note(
        work, f"drill_task.{what}", f"drill_task:{found.id}",
        organisation_id=found.organisation_id,
    )  # fmt: skip


async def _tell(
    work: Work, team: Organisation, task: DrillTask, template: str, people: list[int]
) -> None:
    about = {
        "team": team.names,
        "team_id": team.id,
        "task_id": task.id,
        "what": task.what,
        "due_on": task.due_on,
    }
    post = Post(template, about, kind=teams.KIND)
    if work.actor is None:
        post = await quiet_hours.kept(work, post)
    await delivery.tell(work, post, people)


# What the clock says


async def remind(work: Work) -> int:
    """Sweep: once when it is due, to whoever is to see to it, else to the team's leaders."""
    claimed = await work.session.scalars(
        update(DrillTask)
        .where(OPEN, DrillTask.due_on <= work.today, DrillTask.reminded_at.is_(None))
        .values(reminded_at=work.now)
        .returning(DrillTask.id)
        .execution_options(synchronize_session=False)
    )
    rows = await work.session.execute(
        select(DrillTask, Organisation)
        .join(Organisation, Organisation.id == DrillTask.organisation_id)
        .where(DrillTask.id.in_(claimed.all()))
        .order_by(DrillTask.id)
    )
    found = rows.all()
    for task, team in found:
        leaders = await access.holders(work, Right.PLAN_DUTY, team.id)
        people = [task.person_id] if task.person_id is not None else leaders
        await _tell(work, team, task, "teams/task_due", people)
    return len(found)


async def ask_for_lessons(work: Work) -> int:
    """Sweep: after the end the leaders of a team that took part are asked, once, what to mend."""
    rows = await work.session.execute(
        select(Callout, Organisation)
        .join(Need, Need.callout_id == Callout.id)
        .join(Organisation, Organisation.id == Need.team_id)
        .where(
            Callout.state == CalloutState.ENDED,
            Callout.ended_at > work.now - TOLD_WITHIN,
            ~Callout.false_alarm,
            Organisation.kind == OrganisationKind.RESCUE_TEAM,
        )
        .order_by(Callout.id, Organisation.id)
    )
    told = 0
    for callout, team in dict.fromkeys(rows.all()):
        dedupe = f"drill_over:{callout.id}:{team.id}"
        if await work.session.scalar(delivery.posted(work, dedupe)):
            continue
        about = {
            "team": team.names,
            "team_id": team.id,
            "callout_id": callout.id,
            "kind": callout.kind.value,
            "drill": callout.drill,
        }
        post = Post("teams/drill_over", about, kind=teams.KIND, dedupe=dedupe)
        await delivery.tell(work, post, await access.holders(work, Right.PLAN_DUTY, team.id))
        told += 1
    return told


# Figures

_HELD = and_(
    Callout.state == CalloutState.ENDED,
    Callout.drill,
    ~Callout.false_alarm,
    Need.team_id.in_(
        select(Organisation.id).where(Organisation.kind == OrganisationKind.RESCUE_TEAM)
    ),
)


def _drills() -> Any:
    """Each drill of each team once, however many of its posts it called."""
    held = (
        select(Need.team_id, Callout.ended_at, Callout.id)
        .join(Callout, Callout.id == Need.callout_id)
        .where(_HELD)
        .distinct()
        .subquery()
    )
    return select(held.c.team_id, held.c.ended_at, literal(1))


def _people() -> Any:
    return (
        select(Need.team_id, Response.arrived_at, literal(1))
        .join(Response, Response.need_id == Need.id)
        .join(Callout, Callout.id == Need.callout_id)
        .where(_HELD)
    )


def _mended() -> Any:
    return select(DrillTask.organisation_id, DrillTask.done_at, literal(1))


def _checks() -> Any:
    return select(TeamEquipment.organisation_id, EquipmentCheck.at, literal(1)).join(
        EquipmentCheck, EquipmentCheck.equipment_id == TeamEquipment.id
    )


MEASURES = (
    Measure("team_drills", "teams", _drills),
    Measure("drill_people", "teams", _people),
    Measure("mended", "teams", _mended),
    Measure("equipment_checks", "teams", _checks),
)
