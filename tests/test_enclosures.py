"""Photos and voice messages that belong to something: copies of our own are fetched and sealed."""

import io
from datetime import timedelta

import pytest
from PIL import Image

from models import EnclosureContent, EnclosureKind, Person
from services import enclosures
from services.errors import Gone
from tests.city import City
from tests.databases import ON_BOTH
from tests.pictures import photo

pytestmark = ON_BOTH

SUBJECT = "incident:5"


async def test_a_photo_is_kept_sealed_and_goes_with_whoever_sent_it(city: City) -> None:
    phone = await city.volunteer("陈晓丽")
    sent = await phone.send_photo(photo())
    person = await city.person(phone)
    assert sent.photo is not None
    async with city.database.write() as session:
        work = city.making.work(session, await session.get_one(Person, person.id))
        (row,) = await enclosures.add(work, SUBJECT, [sent.photo.id])
    await city.program.fetching.turn()
    async with city.database.write() as session:
        work = city.making.work(session)
        kept = await enclosures.content(work, SUBJECT, row.id)
        with Image.open(io.BytesIO(kept.content)) as picture:
            assert picture.format == "JPEG"
        sealed = await session.get_one(EnclosureContent, row.id)
        assert kept.content[:64] not in sealed.sealed
        with pytest.raises(Gone):
            await enclosures.content(work, "incident:6", row.id)
        await enclosures.forget_person(work, person.id)
        assert await enclosures.of(work, SUBJECT) == []


async def test_what_telegram_has_not_got_is_given_up(city: City) -> None:
    async with city.database.write() as session:
        (row,) = await enclosures.add(city.making.work(session), SUBJECT, ["no such file"])
    await city.program.fetching.turn()
    async with city.database.read() as session:
        work = city.making.work(session)
        assert await enclosures.waiting(work, 5) == []
        assert not enclosures.is_here((await enclosures.of(work, SUBJECT))[0])
        with pytest.raises(Gone):
            await enclosures.content(work, SUBJECT, row.id)


async def test_what_failed_by_chance_is_tried_later(city: City) -> None:
    async with city.database.write() as session:
        work = city.making.work(session)
        (row,) = await enclosures.add(work, SUBJECT, ["x"])
        await enclosures.failed(work, row.id)
        assert await enclosures.waiting(work, 5) == []
    city.clock.forward(minutes=1)
    async with city.database.read() as session:
        work = city.making.work(session)
        assert [one.id for one in await enclosures.waiting(work, 5)] == [row.id]


def test_photos_are_upright_small_and_say_nothing_of_where_they_were_taken() -> None:
    raw = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "Camera"
    Image.new("RGB", (4000, 2000), "teal").save(raw, "JPEG", exif=exif)
    with Image.open(io.BytesIO(enclosures.tidied(EnclosureKind.PHOTO, raw.getvalue()))) as kept:
        assert kept.size == (800, 1600)
        assert not kept.getexif()


@pytest.mark.parametrize("raw", [b"", b"no picture", b"GIF89a"])
def test_what_is_no_picture_is_no_picture(raw: bytes) -> None:
    with pytest.raises(enclosures.NotAPictureError):
        enclosures.tidied(EnclosureKind.PHOTO, raw)


def test_a_picture_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclosures, "MOST_PIXELS", 100)
    raw = io.BytesIO()
    Image.new("RGB", (20, 20)).save(raw, "PNG")
    with pytest.raises(enclosures.NotAPictureError):
        enclosures.tidied(EnclosureKind.PHOTO, raw.getvalue())


def test_voices_stay_as_they_are() -> None:
    assert enclosures.tidied(EnclosureKind.VOICE, b"OggS") == b"OggS"


def test_nothing_waits_longer_than_a_day() -> None:
    assert timedelta(days=1) > enclosures.AFTER * 2 ** (enclosures.TRIES - 1)
