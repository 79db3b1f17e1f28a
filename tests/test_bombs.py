"""What is small to send and large to take in: pictures, nested and oversized bodies."""

import io
import json
import struct
import zlib
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.sanity import DEEPEST, tidied
from bot.settings import Mode
from models import EnclosureKind
from services import enclosures
from services.enclosures import NotAPictureError
from tests.city import City
from tests.databases import ON_SQLITE
from tests.programs import client
from tests.times import ManualClock
from web.app import LARGEST_UPDATE, SECRET_HEADER, webhook_path

DEEP = 100_000
MESSAGE = {"chat": {"id": 5, "type": "private"}, "from": {"id": 5}, "message_id": 1, "date": 1}


def png(width: int, height: int) -> bytes:
    """A picture of so many pixels that says so in its head and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(10_000))) + chunk(b"IEND", b"")
    )  # fmt: skip


def text_bomb() -> bytes:
    """A small PNG with 200 MB of compressed words in it."""
    made = png(4, 4)
    packed = zlib.compress(bytes(200_000_000), 9)
    data = b"Comment\0\0" + packed
    bomb = (
        struct.pack(">I", len(data))
        + b"zTXt"
        + data
        + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    )
    return made[:33] + bomb + made[33:]


# Pictures


@pytest.mark.parametrize(
    "size", [(30_000, 30_000), (100_000, 1), (2**31 - 1, 2**31 - 1), (7_000, 6_000)]
)
def test_a_picture_bomb_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(NotAPictureError):
        enclosures.tidied(EnclosureKind.PHOTO, png(*size))


def test_words_packed_into_a_picture_are_not_unpacked_without_end() -> None:
    with pytest.raises(NotAPictureError):
        enclosures.tidied(EnclosureKind.PHOTO, text_bomb())


def real(form: str) -> bytes:
    kept = io.BytesIO()
    Image.linear_gradient("L").resize((32, 32)).convert("RGB").save(kept, form)
    return kept.getvalue()


REAL = [real(form) for form in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "ICO")]


@settings(max_examples=60)
@given(
    st.sampled_from(REAL),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=12),
    st.floats(0.05, 1),
)
def test_no_damaged_picture_does_more_than_be_refused(
    picture: bytes, damage: list[tuple[float, int]], kept: float
) -> None:
    raw = bytearray(picture)
    for place, value in damage:
        raw[int(place * len(raw))] = value
    try:
        tidy = enclosures.tidied(EnclosureKind.PHOTO, bytes(raw[: int(kept * len(raw))]))
    except NotAPictureError:
        return
    assert tidy.startswith(b"\xff\xd8")


# Updates and bodies


def test_an_update_nested_without_end_is_none() -> None:
    deep: Any = {}
    for _ in range(DEEPEST + 1):
        deep = {"reply_to_message": deep}
    assert tidied({"update_id": 1, "message": {**MESSAGE, **deep}}) is None
    assert tidied({"update_id": 1, "message": MESSAGE}) is not None


@pytest.mark.parametrize(
    "message",
    [
        None, [], "x", {**MESSAGE, "chat": {"id": 2**63}}, {**MESSAGE, "chat": {"id": "5"}},
        {**MESSAGE, "chat": None}, {**MESSAGE, "text": 5}, {**MESSAGE, "date": 10**30},
        {**MESSAGE, "location": {"latitude": 200, "longitude": 0}},
        {**MESSAGE, "from": {"id": 5, "language_code": True}},
    ],
)  # fmt: skip
def test_an_update_that_is_not_what_it_should_be_is_none(message: object) -> None:
    assert tidied({"update_id": 1, "message": message}) is None


def test_characters_that_no_database_keeps_are_taken_out() -> None:
    found = tidied({"update_id": 1, "message": {**MESSAGE, "text": "a\0b\ud800c"}})
    assert found is not None
    assert found["message"]["text"] == "ab?c"


@ON_SQLITE
async def test_oversized_nested_and_malformed_bodies_are_refused_at_the_webhook(
    database_url: str, clock: ManualClock
) -> None:
    city = City(database_url, clock, Mode.WEBHOOK)
    await city.start()
    try:
        address = f"http://127.0.0.1:{city.web_port}{webhook_path(1)}"
        secret = {SECRET_HEADER: "secret-of-the-tests", "Content-Type": "application/json"}
        async with aiohttp.ClientSession() as session:
            for body, status in (
                (b"[" * DEEP, 400), (b'{"a":' * DEEP, 400), (b"", 400), (b"\xff", 400), (b"5", 400),
                (b'{"update_id":true}', 200), (b'{"update_id":1,"message":[]}', 200),
                (json.dumps({"update_id": 1, "x": "a" * LARGEST_UPDATE}).encode(), 413),
            ):  # fmt: skip
                async with session.post(address, data=body, headers=secret) as answer:
                    assert answer.status == status, body[:40]
            for given in ("", "wrong", "sécret", "secret-of-the-test"):
                headers = {SECRET_HEADER: given.encode().decode("latin-1")}
                async with session.post(address, data=b"{}", headers=headers) as answer:
                    assert answer.status == 403, given
        assert city.program.line.intake.newest == 0 or city.program.line.intake.under_way == 0
    finally:
        await city.stop()


@ON_SQLITE
async def test_nested_bodies_are_refused_by_the_api(city: City) -> None:
    async with client(city, "mst_nobody") as program:
        for body in (b"[" * DEEP, b'{"a":' * DEEP):
            async with program.session.post(
                "/api/v1/volunteers", data=body, headers={"Content-Type": "application/json"}
            ) as answer:
                assert 400 <= answer.status < 500
