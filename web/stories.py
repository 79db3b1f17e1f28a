"""Anyone's page: the stories that volunteers told and coordinators published. Nothing is asked for.

Kept out of searches: what its author takes back must be gone.
"""

from aiohttp import web

from services import stories
from services.errors import Gone
from web import doors
from web.keys import CLOCK, DATABASE
from web.limits import LIMITS, Rate, client

routes = web.RouteTableDef()

LOOKS = Rate("stories", most=60)
"""Pages by one address in a minute."""
PHOTOS = Rate("story_photos", most=300)
KEPT = "private, max-age=300"
"""A photo may be shown so long after its story was taken back, by a browser that has it."""
HEADERS = {
    **doors.HEADERS,
    "Content-Security-Policy": doors.HEADERS["Content-Security-Policy"].replace(
        "img-src data:", "img-src 'self' data:"
    ),
}


@routes.get("/stories")
async def show_all(request: web.Request) -> web.Response:
    _check(request, LOOKS)
    number = request.query.get("page", "")
    async with request.app[DATABASE].read() as session:
        work = doors.work(request, session)
        page = int(number) if number.isascii() and number.isdigit() and len(number) < 6 else 1
        found = await stories.published(work, page)
        photos = await stories.first_photos(work, [story for story, _ in found.rows])
    return _page(request, "stories/public", slice=found, photos=photos)


@routes.get("/stories/{code:[0-9A-Za-z_-]{1,16}}")
async def show(request: web.Request) -> web.Response:
    _check(request, LOOKS)
    try:
        async with request.app[DATABASE].read() as session:
            found = await stories.by_code(doors.work(request, session), request.match_info["code"])
    except Gone:
        return _page(request, "stories/gone", web.HTTPNotFound.status_code)
    return _page(request, "stories/public_one", found=found)


@routes.get("/stories/{code:[0-9A-Za-z_-]{1,16}}/{photo:[0-9]{1,18}}.jpg")
async def show_photo(request: web.Request) -> web.Response:
    _check(request, PHOTOS)
    try:
        async with request.app[DATABASE].read() as session:
            code, key = request.match_info["code"], int(request.match_info["photo"])
            photo = await stories.photo(doors.work(request, session), code, key)
    except Gone:
        raise web.HTTPNotFound(headers=HEADERS) from None
    sent = {**HEADERS, "Cache-Control": KEPT}
    return web.Response(body=photo.content, content_type=photo.content_type, headers=sent)


def _check(request: web.Request, rate: Rate) -> None:
    """Raises HTTPTooManyRequests."""
    now = request.app[CLOCK]().timestamp()
    if request.app[LIMITS].exceeded(rate, client(request), now):
        raise web.HTTPTooManyRequests(headers=HEADERS)


def _page(request: web.Request, template: str, status: int = 200, **shown: object) -> web.Response:
    answer = doors.page(request, template, doors.language(request), status, **shown)
    answer.headers.update(HEADERS)
    return answer
