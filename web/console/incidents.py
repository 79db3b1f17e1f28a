"""Incidents at the desk: what is open, each one's story, its photos, its end.

A story opens by a press, since each look is written down; the next page has it shut again.
"""

from services import incidents, lengths
from services.incidents import NOTE
from web.console.fields import lines
from web.console.framework import Download, Goto, Page, Pages, Visit

pages = Pages()


@pages.look("/incidents")
async def show_all(visit: Visit) -> Page:
    closed = visit.query.get("state") == "closed"
    found = await incidents.page(visit.work, visit.number("page", 1), closed=closed)
    return Page("console/incidents/list", {"slice": found, "closed": closed})


@pages.look("/incidents/{incident_id}")
async def show(visit: Visit, incident_id: int) -> Page:
    case = await incidents.opened(visit.work, incident_id)
    return Page("console/incidents/one", {"case": case, "inside": False})


@pages.act("/incidents/{incident_id}/open", again=show)
async def read(visit: Visit, incident_id: int) -> Page:
    """Shows what happened on this answer alone, and notes the look."""
    case = await incidents.look(visit.work, incident_id)
    return Page("console/incidents/one", {"case": case, "inside": True})


@pages.look("/incidents/{incident_id}/photos/{incident_photo_id}")
async def show_photo(visit: Visit, incident_id: int, incident_photo_id: int) -> Download:
    photo = await incidents.photo(visit.work, incident_id, incident_photo_id)

    async def make() -> bytes:
        return photo.content

    return Download(f"{incident_photo_id}.jpg", photo.content_type, make, inline=True)


@pages.act("/incidents/{incident_id}/take", again=show)
async def take(visit: Visit, incident_id: int) -> Goto:
    await incidents.take(visit.work, incident_id)
    return Goto(f"/incidents/{incident_id}", done="saved")


@pages.act("/incidents/{incident_id}/note", again=show)
async def note(visit: Visit, incident_id: int) -> Goto:
    text = lines(visit, "text")
    lengths.check("answer", text, NOTE)
    await incidents.add_note(visit.work, incident_id, text, closes="closes" in visit.form)
    return Goto(f"/incidents/{incident_id}", done="saved")
