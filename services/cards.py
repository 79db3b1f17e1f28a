"""The volunteer card: a picture with a code that anybody can scan, and what that code proves."""

import io
from dataclasses import dataclass
from math import ceil

import segno
from PIL import Image, ImageDraw
from sqlalchemy import select

from models import Person, Standing
from models.sealed import keyring
from services.errors import Refusal
from services.fonts import fitting, lettering
from services.work import Work

SIGNATURE_LENGTH = 10
WIDTH, HEIGHT, MARGIN = 1080, 640, 60
RED, DEEP, PAPER, INK, GREY = "#d8382f", "#b3201f", "#fffaf5", "#2b2320", "#8a7d76"
BAND = 150
QR_SIDE = 300
HEART, SMOOTHING = 92, 4


@dataclass(frozen=True, slots=True)
class Face:
    """What the card shows, in words that are ready to be drawn."""

    title: str
    name: str
    number: str
    number_label: str
    organisation: str
    since: str
    link: str


def payload(number: str) -> str:
    """The deep link's payload that the card's code carries."""
    return f"v-{number}-{_signature(number)}"


async def holder(work: Work, number: str, signature: str) -> Person:
    """Whose card it is. Raises Refusal("card_forged")."""
    person = None
    if keyring().has_signed(f"card:{number}", SIGNATURE_LENGTH, signature):
        person = await work.session.scalar(
            select(Person).where(Person.number == number, Person.standing != Standing.ERASED)
        )
    if person is None:
        raise Refusal("card_forged")
    return person


def _signature(number: str) -> str:
    return keyring().sign(f"card:{number}", SIGNATURE_LENGTH)


def masked_name(name: str) -> str:
    """Enough to compare with an ID document, too little to look somebody up: 陈**."""
    return name[:1] + "*" * max(len(name) - 1, 1) if name else ""


def draw(face: Face) -> bytes:
    """A PNG of 1080 x 640 pixels."""
    card = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(card)
    _band(pen)
    heart = _heart()
    card.paste("white", (WIDTH - MARGIN - HEART, (BAND - HEART) // 2), heart)
    pen.text((MARGIN, BAND // 2), face.title, font=lettering(52), fill="white", anchor="lm")
    room = WIDTH - 3 * MARGIN - QR_SIDE
    pen.text((MARGIN, 250), face.name, font=fitting(pen, face.name, 92, room), fill=INK,
             anchor="lm")  # fmt: skip
    pen.text((MARGIN, 358), face.number_label, font=lettering(28), fill=GREY, anchor="lm")
    pen.text((MARGIN, 408), face.number, font=lettering(50), fill=RED, anchor="lm")
    pen.line((MARGIN, 470, MARGIN + room, 470), fill="#ecdfd6", width=2)
    pen.text((MARGIN, 520), face.organisation,
             font=fitting(pen, face.organisation, 34, room), fill=INK, anchor="lm")  # fmt: skip
    pen.text((MARGIN, 575), face.since, font=lettering(26), fill=GREY, anchor="lm")
    card.paste(_code(face.link), (WIDTH - MARGIN - QR_SIDE, 230))
    out = io.BytesIO()
    card.save(out, "PNG", optimize=True)
    return out.getvalue()


def _band(pen: ImageDraw.ImageDraw) -> None:
    """A red head with a darker slope at its right."""
    pen.rectangle((0, 0, WIDTH, BAND), fill=RED)
    pen.polygon(((WIDTH * 0.55, 0), (WIDTH, 0), (WIDTH, BAND), (WIDTH * 0.7, BAND)), fill=DEEP)


def _heart() -> Image.Image:
    """A white heart, drawn large and made small, so that its edge is smooth."""
    side = HEART * SMOOTHING
    shape = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(shape)
    lobe, height = side * 0.25, side * 0.30
    for middle in (side * 0.27, side * 0.73):
        pen.ellipse((middle - lobe, height - lobe, middle + lobe, height + lobe), fill=255)
    left, right = (side * 0.093, side * 0.477), (side * 0.907, side * 0.477)
    pen.polygon((left, (side / 2, height), right, (side / 2, side * 0.95)), fill=255)
    return shape.resize((HEART, HEART), Image.Resampling.LANCZOS)


def _code(link: str) -> Image.Image:
    code = segno.make(link, error="m")
    scale = ceil(QR_SIDE / code.symbol_size(border=2)[0])
    out = io.BytesIO()
    code.save(out, kind="png", scale=scale, border=2, dark=INK, light="white")
    return Image.open(out).convert("RGB").resize((QR_SIDE, QR_SIDE), Image.Resampling.NEAREST)
