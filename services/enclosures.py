"""Photos and voice messages that belong to a thing: kept by Telegram's file id, and as a copy of
our own, so that a file outlives the bot's token. Who may see them is the topic's business.
"""

import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from PIL import Image, ImageOps
from sqlalchemy import delete, select, update

from models import Enclosure, EnclosureContent, EnclosureKind
from models.sealed import keyring, unseal
from services.errors import Gone
from services.work import Work

NOTED = "enclosures"
"""In the session's `info` once something is to be fetched."""
LONGEST_SIDE = 1600
"""Pixels of a photo as it is kept; Telegram's largest have 1280 or 2560."""
QUALITY = 82
MOST_PIXELS = 40_000_000
"""More is no photo but a bomb."""
LARGEST = 20 * 1024 * 1024
"""Bytes; Telegram lets bots fetch no more."""
TRIES = 8
AFTER = timedelta(minutes=1)
"""Before the second try; each further one waits twice as long."""
TYPES = {EnclosureKind.PHOTO: "image/jpeg", EnclosureKind.VOICE: "audio/ogg"}


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice message by Telegram's file id."""

    file_id: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Content:
    content: bytes
    content_type: str


class NotAPictureError(ValueError):
    """What was fetched as a photo is none."""


async def add(
    work: Work, subject: str, photos: Iterable[str] = (), voice: Voice | None = None
) -> list[Enclosure]:
    """What the actor sent belongs to `subject` from now on; photos by Telegram's file id."""
    sent: list[tuple[EnclosureKind, str, int | None]] = [
        (EnclosureKind.PHOTO, file_id, None) for file_id in photos
    ]
    if voice is not None:
        sent.append((EnclosureKind.VOICE, voice.file_id, voice.seconds))
    rows = [
        Enclosure(
            subject=subject,
            kind=kind,
            telegram_id=file_id,
            seconds=seconds,
            person_id=work.actor.id if work.actor else None,
            at=work.now,
            fetch_at=work.now,
        )
        for kind, file_id, seconds in sent
    ]
    work.session.add_all(rows)
    await work.session.flush()
    if rows:
        work.session.info[NOTED] = True
    return rows


async def of(work: Work, subject: str) -> list[Enclosure]:
    """In the order in which they were sent."""
    return (await of_all(work, [subject]))[subject]


async def of_all(work: Work, subjects: Sequence[str]) -> dict[str, list[Enclosure]]:
    """The same for many things at once."""
    found: defaultdict[str, list[Enclosure]] = defaultdict(list)
    rows = select(Enclosure).where(Enclosure.subject.in_(subjects)).order_by(Enclosure.id)
    for row in await work.session.scalars(rows):
        found[row.subject].append(row)
    return found


def is_here(one: Enclosure) -> bool:
    """Whether there is a copy of our own, so that a page can show it."""
    return one.fetch_at is None and one.tries < TRIES


async def content(work: Work, subject: str, enclosure_id: int) -> Content:
    """Our copy of what belongs to `subject`. Raises Gone, also as long as it is not here yet."""
    row = (
        await work.session.execute(
            select(Enclosure.kind, EnclosureContent.sealed)
            .join(EnclosureContent, EnclosureContent.enclosure_id == Enclosure.id)
            .where(Enclosure.id == enclosure_id, Enclosure.subject == subject)
        )
    ).one_or_none()
    if row is None:
        raise Gone
    return Content(unseal(row[1]), TYPES[row[0]])


async def remove(work: Work, subject: str, enclosure_id: int | None = None) -> int:
    """Takes one off a thing, or all; answers how many there were."""
    which = [Enclosure.subject == subject]
    if enclosure_id is not None:
        which.append(Enclosure.id == enclosure_id)
    keys = list(await work.session.scalars(select(Enclosure.id).where(*which)))
    await _delete(work, keys)
    return len(keys)


async def remove_all(work: Work, subjects: Sequence[str]) -> None:
    """Takes everything off many things at once."""
    which = select(Enclosure.id).where(Enclosure.subject.in_(subjects))
    await _delete(work, list(await work.session.scalars(which)))


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    return {"photos_and_voice": select(Enclosure).where(Enclosure.person_id == person_id)}


async def forget_person(work: Work, person_id: int) -> None:
    """What somebody sent goes with them."""
    sent = select(Enclosure.id).where(Enclosure.person_id == person_id)
    await _delete(work, list(await work.session.scalars(sent)))


async def _delete(work: Work, keys: Sequence[int]) -> None:
    contents = delete(EnclosureContent).where(EnclosureContent.enclosure_id.in_(keys))
    await work.session.execute(contents)
    await work.session.execute(delete(Enclosure).where(Enclosure.id.in_(keys)))


# Fetching copies, for the engine


async def waiting(work: Work, limit: int) -> list[Enclosure]:
    """What is to be fetched now, the longest waiting first."""
    due = select(Enclosure).where(Enclosure.fetch_at <= work.now)
    return list(await work.session.scalars(due.order_by(Enclosure.fetch_at).limit(limit)))


async def keep(work: Work, enclosure_id: int, copy: bytes) -> None:
    """Seals the copy that was fetched; nothing where it is here, or was taken off meanwhile."""
    taken = await work.session.execute(
        update(Enclosure)
        .where(Enclosure.id == enclosure_id, Enclosure.fetch_at.is_not(None))
        .values(fetch_at=None)
    )
    if not getattr(taken, "rowcount", 0):
        return
    work.session.add(EnclosureContent(enclosure_id=enclosure_id, sealed=keyring().seal(copy)))
    await work.session.flush()


async def failed(work: Work, enclosure_id: int, *, for_good: bool = False) -> None:
    """It could not be fetched: later again, or never."""
    row = await work.session.get(Enclosure, enclosure_id)
    if row is None or row.fetch_at is None:
        return
    row.tries = TRIES if for_good else row.tries + 1
    given_up = row.tries == TRIES
    row.fetch_at = None if given_up else work.now + AFTER * 2 ** (row.tries - 1)
    await work.session.flush()


def tidied(kind: EnclosureKind, raw: bytes) -> bytes:
    """As it is kept: photos upright, of a sensible size, without where and when they were taken.

    Raises NotAPictureError. Takes a while; not for the event loop's thread.
    """
    if kind is EnclosureKind.VOICE:
        return raw
    try:
        with Image.open(io.BytesIO(raw)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise NotAPictureError
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except Exception as fault:  # each decoder has its own way to fail at what is damaged
        raise NotAPictureError from fault
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    kept = io.BytesIO()
    picture.save(kept, "JPEG", quality=QUALITY, optimize=True)
    return kept.getvalue()
