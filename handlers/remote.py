"""Remote service in chat: start by a press, end by a short report; coordinators look at it."""

from typing import Any

from handlers.fields import Field, Note, Photos
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from models import EnclosureKind
from services import attendance, hours, remote
from services.attendance import Presence
from services.enclosures import Voice
from services.errors import Gone


def ready(presence: Presence) -> Show:
    """What somebody sees who checks in to a remote activity."""
    return Show("remote/ready", {"presence": presence})


@button("remote.start")
async def begin(turn: Turn, shift_id: int) -> Reply:
    done = await attendance.start_remote(turn.work, shift_id)
    return Show("remote/started", {"presence": done.presence, "at": turn.work.now})


@button("remote.report")
async def ask_report(turn: Turn, attendance_id: int) -> Reply:
    await remote.check_may_report(turn.work, attendance_id)
    return await start(turn, REPORT, subject_id=attendance_id)


async def _report(turn: Turn, filled: Filled) -> Reply:
    done: dict[str, Any] = filled["done"]
    voice = Voice(done["voice"], done["seconds"]) if "voice" in done else None
    presence = await remote.report(
        turn.work, filled.subject_id or 0, done.get("text", ""), filled.get("photos", ()), voice
    )
    return Show("remote/reported", {"presence": presence})


REPORT = register(
    Form(
        "remote_report",
        (
            Field("done", Note(least=remote.REPORT[0], most=remote.REPORT[1])),
            Field("photos", Photos(0, remote.MOST_PHOTOS), optional=True),
        ),
        _report,
    )
)


@button("remote.photos", reads=True)
async def show_photos(turn: Turn, attendance_id: int) -> Reply:
    """For whoever decides on the hours."""
    record = await hours.record(turn.work, attendance_id)
    found = await remote.of(turn.work, record.attendance.id)
    if found is None:
        raise Gone
    photos = [one for one in found.enclosures if one.kind is EnclosureKind.PHOTO]
    return [
        Show(
            "remote/photo",
            {"name": record.person.name, "number": at, "count": len(photos)},
            picture=photo.telegram_id,
            fresh=True,
            private=True,
        )
        for at, photo in enumerate(photos, 1)
    ]
