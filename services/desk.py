"""The coordinator's desk: how much waits for them, of each kind."""

from services import access, approvals, disputes, hours, qualifications
from services.errors import NotAllowed
from services.work import Work


async def coordinates(work: Work) -> bool:
    """Whether the actor coordinates anything."""
    return bool(await access.organisations_with(work, access.Right.TAKE_ROLL))


async def waiting(work: Work) -> dict[str, int]:
    """Kind of task -> how many wait for the actor. Raises NotAllowed to those without a desk."""
    if not await coordinates(work):
        raise NotAllowed
    return {
        "approvals": await approvals.waiting(work),
        "qualifications": await qualifications.waiting(work),
        "hours": await hours.waiting(work),
        "disputes": await disputes.waiting(work),
    }
