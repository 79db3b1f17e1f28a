"""The file of an activity in chat: what is in it, its photos, and printed."""

import asyncio

from handlers.fields import Asked, Field, Photos
from handlers.forms import Filled, Form, register, start
from handlers.replies import Document, Reply, Show, Toast
from handlers.routes import button
from handlers.turns import Turn
from services import access, activity_files
from services.errors import Gone, Refusal


@button("file", reads=True)
async def open_file(turn: Turn, activity_id: int) -> Reply:
    return await show(turn, activity_id)


async def show(turn: Turn, activity_id: int) -> Reply:
    file = await activity_files.assemble(turn.work, activity_id)
    return Show("activity_files/shown", {"file": file})


@button("file.paper", reads=True)
async def paper(turn: Turn, activity_id: int) -> Reply:
    file = await activity_files.assemble(turn.work, activity_id)
    photos = await activity_files.copies(turn.work, file)
    words, language, now = turn.around.words, turn.language, turn.work.now

    async def make() -> bytes:
        return await asyncio.to_thread(activity_files.pdf, words, language, file, photos, now)

    return Show(
        "activity_files/paper",
        {"title": file.activity.title, "activity_id": activity_id},
        document=Document(activity_files.filename(file), make),
        fresh=True,
    )


# Photos


@button("file.photos")
async def add_photos(turn: Turn, activity_id: int) -> Reply:
    if not await activity_files.room_for(turn.work, activity_id):
        raise Refusal("photos_yours_full", most=activity_files.MOST_EACH, left=0)
    return await start(turn, PHOTOS, subject_id=activity_id, answers={})


async def _fits(asked: Asked, photos: list[str]) -> list[str]:
    left = await activity_files.room_for(asked.turn.work, asked.subject_id or 0)
    if len(photos) > left:
        raise Refusal("photos_yours_full", most=activity_files.MOST_EACH, left=left)
    return photos


async def _keep(turn: Turn, filled: Filled) -> Reply:
    activity = await activity_files.check_may_add(turn.work, filled.subject_id or 0)
    count = await activity_files.add_photos(turn.work, activity.id, filled["photos"])
    looks_after = await access.may(turn.work, activity_files.RIGHT, activity.organisation_id)
    return Show(
        "activity_files/added",
        {
            "activity_id": activity.id,
            "title": activity.title,
            "added": len(filled["photos"]),
            "count": count,
            "looks_after": looks_after,
        },
    )


PHOTOS = register(
    Form(
        "activity_photos",
        (Field("photos", Photos(least=1, most=activity_files.MOST_EACH), check=_fits),),
        _keep,
    )
)


@button("file.picture", reads=True)
async def show_picture(turn: Turn, activity_id: int, at: int = 0) -> Reply:
    """One photo after the other."""
    file = await activity_files.assemble(turn.work, activity_id)
    if not file.photos:
        raise Gone
    at = min(at, len(file.photos) - 1)
    photo = file.photos[at]
    return Show(
        "activity_files/picture",
        {
            "title": file.activity.title,
            "activity_id": activity_id,
            "photo_id": photo.id,
            "sent_at": photo.at,
            "at": at,
            "count": len(file.photos),
        },
        picture=photo.telegram_id,
        fresh=True,
    )


@button("file.remove")
async def remove(turn: Turn, activity_id: int, photo_id: int) -> Reply:
    await activity_files.remove_photo(turn.work, activity_id, photo_id)
    shown = await show(turn, activity_id)
    return [Toast("activity_files/removed"), *([shown] if isinstance(shown, Show) else [])]
