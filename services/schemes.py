"""The scheme of an activity: aim, content, staff, safety and budget in words, beside its shifts."""

from collections.abc import Mapping

from models import Scheme
from services import activities, audit, lengths
from services.errors import Refusal
from services.work import Work

PARTS = ("aim", "content", "staff", "safety", "budget")
"""In the order in which they are asked and printed; staff says who does what."""
LENGTH = (0, 1000)
"""Characters of a part."""


async def of(work: Work, activity_id: int) -> Scheme | None:
    """For whoever plans the activity. Raises Gone, NotAllowed."""
    await activities.planned(work, activity_id)
    return await work.session.get(Scheme, activity_id)


async def write(work: Work, activity_id: int, said: Mapping[str, str]) -> Scheme:
    """All its parts anew; those left out are empty. Raises Gone, NotAllowed, Refusal."""
    activity = await activities.planned(work, activity_id)
    parts = {name: said.get(name, "").strip() for name in PARTS}
    for words in parts.values():
        lengths.check("scheme", words, LENGTH)
    if not any(parts.values()):
        raise Refusal("scheme_empty")
    values = {**parts, "written_at": work.now, "written_by_id": work.person.id}
    scheme = await work.session.merge(Scheme(activity_id=activity.id, **values))
    await work.session.flush()
    audit.note(
        work,
        "scheme.written",
        activities.subject(activity.id),
        organisation_id=activity.organisation_id,
    )
    return scheme
