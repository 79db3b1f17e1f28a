"""Anybody's pages: the catalogue of projects, each project, an offer to support one.

Nothing here says anything of a person; a project's organisation answers for it.
"""

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from models import OrganisationKind, Project, ServiceField
from services import organisations, project_evaluation, project_library, project_list, terms
from services.errors import Gone, Refusal
from services.project_list import Wanted
from services.work import Work
from web import doors
from web.keys import BOT_USERNAME, CLOCK, DATABASE, WORDS
from web.limits import LIMITS, Rate, client

routes = web.RouteTableDef()

LOOKS = Rate("projects", most=60)
"""Pages by one address in a minute."""
OFFERS = Rate("project_offers", most=5, seconds=3600.0)
"""By one address: nobody sponsors more in an hour."""
LONGEST_SEARCH = 60
NUL = "\0"
"""PostgreSQL keeps no text with it."""


@routes.get("/projects")
async def show_all(request: web.Request) -> web.Response:
    if _too_often(request, LOOKS):
        return _refused(request, "page_too_fast", web.HTTPTooManyRequests.status_code)
    typed = request.query.get("q", "").replace(NUL, "").strip()[:LONGEST_SEARCH]
    wanted = Wanted(typed, (), _key(request, "field"), _key(request, "town"))
    async with request.app[DATABASE].read() as session:
        work = doors.work(request, session)
        towns = await organisations.of_kind(session, OrganisationKind.TOWN_ASSOCIATION)
        fields = await terms.every(session, ServiceField)
        try:
            page = _key(request, "page") or 1
            found = await project_library.catalogue(work, wanted, page)
        except Gone:
            return _refused(request, "page_gone", web.HTTPNotFound.status_code)
    return _page(
        request, "projects/all", found=found, wanted=wanted, towns=towns, service_fields=fields
    )


@routes.get("/projects/{code:[0-9a-z]{4,12}}")
async def show(request: web.Request) -> web.Response:
    if _too_often(request, LOOKS):
        return _refused(request, "page_too_fast", web.HTTPTooManyRequests.status_code)
    try:
        return await _one(request)
    except Gone:
        return _refused(request, "page_gone", web.HTTPNotFound.status_code)


@routes.post("/projects/{code:[0-9a-z]{4,12}}")
async def offer(request: web.Request) -> web.Response:
    """Somebody who is not in the chat would support it."""
    if _too_often(request, LOOKS):
        return _refused(request, "page_too_fast", web.HTTPTooManyRequests.status_code)
    form = await request.post()
    name, what, contact = (
        str(form.get(one, "")).replace(NUL, "").strip() for one in ("name", "offer", "contact")
    )
    entered = {"name": name, "offer": what, "contact": contact}
    if _too_often(request, OFFERS):
        return _refused(request, "page_too_fast", web.HTTPTooManyRequests.status_code)
    try:
        async with request.app[DATABASE].write() as session:
            work = doors.work(request, session)
            project = await project_library.by_code(work, request.match_info["code"])
            await project_library.offer(work, project.id, name, what, contact)
    except Gone:
        return _refused(request, "page_gone", web.HTTPNotFound.status_code)
    except Refusal as refusal:
        return await _one(request, refusal=refusal, **entered)
    there = f"{request.path}?{urlencode({**request.query, 'sent': 1})}"
    raise web.HTTPSeeOther(there, headers=doors.HEADERS)


async def _one(
    request: web.Request, refusal: Refusal | None = None, **entered: str
) -> web.Response:
    """Raises Gone."""
    async with request.app[DATABASE].read() as session:
        work = doors.work(request, session)
        project = await project_library.by_code(work, request.match_info["code"])
        shown = await _described(work, project)
    why = ""
    if refusal is not None:
        why = request.app[WORDS].plain(refusal.template, language(request), **refusal.parameters)
    return _page(
        request,
        "projects/one",
        web.HTTPBadRequest.status_code if refusal else web.HTTPOk.status_code,
        entered=entered,
        why=why,
        sent="sent" in request.query,
        bot=request.app[BOT_USERNAME],
        **shown,
    )


async def _described(work: Work, project: Project) -> dict[str, Any]:
    outcome = await project_evaluation.published(work, project)
    return {
        "about": await project_list.describe(work, project),
        "voices": {voice.value: one for voice, one in outcome.voices.items()},
        "score": outcome.score(project_evaluation.shares(work)),
    }


def language(request: web.Request) -> str:
    """The one that was chosen on the page, else the browser's."""
    chosen = request.query.get("lang", "")
    return chosen if chosen in request.app[WORDS].languages else doors.language(request)


def _page(request: web.Request, template: str, status: int = 200, **shown: Any) -> web.Response:
    def here(**changed: Any) -> str:
        """The present address with some of its query changed; None takes a name out."""
        kept = {**request.query, **changed}
        wanted = {name: value for name, value in kept.items() if value is not None}
        wanted.pop("sent", None)
        return request.path + ("?" + urlencode(wanted) if wanted else "")

    lang = request.query.get("lang")
    return doors.page(request, template, language(request), status, here=here, lang=lang, **shown)


def _refused(request: web.Request, code: str, status: int) -> web.Response:
    why = request.app[WORDS].plain(f"errors/{code}", language(request))
    return _page(request, "projects/none", status, why=why)


def _too_often(request: web.Request, rate: Rate) -> bool:
    now = request.app[CLOCK]().timestamp()
    return request.app[LIMITS].exceeded(rate, client(request), now)


def _key(request: web.Request, name: str) -> int | None:
    """A whole number out of the address; None where it is none."""
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
