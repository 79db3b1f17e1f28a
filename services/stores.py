"""The equipment of rescue teams: what there is, where it lies, and when it is to be checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, select, update

from models import EquipmentCheck, Organisation, TeamEquipment, ThingState
from services import access, audit, delivery, quiet_hours, teams
from services.access import Right
from services.delivery import Post
from services.errors import Gone, Refusal
from services.work import Work

NAME_LENGTH, PLACE_LENGTH = 80, 120
MOST, MOST_COUNT = 500, 10_000
INTERVALS = (30, 90, 180, 365)
"""Days from one check to the next, of which one is chosen; 0 for none."""
LONGEST = 3_650


@dataclass(frozen=True, slots=True)
class Described:
    """A thing as it is entered; `interval` in days, without one it is never checked."""

    name: str
    count: int
    place: str
    state: ThingState
    interval: int | None
    next_check_on: date | None


async def listed(work: Work, team_id: int) -> tuple[Organisation, bool, list[TeamEquipment]]:
    """A team, whether the actor leads it, and its equipment, what is due first.

    Raises Gone, NotAllowed.
    """
    team, leads = await teams.seen(work, team_id)
    return team, leads, await of_team(work, team_id)


async def of_team(work: Work, team_id: int) -> list[TeamEquipment]:
    found = await work.session.scalars(
        select(TeamEquipment)
        .where(TeamEquipment.organisation_id == team_id, TeamEquipment.removed_at.is_(None))
        .order_by(
            TeamEquipment.next_check_on.is_(None), TeamEquipment.next_check_on, TeamEquipment.id
        )
        .limit(MOST)
    )
    return list(found)


def is_due(work: Work, thing: TeamEquipment) -> bool:
    return thing.next_check_on is not None and thing.next_check_on <= work.today


def shown(work: Work, thing: TeamEquipment) -> dict[str, Any]:
    return {
        "id": thing.id,
        "names": thing.names,
        "count": thing.count,
        "place": thing.place,
        "state": thing.state.value,
        "interval": thing.interval,
        "next_check_on": thing.next_check_on,
        "due": is_due(work, thing),
    }


async def thing(work: Work, equipment_id: int) -> TeamEquipment:
    """For the leaders of its team. Raises Gone, NotAllowed."""
    found = await work.session.get(TeamEquipment, equipment_id)
    if found is None or found.removed_at is not None:
        raise Gone
    await teams.led(work, found.organisation_id)
    return found


async def add(work: Work, team_id: int, said: Described) -> TeamEquipment:
    """Raises Gone, NotAllowed, Refusal."""
    await teams.led(work, team_id)
    if len(await of_team(work, team_id)) >= MOST:
        raise Refusal("team_equipment_many", most=MOST)
    made = TeamEquipment(organisation_id=team_id, names={"": said.name}, **_values(work, said))
    work.session.add(made)
    await work.session.flush()
    _note(work, "added", made)
    return made


async def change(work: Work, equipment_id: int, said: Described) -> TeamEquipment:
    """Raises Gone, NotAllowed, Refusal."""
    found = await thing(work, equipment_id)
    if said.name not in found.names.values():
        found.names = {"": said.name}
    for name, value in _values(work, said).items():
        setattr(found, name, value)
    await work.session.flush()
    _note(work, "changed", found)
    return found


async def remove(work: Work, equipment_id: int) -> int:
    """Answers the team's key. Raises Gone, NotAllowed."""
    found = await thing(work, equipment_id)
    found.removed_at = work.now
    _note(work, "removed", found)
    return found.organisation_id


def _values(work: Work, said: Described) -> dict[str, Any]:
    if not said.name:
        raise Refusal("text_missing")
    for words, most in ((said.name, NAME_LENGTH), (said.place, PLACE_LENGTH)):
        if len(words) > most:
            raise Refusal("form_too_long", most=most, length=len(words))
    if not 1 <= said.count <= MOST_COUNT:
        raise Refusal("form_number_range", least=1, most=MOST_COUNT)
    if said.interval is not None and not 1 <= said.interval <= LONGEST:
        raise Refusal("form_number_range", least=1, most=LONGEST)
    due = said.next_check_on
    if due is None and said.interval is not None:
        due = work.today + timedelta(days=said.interval)
    return {
        "count": said.count,
        "place": said.place,
        "state": said.state,
        "interval": said.interval,
        "next_check_on": due,
    }


def _note(work: Work, what: str, found: TeamEquipment) -> None:
    audit.note(
        work, f"equipment.{what}", f"equipment:{found.id}", organisation_id=found.organisation_id
    )


async def check(work: Work, equipment_id: int) -> TeamEquipment:
    """Looked over today: the next check follows by its interval. Twice a day counts once.

    Raises Gone, NotAllowed.
    """
    found = await thing(work, equipment_id)
    due = work.today + timedelta(days=found.interval) if found.interval else None
    changed = await work.session.scalar(
        update(TeamEquipment)
        .where(TeamEquipment.id == found.id, TeamEquipment.next_check_on.is_distinct_from(due))
        .values(next_check_on=due)
        .returning(TeamEquipment.id)
        .execution_options(synchronize_session=False)
    )
    await work.session.refresh(found)
    if changed is not None or due is None:
        check = EquipmentCheck(equipment_id=found.id, person_id=work.person.id, at=work.now)
        work.session.add(check)
        await work.session.flush()
        _note(work, "checked", found)
    return found


async def remind(work: Work) -> int:
    """Sweep: the leaders hear once what of their team's equipment is due for a check."""
    due = update(TeamEquipment).where(
        TeamEquipment.next_check_on <= work.today,
        TeamEquipment.next_check_on.is_distinct_from(TeamEquipment.told_on),
        TeamEquipment.removed_at.is_(None),
    )
    claimed = await work.session.scalars(
        due.values(told_on=TeamEquipment.next_check_on)
        .returning(TeamEquipment.id)
        .execution_options(synchronize_session=False)
    )
    keys = claimed.all()
    rows = await work.session.execute(
        select(Organisation, TeamEquipment)
        .join(TeamEquipment, TeamEquipment.organisation_id == Organisation.id)
        .where(TeamEquipment.id.in_(keys))
        .order_by(Organisation.id, TeamEquipment.next_check_on, TeamEquipment.id)
    )
    by_team: dict[Organisation, list[TeamEquipment]] = {}
    for team, found in rows:
        by_team.setdefault(team, []).append(found)
    for team, things in by_team.items():
        await _tell(work, team, things)
    return len(keys)


async def _tell(work: Work, team: Organisation, things: Sequence[TeamEquipment]) -> None:
    about = {
        "team": team.names,
        "team_id": team.id,
        "things": [shown(work, one) for one in things],
    }
    post = await quiet_hours.kept(work, Post("teams/checks_due", about, kind=teams.KIND))
    await delivery.tell(work, post, await access.holders(work, Right.PLAN_DUTY, team.id))


async def due_count(work: Work, team_id: int) -> int:
    """How many things are due for a check."""
    found = select(func.count()).where(
        TeamEquipment.organisation_id == team_id,
        TeamEquipment.removed_at.is_(None),
        TeamEquipment.next_check_on <= work.today,
    )
    return await work.session.scalar(found) or 0
