"""A leader's private word on the volunteers of a shift; what is held of oneself, on request."""

from handlers import forms
from handlers.fields import Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import button
from handlers.turns import Turn
from models import Mark
from services import appraisals
from services.errors import Gone

PAGE = 8


@button("appraise")
async def show_sheet(turn: Turn, shift_id: int, page: int = 0) -> Reply:
    await forms.set_aside(turn)
    sheet = await appraisals.sheet(turn.work, shift_id)
    pages = max(1, -(-len(sheet.lines) // PAGE))
    page = min(page, pages - 1)
    shown = sheet.lines[page * PAGE : (page + 1) * PAGE]
    return Show("appraisals/sheet", {"sheet": sheet, "shown": shown, "page": page, "pages": pages})


@button("appraise.one", reads=True)
async def show_one(turn: Turn, enrolment_id: int) -> Reply:
    sheet, line = await appraisals.to_appraise(turn.work, enrolment_id)
    return Show("appraisals/one", {"sheet": sheet, "line": line})


@button("appraise.mark")
async def mark(turn: Turn, enrolment_id: int, code: str) -> Reply:
    if code not in set(Mark):
        raise Gone
    sheet, line = await appraisals.appraise(turn.work, enrolment_id, Mark(code))
    return Show("appraisals/one", {"sheet": sheet, "line": line})


@button("appraise.words")
async def ask_for_words(turn: Turn, enrolment_id: int) -> Reply:
    _, line = await appraisals.to_appraise(turn.work, enrolment_id)
    if line.mark is None:
        raise Gone
    return await start(turn, WORDS, subject_id=enrolment_id)


async def _add_words(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    _, line = await appraisals.to_appraise(turn.work, key)
    if line.mark is None:
        raise Gone
    sheet, line = await appraisals.appraise(turn.work, key, line.mark, filled["words"])
    return Show("appraisals/one", {"sheet": sheet, "line": line})


WORDS = register(
    Form("appraise_words", (Field("words", Text(*appraisals.WORDS, lines=True)),), _add_words)
)


@button("appraisals.own", reads=True)
async def show_own(turn: Turn) -> Reply:
    return Show("appraisals/own", {"held": await appraisals.own(turn.work)}, private=True)
