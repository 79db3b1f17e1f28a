"""The printable check-in poster: a picture to hang up where an activity takes place. Pure."""

import io
from dataclasses import dataclass
from math import ceil

import segno
from PIL import Image, ImageDraw

from services.fonts import fitting, lettering

WIDTH, HEIGHT, MARGIN = 1240, 1754, 110
"""A4 upright at 150 dots an inch."""
RED, PAPER, INK, GREY = "#d8382f", "#ffffff", "#2b2320", "#8a7d76"
BAND = 300
CODE_SIDE = 720


@dataclass(frozen=True, slots=True)
class Poster:
    """What it says, in words that are ready to be drawn; `steps` are lines below the code."""

    title: str
    when: str
    place: str
    invitation: str
    steps: list[str]
    maker: str
    link: str


def draw(poster: Poster) -> bytes:
    """A PNG of A4 size."""
    sheet = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(sheet)
    room = WIDTH - 2 * MARGIN
    middle = WIDTH // 2
    pen.rectangle((0, 0, WIDTH, BAND), fill=RED)
    pen.text(
        (middle, BAND // 2 - 10),
        poster.title,
        font=fitting(pen, poster.title, 84, room),
        fill="white",
        anchor="mm",
    )
    for y, line, size, ink in (
        (380, poster.when, 46, INK),
        (450, poster.place, 38, GREY),
        (570, poster.invitation, 64, RED),
    ):
        pen.text((middle, y), line, font=fitting(pen, line, size, room), fill=ink, anchor="mm")
    sheet.paste(_code(poster.link), ((WIDTH - CODE_SIDE) // 2, 640))
    for number, step in enumerate(poster.steps):
        y = 640 + CODE_SIDE + 70 + number * 70
        pen.text((middle, y), step, font=fitting(pen, step, 40, room), fill=INK, anchor="mm")
    pen.text((middle, HEIGHT - 60), poster.maker, font=lettering(30), fill=GREY, anchor="mm")
    out = io.BytesIO()
    sheet.save(out, "PNG", optimize=True)
    return out.getvalue()


def _code(link: str) -> Image.Image:
    """Dots of whole pixels, scaled to the side without blur."""
    code = segno.make(link, error="q")
    out = io.BytesIO()
    scale = ceil(CODE_SIDE / code.symbol_size(border=2)[0])
    code.save(out, kind="png", scale=scale, border=2, dark=INK)
    side = (CODE_SIDE, CODE_SIDE)
    return Image.open(out).convert("RGB").resize(side, Image.Resampling.NEAREST)
