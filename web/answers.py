"""The page behind a link in a text message or an e-mail: the message and its buttons.

Works on an old phone, without a script or a login. Looking changes nothing, since link previews and
mail scanners look, too.
"""

from collections import deque
from typing import Any

from aiohttp import web

from services import answer_links
from services.answer_links import Letter
from services.errors import Refusal
from services.words import Rendered
from services.work import Work
from web.keys import ACT, CLOCK, DATABASE, POLICY, WORDS

routes = web.RouteTableDef()

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
}
MOST_PRESSES, WITHIN = 10, 60.0
"""So many presses a minute by one link; nobody presses faster in earnest."""
REMEMBERED = 1000
PATH = "/a/{token:[0-9A-Za-z_-]{1,80}}"


class Presses:
    """When each link was pressed last."""

    def __init__(self) -> None:
        self._at: dict[int, deque[float]] = {}

    def too_many(self, delivery_id: int, now: float) -> bool:
        times = self._at.pop(delivery_id, deque())
        while times and times[0] <= now - WITHIN:
            times.popleft()
        times.append(now)
        self._at[delivery_id] = times
        if len(self._at) > REMEMBERED:
            del self._at[next(iter(self._at))]
        if len(times) <= MOST_PRESSES:
            return False
        times.pop()
        return True


PRESSES: web.AppKey[Presses] = web.AppKey("presses")


@routes.get(PATH)
async def show(request: web.Request) -> web.Response:
    try:
        async with request.app[DATABASE].read() as session:
            letter = await _letter(request, _work(request, session))
    except Refusal as refusal:
        return _refused(request, refusal)
    return _page(request, letter)


@routes.post(PATH)
async def press(request: web.Request) -> web.Response:
    """Only what stands under the message can be pressed here."""
    pressed = str((await request.post()).get("press", ""))
    try:
        async with request.app[DATABASE].write() as session:
            work = _work(request, session)
            letter = await _letter(request, work)
            if pressed not in {button.action for button in letter.buttons if button.action}:
                raise web.HTTPBadRequest
            if request.app[PRESSES].too_many(letter.delivery_id, work.now.timestamp()):
                raise web.HTTPTooManyRequests
            await answer_links.answered(work, request.match_info["token"])
            shown = await request.app[ACT](work.acting_as(letter.person), letter.account, pressed)
    except Refusal as refusal:
        return _refused(request, refusal)
    return _page(request, letter, shown)


def _work(request: web.Request, session: Any) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])


async def _letter(request: web.Request, work: Work) -> Letter:
    token = request.match_info["token"]
    return await answer_links.open_letter(work, token, request.app[WORDS])


def _page(
    request: web.Request, letter: Letter, shown: list[Rendered] | None = None
) -> web.Response:
    text = request.app[WORDS].page(
        "answers/letter",
        letter.language,
        name=letter.first_name,
        text=letter.rendered.unformatted,
        rows=letter.rendered.keyboard.buttons,
        answers=[one.unformatted for one in shown or []],
    )
    return web.Response(text=text, content_type="text/html", headers=HEADERS)


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    """Forged, expired or out of date, in the reader's language: the link says nothing more."""
    words = request.app[WORDS]
    wanted = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    language = words.language_for(wanted)
    why = words.plain(refusal.template, language, **refusal.parameters)
    if refusal.code == "gone":
        why = words.plain("errors/answer_link_wrong", language)
    text = words.page("answers/refused", language, why=why)
    return web.Response(text=text, content_type="text/html", headers=HEADERS, status=410)
