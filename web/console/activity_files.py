"""The scheme and the file of an activity: pages, photos, and the file as PDF."""

import asyncio

from services import activities, activity_files, schemes
from services.errors import Gone
from web.console.framework import Download, Goto, Page, Pages, Visit

pages = Pages()


@pages.look("/activities/{activity_id}/scheme")
async def show_scheme(visit: Visit, activity_id: int) -> Page:
    activity = await activities.planned(visit.work, activity_id)
    scheme = await schemes.of(visit.work, activity_id)
    return Page("console/activity_files/scheme", {"activity": activity, "scheme": scheme})


@pages.act("/activities/{activity_id}/scheme", again=show_scheme)
async def write_scheme(visit: Visit, activity_id: int) -> Goto:
    said = {name: str(visit.form.get(name, "")) for name in schemes.PARTS}
    await schemes.write(visit.work, activity_id, said)
    return Goto(f"/activities/{activity_id}/scheme", done="saved")


@pages.look("/activities/{activity_id}/file")
async def show(visit: Visit, activity_id: int) -> Page:
    file = await activity_files.assemble(visit.work, activity_id)
    return Page("console/activity_files/show", {"file": file})


@pages.look("/activities/{activity_id}/file.pdf")
async def paper(visit: Visit, activity_id: int) -> Download:
    file = await activity_files.assemble(visit.work, activity_id)
    photos = await activity_files.copies(visit.work, file)
    words, language, now = visit.words, visit.language, visit.work.now

    async def make() -> bytes:
        return await asyncio.to_thread(activity_files.pdf, words, language, file, photos, now)

    return Download(activity_files.filename(file), "application/pdf", make)


@pages.look("/activities/{activity_id}/photos/{photo_id}")
async def photo(visit: Visit, activity_id: int, photo_id: int) -> Download:
    found = await activity_files.photo(visit.work, activity_id, photo_id)
    if not found.content_type.startswith("image/"):
        raise Gone

    async def make() -> bytes:
        return found.content

    return Download(f"{photo_id}.jpg", found.content_type, make, inline=True)


@pages.act("/activities/{activity_id}/photos/{photo_id}/remove", again=show)
async def remove(visit: Visit, activity_id: int, photo_id: int) -> Goto:
    await activity_files.remove_photo(visit.work, activity_id, photo_id)
    return Goto(f"/activities/{activity_id}/file", done="removed")
