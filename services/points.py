"""Points: what confirmed hours are worth by the city's rule. Derived, never kept, never hours."""

from sqlalchemy import delete, select

from models import Organisation, PointsOff
from services import access, audit
from services.access import Right
from services.policy import Policy
from services.work import Work


def worth(minutes: int, policy: Policy) -> int:
    return max(minutes, 0) * policy.points_per_hour // 60


async def shown(work: Work, organisation_id: int) -> bool:
    """Whether an organisation's volunteers have points: neither it nor any above it is without."""
    if not work.policy.points_per_hour:
        return False
    organisation = await work.session.get_one(Organisation, organisation_id)
    way = [int(key) for key in organisation.path.split(".") if key]
    off = select(PointsOff.organisation_id).where(PointsOff.organisation_id.in_(way)).limit(1)
    return await work.session.scalar(off) is None


async def of(work: Work, organisation_id: int, minutes: int) -> int | None:
    """What minutes are worth to a volunteer of the organisation; None where there are no points."""
    return worth(minutes, work.policy) if await shown(work, organisation_id) else None


async def off_in(work: Work, organisation_id: int) -> bool:
    """Whether the organisation itself has switched them off."""
    return await work.session.get(PointsOff, organisation_id) is not None


async def switch(work: Work, organisation_id: int, *, wanted: bool) -> None:
    """For an organisation and all below it. Raises NotAllowed."""
    await access.require(work, Right.RECOGNISE, organisation_id)
    if wanted == (not await off_in(work, organisation_id)):
        return
    if wanted:
        own = PointsOff.organisation_id == organisation_id
        await work.session.execute(delete(PointsOff).where(own))
    else:
        work.session.add(
            PointsOff(organisation_id=organisation_id, since=work.now, by_id=work.person.id)
        )
        await work.session.flush()
    audit.note(
        work,
        "points.switched_on" if wanted else "points.switched_off",
        f"organisation:{organisation_id}",
        organisation_id=organisation_id,
    )
