"""The page on which those whom a project served say how it was: no name, once from each browser.

A cookie tells browsers apart and nothing else; looking changes nothing but that.
"""

import secrets
from typing import Any

from aiohttp import web

from models import Indicator, Project
from models.sealed import keyring
from services import project_evaluation
from services.errors import Gone, Refusal
from web import doors
from web.keys import CLOCK, DATABASE, WORDS
from web.limits import LIMITS, Rate, client
from web.projects import language

routes = web.RouteTableDef()

COOKIE = "muster_evaluates"
PATH = "/evaluate/{token:[0-9A-Za-z_-]{1,80}}"
YEAR = 365 * 24 * 3600
LOOKS = Rate("evaluation_looks", most=60)
ANSWERS = Rate("evaluation_answers", most=20)
"""By one address in a minute: a hall full of people may share one."""
ANSWERS_A_DAY = Rate("evaluation_answers_a_day", most=300, seconds=24 * 3600.0)
SIGNATURE = 20
SCORES = tuple(str(one) for one in range(1, project_evaluation.BEST + 1))
NUL = "\0"


@routes.get(PATH)
async def ask(request: web.Request) -> web.Response:
    browser = _browser(request) or secrets.token_urlsafe(24)
    try:
        _slow(request, LOOKS)
        answer = await _form(request, browser)
    except Refusal as refusal:
        answer = _refused(request, refusal)
    signed = f"{browser}.{_sign(browser)}"
    answer.set_cookie(
        COOKIE, signed, max_age=YEAR, httponly=True, samesite="Lax", path="/evaluate",
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )  # fmt: skip
    return answer


@routes.post(PATH)
async def take(request: web.Request) -> web.Response:
    form = await request.post()
    browser = _browser(request)
    token = request.match_info["token"]
    try:
        _slow(request, ANSWERS)
        _slow(request, ANSWERS_A_DAY)
        if not browser:
            raise Refusal("project_no_cookie")
        scores = _scores(form)
        words = str(form.get("words", "")).replace(NUL, "").strip()
        async with request.app[DATABASE].write() as session:
            work = doors.work(request, session)
            _, indicators = await project_evaluation.asked(work, token, browser)
            if set(scores) != {one.id for one in indicators}:
                raise Refusal("project_score_all")
            await project_evaluation.answer(work, token, browser, scores, words)
    except Refusal as refusal:
        if refusal.code in ("project_score_all", "form_too_long"):
            return await _form(request, browser, refusal, form)
        return _refused(request, refusal)
    return doors.page(request, "projects/evaluated", language(request))


def _browser(request: web.Request) -> str:
    """What tells the browser from others; empty where this page has not given it that itself."""
    browser, _, signature = request.cookies.get(COOKIE, "").rpartition(".")
    genuine = keyring().has_signed(f"evaluates:{browser}", SIGNATURE, signature)
    return browser if genuine else ""


def _sign(browser: str) -> str:
    return keyring().sign(f"evaluates:{browser}", SIGNATURE)


def _scores(form: Any) -> dict[int, int]:
    """What was ticked; anything that the page did not offer is left out."""
    found = {}
    for name, value in form.items():
        key, text = name.removeprefix("i"), str(value)
        known = name != key and key.isascii() and key.isdigit() and len(key) < 19
        if known and text in SCORES:
            found[int(key)] = int(text)
    return found


async def _form(
    request: web.Request, browser: str, refusal: Refusal | None = None, entered: Any = None
) -> web.Response:
    """Raises Refusal."""
    async with request.app[DATABASE].read() as session:
        project, indicators = await project_evaluation.asked(
            doors.work(request, session), request.match_info["token"], browser
        )
    return _asked(request, project, indicators, refusal, entered or {})


def _asked(
    request: web.Request,
    project: Project,
    indicators: list[Indicator],
    refusal: Refusal | None,
    entered: Any,
) -> web.Response:
    why = ""
    if refusal is not None:
        why = request.app[WORDS].plain(refusal.template, language(request), **refusal.parameters)
    return doors.page(
        request,
        "projects/evaluate",
        language(request),
        web.HTTPBadRequest.status_code if refusal else web.HTTPOk.status_code,
        project=project,
        indicators=indicators,
        entered=entered,
        why=why,
    )


def _slow(request: web.Request, rate: Rate) -> None:
    """Raises Refusal for one too many."""
    now = request.app[CLOCK]().timestamp()
    if request.app[LIMITS].exceeded(rate, client(request), now):
        raise Refusal("page_too_fast")


def _refused(request: web.Request, refusal: Refusal) -> web.Response:
    template = "errors/answer_link_wrong" if isinstance(refusal, Gone) else refusal.template
    why = request.app[WORDS].plain(template, language(request), **refusal.parameters)
    status = (
        web.HTTPTooManyRequests.status_code
        if refusal.code == "page_too_fast"
        else web.HTTPGone.status_code
    )
    return doors.page(request, "projects/no_evaluation", language(request), status, why=why)
