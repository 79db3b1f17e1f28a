"""The font in which pictures are lettered: Chinese in mainland forms, and Latin."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pylopdf_fonts_zh_cn
from PIL import ImageDraw, ImageFont

SMALLEST = 20


def font_path() -> Path:
    """Noto Sans SC, as its package ships it, with Noto Serif SC beside it."""
    package = Path(pylopdf_fonts_zh_cn.__file__).parent
    return next(package.rglob("NotoSansSC-Regular.otf"))


def spare_fonts() -> Path:
    """A folder with DejaVu Sans, for signs and faces that the first has not."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        raise FileNotFoundError("matplotlib")
    return Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"


def rare_characters() -> Path:
    """A folder with Noto Sans CJK, for characters of names that the first has not."""
    found = find_spec("cvttf_NotoSansCJK_Regular")
    if found is None or found.origin is None:
        raise FileNotFoundError("cvttf_NotoSansCJK_Regular")
    return Path(found.origin).parent


@cache
def lettering(size: int) -> ImageFont.FreeTypeFont:
    """The font at `size` pixels."""
    return ImageFont.truetype(str(font_path()), size)


def fitting(pen: ImageDraw.ImageDraw, text: str, size: int, room: int) -> ImageFont.FreeTypeFont:
    """The largest lettering up to `size` pixels in which the text fits `room` pixels."""
    while size > SMALLEST and pen.textlength(text, font=lettering(size)) > room:
        size -= 2
    return lettering(size)
