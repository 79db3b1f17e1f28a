"""The page behind a link in a text message or an e-mail: the message and its buttons.

Works on an old phone, without a script or a login. Looking changes nothing, since link previews and
mail scanners look, too.
"""

import logging
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from services import answer_links
from services.answer_links import Letter
from services.errors import Refusal
from services.words import Rendered
from services.work import Work
from web.keys import ACT, CLOCK, DATABASE, ON_PAGE, POLICY, WORDS
from web.limits import LIMITS, Rate

log = logging.getLogger(__name__)

routes = web.RouteTableDef()

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
}
PRESSES = Rate("answer_presses", most=10)
"""By one link; nobody presses faster in earnest."""
LONGEST_PRESS = 200
PATH = "/a/{token:[0-9A-Za-z_-]{1,80}}"


@routes.get(PATH)
async def show(request: web.Request) -> web.Response:
    try:
        delivery_id = _read(request)
        async with request.app[DATABASE].read() as session:
            return _page(request, await _letter(request, _work(request, session), delivery_id))
    except Refusal as refusal:
        return _refused(request, refusal)


@routes.post(PATH)
async def press(request: web.Request) -> web.Response:
    """Only what stands under the message, or was shown in answer, can be pressed here.

    Nobody waits for a transaction because of a forged link or of a flood.
    """
    try:
        delivery_id = _read(request)
        now = request.app[CLOCK]().timestamp()
        if request.app[LIMITS].exceeded(PRESSES, delivery_id, now):
            return _apology(request, "errors/answer_link_fast", web.HTTPTooManyRequests.status_code)
        value = str((await request.post()).get("press", ""))[:LONGEST_PRESS]
        return await request.app[DATABASE].transact(
            lambda session: _press(request, _work(request, session), delivery_id, value)
        )
    except Refusal as refusal:
        return _refused(request, refusal)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("answer failed")
        return _apology(request, "errors/answer_failed", web.HTTPInternalServerError.status_code)


async def _press(request: web.Request, work: Work, delivery_id: int, value: str) -> web.Response:
    letter = await _letter(request, work, delivery_id)
    action = answer_links.pressed(letter, value, request.app[ON_PAGE])
    if action is None:
        stale = request.app[WORDS].render("errors/answer_stale", letter.language)
        return _page(request, letter, [stale], web.HTTPBadRequest.status_code)
    await answer_links.answered(work, delivery_id)
    shown = await request.app[ACT](work.acting_as(letter.person), letter.account, action)
    return _page(request, letter, shown)


def _read(request: web.Request) -> int:
    return answer_links.read(request.match_info["token"], request.app[CLOCK]())


def _work(request: web.Request, session: Any) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])


async def _letter(request: web.Request, work: Work, delivery_id: int) -> Letter:
    return await answer_links.open_letter(work, delivery_id, request.app[WORDS])


def _page(
    request: web.Request, letter: Letter, shown: Sequence[Rendered] = (), status: int = 200
) -> web.Response:
    on_page = request.app[ON_PAGE]
    text = request.app[WORDS].page(
        "answers/letter",
        letter.language,
        name=answer_links.first_name(letter.person.name),
        text=letter.rendered.unformatted,
        buttons=answer_links.offered(letter.rendered, on_page),
        answers=[one.unformatted for one in shown],
        steps=answer_links.steps(letter, shown, on_page),
    )
    return web.Response(text=text, content_type="text/html", headers=HEADERS, status=status)


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    """Forged, expired or out of date."""
    template = "errors/answer_link_wrong" if refusal.code == "gone" else refusal.template
    return _apology(request, template, web.HTTPGone.status_code, **refusal.parameters)


def _apology(request: web.Request, template: str, status: int, **parameters: Any) -> web.Response:
    """In the language of the browser: nothing is known of the reader."""
    words = request.app[WORDS]
    wanted = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    language = words.language_for(wanted)
    why = words.plain(template, language, **parameters)
    text = words.page("answers/refused", language, why=why)
    return web.Response(text=text, content_type="text/html", headers=HEADERS, status=status)
