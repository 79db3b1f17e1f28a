"""What all pages of the console share: who is logged in, forms that can't be forged, refusals.

    pages = Pages()

    @pages.look("/hours/{attendance_id}")              # GET, a transaction that only looks
    async def show(visit: Visit, attendance_id: int) -> Page: ...

    @pages.act("/hours/{attendance_id}", again=show)   # POST, a transaction that writes
    async def confirm(visit: Visit, attendance_id: int) -> Goto: ...

Path parameters are whole numbers, or texts where the function says so. What a rule refuses in an
act is said on the page `again`, which still holds what was entered.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar, get_type_hints
from urllib.parse import quote, urlencode

from aiohttp import BodyPartReader, MultipartReader, hdrs, web
from multidict import MultiDict, MultiDictProxy, MultiMapping
from sqlalchemy.ext.asyncio import AsyncSession

from models import ConsoleSession, LoginWay, Person
from services import access, sessions
from services.access import Right
from services.errors import Counted, Gone, NotAllowed, Refusal
from services.sessions import LoggedIn, NotLoggedIn
from services.words import Words
from services.work import Work
from web import live
from web.keys import CLOCK, DATABASE, POLICY, PUBLIC_URL, STREAMS, WORDS
from web.limits import LIMITS, Rate

BASE = "/console"
COOKIE = "muster_console"
TOKEN = "token"  # noqa: S105 - the name of a form's field
ACTS = Rate("console_acts", most=120)
"""By one session; nobody presses faster in earnest."""
MOST_STREAMS = 6
"""Live pages of one session at a time, as many as a browser opens to one server."""
LARGEST_KEY = 2**63 - 1
NUL = "\0"
"""PostgreSQL keeps no text with it, and nobody types it."""
LONGEST_TOKEN = 200

_SOURCES = {
    "default-src": "'none'",
    "style-src": "'self'",
    "script-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
IN_TELEGRAM = {"frame-ancestors": "https://web.telegram.org"}
"""Telegram in a browser shows a Mini App in a frame."""


def headers(**other: str) -> dict[str, str]:
    """Of every page; `other` sources replace those of the Content-Security-Policy."""
    sources = {**_SOURCES, **{name.replace("_", "-"): value for name, value in other.items()}}
    return {
        "Cache-Control": "no-store",
        "Referrer-Policy": "same-origin",
        "X-Robots-Tag": "noindex",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in sources.items()),
    }


# What a page is asked by, and what it answers


@dataclass(slots=True)
class Visit:
    """One request: who asks, what they sent, and the transaction in which it is answered."""

    request: web.Request
    work: Work
    logged_in: LoggedIn
    rights: frozenset[Right]
    form: MultiDictProxy[Any]
    refused: str = ""
    """Why what was sent was not done, in the person's language."""

    @property
    def query(self) -> MultiMapping[str]:
        return self.request.query

    @property
    def words(self) -> Words:
        return self.request.app[WORDS]

    @property
    def language(self) -> str:
        return self.logged_in.person.language

    def number(self, name: str, default: int = 0) -> int:
        """A whole number out of the address; the default where it is none."""
        return _number(self.query.get(name, "")) if self.query.get(name) else default

    def keys(self, name: str) -> list[int]:
        """The whole numbers of a field that may come several times. Raises Gone."""
        return [_key(str(value)) for value in self.form.getall(name, [])]

    def key(self, name: str) -> int:
        """The whole number of a field. Raises Gone."""
        return _key(str(self.form.get(name, "")))


@dataclass(frozen=True, slots=True)
class Page:
    """A template, `templates/<template>.html`, and what it shows."""

    template: str
    shown: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    sources: Mapping[str, str] = field(default_factory=dict)
    """Sources of the Content-Security-Policy that this page needs besides its own."""


@dataclass(frozen=True, slots=True)
class Goto:
    """Another page of the console; `done` names a notice of `templates/console/_notices.html`."""

    path: str
    done: str = ""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file that is made once the transaction is over."""

    filename: str
    content_type: str
    make: Callable[[], Awaitable[bytes]]
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Later:
    """What is sent bit by bit once the transaction is over, see `web.console.downloads`."""

    send: Callable[[web.Request], Awaitable[web.StreamResponse]]


Answer = Page | Goto | Download | Later | web.StreamResponse
Function = Callable[..., Awaitable[Any]]
F = TypeVar("F", bound=Function)


@dataclass(frozen=True, slots=True)
class Entry:
    """A page as the route table has it."""

    method: str
    path: str
    function: Function
    live: bool = False
    """A stream and not a page."""


ENTRIES: list[Entry] = []
"""All pages of the console, as they are declared."""


# Declaring


class Pages(web.RouteTableDef):
    """The pages of a topic."""

    def look(self, path: str) -> Callable[[F], F]:
        """GET, in a transaction that only looks."""

        def register(function: F) -> F:
            async def answer(request: web.Request) -> web.StreamResponse:
                try:
                    return await _look(request, function)
                except Refusal as refusal:
                    return await refused(request, refusal)

            self._add(hdrs.METH_GET, path, function, answer)
            return function

        return register

    def act(
        self, path: str, *, again: Function | None = None, largest: int | None = None
    ) -> Callable[[F], F]:
        """POST with the form's token, in a transaction that writes; `largest` in bytes."""

        def register(function: F) -> F:
            async def answer(request: web.Request) -> web.StreamResponse:
                if largest is not None:
                    request = request.clone(client_max_size=largest)
                try:
                    return await _act(request, function, again)
                except Refusal as refusal:
                    return await refused(request, refusal)

            self._add(hdrs.METH_POST, path, function, answer)
            return function

        return register

    def upload(self, path: str, *, again: Function) -> Callable[[F], F]:
        """POST whose parts the function takes as they come, in transactions of its own.

        The form's token must be the first of them.
        """

        def register(function: F) -> F:
            async def answer(request: web.Request) -> web.StreamResponse:
                try:
                    return await _upload(request, function, again)
                except Refusal as refusal:
                    return await refused(request, refusal)

            self._add(hdrs.METH_POST, path, function, answer)
            return function

        return register

    def live(self, path: str) -> Callable[[F], F]:
        """Server-sent events: the function's page anew, whenever it has changed."""

        def register(function: F) -> F:
            async def answer(request: web.Request) -> web.StreamResponse:
                async def look() -> str:
                    async with request.app[DATABASE].read() as session:
                        visit = await _visit(request, session)
                        return _rendered(visit, await function(visit, **_keys(request, function)))

                try:
                    await look()
                    with _counted(request):
                        return await live.follow(request, look, str)
                except Refusal as refusal:
                    return await refused(request, refusal)

            self._add(hdrs.METH_GET, path, function, answer, live=True)
            return function

        return register

    def _add(
        self, method: str, path: str, function: Function, answer: Any, *, live: bool = False
    ) -> None:
        hints = get_type_hints(function)
        for name in inspect.signature(function).parameters:
            if hints.get(name) is int:
                path = path.replace(f"{{{name}}}", f"{{{name}:[0-9]{{1,19}}}}")
        ENTRIES.append(Entry(method, BASE + path, function, live))
        self.route(method, BASE + path)(answer)


@contextmanager
def _counted(request: web.Request) -> Iterator[None]:
    """Raises Refusal for one stream too many of a session."""
    streams, cookie = request.app[STREAMS], request.cookies.get(COOKIE, "")
    if streams[cookie] >= MOST_STREAMS:
        raise Refusal("page_too_fast")
    streams[cookie] += 1
    try:
        yield
    finally:
        streams[cookie] -= 1
        if not streams[cookie]:
            del streams[cookie]


# Answering


async def _look(request: web.Request, function: Function) -> web.StreamResponse:
    _require_text(request.query.values())
    async with request.app[DATABASE].read() as session:
        visit = await _visit(request, session)
        answer = await function(visit, **_keys(request, function))
    if sessions.is_to_be_noted(visit.work, visit.logged_in.session):
        async with request.app[DATABASE].write() as session:
            await sessions.note_use(_work(request, session), visit.logged_in.session.id)
    return await _respond(visit, answer)


async def _act(
    request: web.Request, function: Function, again: Function | None
) -> web.StreamResponse:
    form = await request.post()
    _require_token(request, str(form.get(TOKEN, "")))
    _require_text([*request.query.values(), *form.values()])

    async def run(session: AsyncSession) -> tuple[Visit, Answer | Counted]:
        visit = await _visit(request, session, form)
        await sessions.note_use(visit.work, visit.logged_in.session.id)
        try:
            return visit, await function(visit, **_keys(request, function))
        except Counted as refusal:
            return visit, refusal

    try:
        visit, answer = await request.app[DATABASE].transact(run)
        if isinstance(answer, Counted):
            raise answer
    except (NotAllowed, Gone, NotLoggedIn):
        raise
    except Refusal as refusal:
        if again is None:
            raise
        return await _again(request, again, form, refusal)
    return await _respond(visit, answer)


async def _upload(request: web.Request, function: Function, again: Function) -> web.StreamResponse:
    """Nothing is read of somebody's file before it is known who they are."""
    parts = await _parts(request)
    async with request.app[DATABASE].read() as session:
        visit = await _visit(request, session)
    try:
        return await _respond(visit, await function(visit, parts, **_keys(request, function)))
    except (NotAllowed, Gone, NotLoggedIn):
        raise
    except Refusal as refusal:
        return await _again(request, again, visit.form, refusal)


async def _parts(request: web.Request) -> MultipartReader:
    """What follows the token. Raises Refusal."""
    if not request.content_type.startswith("multipart/"):
        _require_token(request, "")
    parts = await request.multipart()
    first = await parts.next()
    said = ""
    if isinstance(first, BodyPartReader) and first.name == TOKEN:
        said = bytes(await first.read_chunk(LONGEST_TOKEN)).decode(errors="replace")
    _require_token(request, said)
    return parts


async def _again(
    request: web.Request, function: Function, form: MultiDictProxy[Any], refusal: Refusal
) -> web.StreamResponse:
    """The page of a form whose answers a rule refused, with all that was entered."""
    async with request.app[DATABASE].read() as session:
        visit = await _visit(request, session, form)
        visit.refused = visit.words.plain(refusal.template, visit.language, **refusal.parameters)
        answer = await function(visit, **_keys(request, function))
    return await _respond(visit, answer, web.HTTPBadRequest.status_code)


def _require_token(request: web.Request, said: str) -> None:
    """Raises Refusal for a form that is not this browser's, and in a flood."""
    cookie = request.cookies.get(COOKIE, "")
    if not sessions.is_token(cookie, said):
        raise Refusal("page_form_stale")
    if request.app[LIMITS].exceeded(ACTS, cookie, request.app[CLOCK]().timestamp()):
        raise Refusal("page_too_fast")


def _require_text(said: Iterable[Any]) -> None:
    """Raises Gone for what no column can hold."""
    if any(NUL in one for one in said if isinstance(one, str)):
        raise Gone


async def _visit(
    request: web.Request, session: AsyncSession, form: MultiDictProxy[Any] | None = None
) -> Visit:
    """Raises NotLoggedIn."""
    work = _work(request, session)
    logged_in = await sessions.current(work, request.cookies.get(COOKIE, ""))
    work = work.acting_as(logged_in.person)
    sent = MultiDictProxy(MultiDict[Any]()) if form is None else form
    return Visit(request, work, logged_in, await access.rights(work), sent)


def _work(request: web.Request, session: AsyncSession) -> Work:
    return Work(session, request.app[CLOCK](), request.app[POLICY])


def _keys(request: web.Request, function: Function) -> dict[str, Any]:
    """What the address names, as the function takes it. Raises Gone."""
    hints = get_type_hints(function)
    return {
        name: _key(value) if hints.get(name) is int else value
        for name, value in request.match_info.items()
    }


def _key(text: str) -> int:
    """Raises Gone, also for what no column can hold."""
    number = _number(text)
    if not 0 <= number <= LARGEST_KEY:
        raise Gone
    return number


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else -1


async def _respond(visit: Visit, answer: Answer, status: int | None = None) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    if isinstance(answer, Goto):
        where = {**headers(), "Location": _address(answer)}
        return web.Response(status=web.HTTPSeeOther.status_code, headers=where)
    if isinstance(answer, Download):
        return await _file(answer)
    if isinstance(answer, Later):
        return await answer.send(visit.request)
    inside = visit.logged_in.session.way is LoginWay.MINI_APP
    sources = {**(IN_TELEGRAM if inside else {}), **answer.sources}
    return web.Response(
        text=_rendered(visit, answer),
        content_type="text/html",
        headers=headers(**sources),
        status=status or answer.status,
    )


def _address(goto: Goto) -> str:
    notice: dict[str, Any] = {"done": goto.done} if goto.done else {}
    if goto.number is not None:
        notice["n"] = goto.number
    mark = "&" if "?" in goto.path else "?"
    return BASE + goto.path + (mark + urlencode(notice) if notice else "")


async def _file(download: Download) -> web.Response:
    how = "inline" if download.inline else "attachment"
    name = f"{how}; filename*=UTF-8''{quote(download.filename)}"
    return web.Response(
        body=await download.make(),
        content_type=download.content_type,
        headers={**headers(), "Content-Disposition": name},
    )


def saved_as(filename: str) -> str:
    """The value of Content-Disposition for a file to be kept."""
    return f"attachment; filename*=UTF-8''{quote(filename)}"


def _rendered(visit: Visit, page: Page) -> str:
    frame = Frame(visit)
    shown = {"form": visit.form, "query": visit.query, **page.shown}
    return visit.words.page(page.template, visit.language, frame=frame, **shown)


# The frame round every page


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the navigation; without a right it is everyone's."""

    name: str
    path: str
    icon: str
    right: Right | None = None
    group: str = "daily"
    """Under which heading it stands: those of one stand together."""
    also: tuple[str, ...] = ()
    """Other addresses that belong to it."""

    def has(self, path: str) -> bool:
        return any(path == one or path.startswith(one + "/") for one in (self.path, *self.also))


SECTIONS = (
    Section("today", "", "sunrise"),
    Section("volunteers", "/volunteers", "people", Right.SEE_VOLUNTEERS),
    Section(
        "activities", "/activities", "calendar3", Right.TAKE_ROLL, also=("/shifts", "/enrolments")
    ),
    Section("hours", "/hours", "clock-history", Right.CONFIRM_HOURS),
    Section("broadcasts", "/broadcasts", "megaphone", Right.ANNOUNCE),
    Section("callouts", "/callouts", "broadcast-pin", Right.LAUNCH_CALLOUTS),
    Section(
        "organisations",
        "/organisations",
        "diagram-3",
        Right.SEE_VOLUNTEERS,
        "federation",
        also=("/plans", "/checklist"),
    ),
    Section("projects", "/projects", "folder2-open", Right.REVIEW_PROJECTS, "federation"),
    Section("care", "/care", "heart", Right.CARE, "federation"),
    Section("courses", "/courses", "mortarboard", Right.PLAN_ACTIVITIES, "federation"),
    Section("teams", "/teams", "life-preserver", Right.PLAN_DUTY, "federation"),
    Section("recognition", "/recognition", "award", Right.RECOGNISE, "federation"),
    Section("feedback", "/feedback", "chat-heart", Right.SEE_STATISTICS, "federation"),
    Section("insurance", "/insurance", "shield-check", Right.PLAN_ACTIVITIES, "federation"),
    Section("incidents", "/incidents", "bandaid", Right.PLAN_ACTIVITIES, "federation"),
    Section("kinds", "/kinds", "person-hearts", Right.SEE_VOLUNTEERS, "federation"),
    Section("affiliates", "/affiliates", "building", Right.SEE_VOLUNTEERS, "federation"),
    Section("stories", "/stories", "book", Right.ANNOUNCE, "federation"),
    Section("series", "/series", "lightbulb", Right.ANNOUNCE, "federation"),
    Section("days", "/days", "calendar-heart", Right.PLAN_ACTIVITIES, "federation"),
    Section("statistics", "/statistics", "bar-chart-line", Right.SEE_STATISTICS, "office"),
    Section("certificates", "/certificates", "patch-check", Right.ISSUE_CERTIFICATES, "office"),
    Section("imports", "/imports", "file-earmark-arrow-up", Right.IMPORT, "office"),
    Section("exchange", "/exchange", "plug", Right.EXCHANGE, "office"),
    Section("audit", "/audit", "journal-text", Right.SEE_AUDIT, "office"),
    Section("settings", "/settings", "gear", group="office"),
)


class Frame:
    """What the layout needs of a visit."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    @property
    def person(self) -> Person:
        return self._visit.logged_in.person

    @property
    def session(self) -> ConsoleSession:
        return self._visit.logged_in.session

    @property
    def rights(self) -> frozenset[str]:
        """For what is only shown to those who may use it; the services decide."""
        return frozenset(right.value for right in self._visit.rights)

    @property
    def groups(self) -> list[tuple[str, list[Section]]]:
        """The navigation: what the visitor may open, under its headings."""
        rights = self._visit.rights
        open_ones = [one for one in SECTIONS if one.right is None or one.right in rights]
        return [(name, list(some)) for name, some in groupby(open_ones, lambda one: one.group)]

    @property
    def section(self) -> str:
        """The section that the present page belongs to."""
        path = self._visit.request.path.removeprefix(BASE)
        found = [one for one in SECTIONS if one.has(path)]
        return max(found, key=lambda one: len(one.path)).name if found else ""

    @property
    def token(self) -> str:
        return sessions.token(self._visit.request.cookies.get(COOKIE, ""))

    @property
    def refused(self) -> str:
        return self._visit.refused

    @property
    def done(self) -> str:
        return self._visit.query.get("done", "")

    @property
    def number(self) -> int:
        return self._visit.number("n")

    @property
    def path(self) -> str:
        return self._visit.request.path

    def here(self, **changed: Any) -> str:
        """The present address with some of its query changed; None takes a name out."""
        kept = [(k, v) for k, v in self._visit.query.items() if k not in {*changed, "done", "n"}]
        wanted = kept + [(k, v) for k, v in changed.items() if v is not None]
        return self._visit.request.path + ("?" + urlencode(wanted) if wanted else "")


# Refusals

STATUS = {
    "not_allowed": web.HTTPForbidden.status_code,
    "gone": web.HTTPNotFound.status_code,
    "page_form_stale": web.HTTPForbidden.status_code,
    "page_too_fast": web.HTTPTooManyRequests.status_code,
}


async def refused(request: web.Request, refusal: Refusal) -> web.Response:
    """A page that says why, and how to go on."""
    if isinstance(refusal, NotLoggedIn):
        return stranger(request, "console/closed", web.HTTPUnauthorized.status_code)
    status = STATUS.get(refusal.code, web.HTTPConflict.status_code)
    async with request.app[DATABASE].read() as session:
        try:
            visit = await _visit(request, session)
        except NotLoggedIn:
            return stranger(request, "console/closed", web.HTTPUnauthorized.status_code)
    why = "errors/page_gone" if isinstance(refusal, Gone) else refusal.template
    visit.refused = visit.words.plain(why, visit.language, **refusal.parameters)
    page = Page("console/refused", status=status)
    return web.Response(
        text=_rendered(visit, page), content_type="text/html", headers=headers(), status=status
    )


def stranger(
    request: web.Request,
    template: str,
    status: int = 200,
    sources: Mapping[str, str] | None = None,
    **shown: Any,
) -> web.Response:
    """A page for whoever is not logged in, in the language of the browser."""
    wanted = request.headers.get("Accept-Language", "").split(",")[0].split(";")[0].strip()
    language = request.app[WORDS].language_for(wanted)
    text = request.app[WORDS].page(template, language, **shown)
    sent = headers(**(sources or {}))
    return web.Response(text=text, content_type="text/html", headers=sent, status=status)


def is_secure(request: web.Request) -> bool:
    """Whether cookies may only go by https: everywhere but where pages are served without it."""
    return request.app[PUBLIC_URL].startswith("https://")
