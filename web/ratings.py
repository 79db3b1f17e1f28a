"""Recipients rate an activity by its link: no login, no script, once from each browser.

A browser is known by a cookie that says nothing of anybody; the database keeps a keyed hash of it.
"""

from aiohttp import web

from models import Activity, Rating, Shift
from services import ratings
from services.errors import Gone, Refusal
from web import doors
from web.keys import DATABASE, WORDS
from web.limits import LIMITS, Rate, client

routes = web.RouteTableDef()

LOOKS = Rate("rate_looks", most=60)
"""By one address in a minute: a hall full of people on one network, but nobody who tries codes."""
SENDS = Rate("rate_sends", most=120, seconds=3600.0)
"""By one address in an hour."""
COOKIE = "muster_rater"
PATH = "/rate/{code:[0-9A-Za-z_-]{3,60}}"
YEAR = 365 * 24 * 3600


@routes.get(PATH)
async def ask(request: web.Request) -> web.Response:
    if _too_often(request, LOOKS):
        return _refused(request, Refusal("page_too_fast"), web.HTTPTooManyRequests.status_code)
    async with request.app[DATABASE].read() as session:
        work = doors.work(request, session)
        try:
            activity, shift = await ratings.by_code(work, request.match_info["code"])
        except Refusal as refusal:
            return _refused(request, refusal)
        visitor = request.cookies.get(COOKIE, "")
        given = await ratings.of_visitor(work, activity.id, visitor) if visitor else None
        return _asked(request, activity, shift, given)


@routes.post(PATH)
async def send(request: web.Request) -> web.Response:
    """Without the cookie of the page that was opened, nothing counts."""
    form = await request.post()
    visitor = request.cookies.get(COOKIE, "")
    if _too_often(request, SENDS):
        return _refused(request, Refusal("page_too_fast"), web.HTTPTooManyRequests.status_code)
    said = str(form.get("stars", ""))
    stars = int(said) if said in {str(one) for one in ratings.STARS} else 0
    words = str(form.get("words", "")).replace("\0", "").strip()
    code = request.match_info["code"]
    try:
        if not visitor:
            raise Refusal("rating_cookie")
        async with request.app[DATABASE].write() as session:
            work = doors.work(request, session)
            await ratings.rate_as_recipient(work, code, visitor, stars, words)
    except Gone as gone:
        return _refused(request, gone)
    except Refusal as refusal:
        return await _again(request, refusal, stars, words)
    raise web.HTTPSeeOther(f"/rate/{code}", headers=doors.HEADERS)


async def _again(request: web.Request, refusal: Refusal, stars: int, words: str) -> web.Response:
    """The form with what was entered, and what is wrong with it."""
    async with request.app[DATABASE].read() as session:
        work = doors.work(request, session)
        try:
            activity, shift = await ratings.by_code(work, request.match_info["code"])
        except Refusal as closed:
            return _refused(request, closed)
        return _asked(request, activity, shift, None, refusal=refusal, stars=stars, words=words)


def _too_often(request: web.Request, rate: Rate) -> bool:
    now = doors.work(request, None).now.timestamp()
    return request.app[LIMITS].exceeded(rate, client(request), now)


def _asked(
    request: web.Request,
    activity: Activity,
    shift: Shift,
    given: Rating | None,
    *,
    refusal: Refusal | None = None,
    stars: int = 0,
    words: str = "",
) -> web.Response:
    page = doors.page(
        request,
        "rate/ask",
        doors.language(request),
        web.HTTPBadRequest.status_code if refusal else web.HTTPOk.status_code,
        activity=activity,
        shift=shift,
        given=given,
        wrong=_said(request, refusal) if refusal else "",
        stars=stars,
        words=words,
        most=ratings.WORDS[1],
    )
    if not request.cookies.get(COOKIE):
        page.set_cookie(
            COOKIE, ratings.new_visitor(), max_age=YEAR, httponly=True, samesite="Lax",
            path="/rate",
            secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        )  # fmt: skip
    return page


def _refused(
    request: web.Request, refusal: Refusal, status: int = web.HTTPNotFound.status_code
) -> web.Response:
    said = "" if isinstance(refusal, Gone) else _said(request, refusal)
    return doors.page(request, "rate/closed", doors.language(request), status, said=said)


def _said(request: web.Request, refusal: Refusal) -> str:
    words = request.app[WORDS]
    return words.plain(refusal.template, doors.language(request), **refusal.parameters)
