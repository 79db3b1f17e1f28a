"""Paper: PDF to be filed, and pictures in the same hand, typeset by Typst. Pure.

A paper is two files in `templates/<topic>/`: `<name>.typ` lays out, `<name>.json.j2` gives it the
words and figures in a language, by `Words.values`. What a person wrote reaches the layout as data
and is never read as markup. Takes some hundredths of a second: call it in a thread. Nothing is
fetched from the net.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import typst

from services.fonts import font_path, rare_characters, spare_fonts
from services.words import TEMPLATES

DOTS_PER_INCH = 144.0


def pdf(paper: str, values: Mapping[str, Any], made_at: datetime) -> bytes:
    """A PDF with all its fonts, dated `made_at` (aware)."""
    return _compiled(paper, values, format="pdf", timestamp=made_at.astimezone(UTC))


def png(paper: str, values: Mapping[str, Any]) -> bytes:
    """The only page of a paper as a picture."""
    return _compiled(paper, values, format="png", ppi=DOTS_PER_INCH)


def _compiled(paper: str, values: Mapping[str, Any], **output: Any) -> bytes:
    made = typst.compile(
        TEMPLATES / f"{paper}.typ",
        root=TEMPLATES,
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"values": json.dumps(values)},
        **output,
    )
    if not isinstance(made, bytes):
        raise TypeError(f"{paper} has more than one page, or none")
    return made


@cache
def _fonts() -> typst.Fonts:
    """Only those that come with Muster, so that a paper looks the same on every server."""
    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[str(font_path().parent), str(rare_characters()), str(spare_fonts())],
    )
