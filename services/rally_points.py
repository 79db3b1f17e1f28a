"""Named places where an organisation's people gather in emergencies, kept for commanders."""

from dataclasses import asdict, dataclass

from sqlalchemy import select

from models import Organisation, RallyPoint
from services import access, audit, geo
from services.access import Right
from services.errors import Gone, Refusal
from services.work import Work

LONGEST_NAME = 80
LONGEST_NOTE = 200


@dataclass(frozen=True, slots=True)
class Described:
    """What a commander says of one. Degrees WGS-84."""

    name: str
    note: str
    latitude: float
    longitude: float


async def of(work: Work, organisation_id: int) -> list[RallyPoint]:
    """Raises NotAllowed."""
    await access.require(work, Right.SEE_VOLUNTEERS, organisation_id)
    found = await work.session.scalars(
        select(RallyPoint)
        .where(RallyPoint.organisation_id == organisation_id)
        .order_by(RallyPoint.name, RallyPoint.id)
    )
    return list(found)


async def get(work: Work, rally_point_id: int) -> RallyPoint:
    """One that the actor keeps. Raises Gone, NotAllowed."""
    found = await work.session.get(RallyPoint, rally_point_id)
    if found is None:
        raise Gone
    await access.require(work, Right.LAUNCH_CALLOUTS, found.organisation_id)
    return found


async def add(work: Work, organisation_id: int, said: Described) -> RallyPoint:
    """Raises NotAllowed, or Refusal for its words or a name that is taken."""
    await access.require(work, Right.LAUNCH_CALLOUTS, organisation_id)
    _check_words(said)
    made = RallyPoint(organisation_id=organisation_id, **asdict(said))
    await _require_a_name_of_its_own(work, organisation_id, said.name)
    work.session.add(made)
    await work.session.flush()
    _note(work, "added", made)
    return made


async def change(work: Work, rally_point_id: int, said: Described) -> RallyPoint:
    """Raises Gone, NotAllowed, or Refusal for its words or a name that is taken."""
    found = await get(work, rally_point_id)
    _check_words(said)
    if said.name != found.name:
        await _require_a_name_of_its_own(work, found.organisation_id, said.name)
    for name, value in asdict(said).items():
        setattr(found, name, value)
    await work.session.flush()
    _note(work, "changed", found)
    return found


async def remove(work: Work, rally_point_id: int) -> int:
    """Answers which organisation kept it. Raises Gone, NotAllowed."""
    found = await get(work, rally_point_id)
    _note(work, "removed", found)
    await work.session.delete(found)
    await work.session.flush()
    return found.organisation_id


def _check_words(said: Described) -> None:
    if not said.name:
        raise Refusal("form_too_short", least=1)
    for words, most in ((said.name, LONGEST_NAME), (said.note, LONGEST_NOTE)):
        if len(words) > most:
            raise Refusal("form_too_long", most=most, length=len(words))


async def _require_a_name_of_its_own(work: Work, organisation_id: int, name: str) -> None:
    taken = select(RallyPoint.id).where(
        RallyPoint.organisation_id == organisation_id, RallyPoint.name == name
    )
    if await work.session.scalar(taken) is not None:
        raise Refusal("rally_point_name", name=name)


def _note(work: Work, what: str, found: RallyPoint) -> None:
    audit.note(
        work,
        f"rally_point.{what}",
        f"rally_point:{found.id}",
        organisation_id=found.organisation_id,
    )


async def for_callouts(work: Work, organisation_id: int | None) -> list[RallyPoint]:
    """All of the city, for a commander to choose from.

    Those of the organisation first, then those below it, then the others, each the nearest first.
    """
    rows = await work.session.execute(
        select(RallyPoint, Organisation.path)
        .join(Organisation, Organisation.id == RallyPoint.organisation_id)
        .order_by(RallyPoint.id)
    )
    found = [(point, path) for point, path in rows]
    own = await _whose(work, organisation_id)
    if own is None:
        return [point for point, _ in found]

    def nearness(pair: tuple[RallyPoint, str]) -> tuple[int, float]:
        point, path = pair
        order = 0 if path == own.path else 1 if path.startswith(own.path) else 2
        return order, _metres(own, point)

    return [point for point, _ in sorted(found, key=nearness)]


async def _whose(work: Work, organisation_id: int | None) -> Organisation | None:
    """The organisation for which is declared, else the topmost that the actor commands."""
    if organisation_id is not None:
        return await work.session.get(Organisation, organisation_id)
    tops = await access.organisations_with(work, Right.LAUNCH_CALLOUTS)
    return tops[0] if tops else None


def _metres(organisation: Organisation, point: RallyPoint) -> float:
    if organisation.latitude is None or organisation.longitude is None:
        return 0.0
    return geo.distance(
        organisation.latitude, organisation.longitude, point.latitude, point.longitude
    )
