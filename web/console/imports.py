"""Importing at a desk: send a file, say what its columns are, look at the faults, let it go."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import segno
from aiohttp import BodyPartReader, MultipartReader

from models import Import, ImportKind, Organisation, ServiceField
from services import access, claiming, columns, imports, terms, typesetting
from services.access import Right
from services.columns import Fault
from services.errors import Gone, Refusal
from services.imports import PAGE, PIECE, Wrong
from services.sheets import Column, Kind, Marked
from services.words import Words
from services.work import Work
from web.console.downloads import spreadsheet
from web.console.framework import Download, Goto, Later, Page, Pages, Visit
from web.keys import BOT_USERNAME, CLOCK, DATABASE, POLICY

pages = Pages()

LONGEST_FIELD = 200
DIGITS = 18
LAST_PAGE = 10**9
FAULT = "imports/fault"


def _page(visit: Visit) -> int:
    return min(max(1, visit.number("page", 1)), LAST_PAGE)


def _whole(text: str) -> int | None:
    """A number that the database can hold and count on from."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS else None


@pages.look("/imports")
async def show_all(visit: Visit) -> Page:
    work = visit.work
    number = _page(visit)
    found, count = await imports.listed(work, number - 1)
    return Page(
        "console/imports/list",
        {
            "imports": found,
            "page": number,
            "pages": max(1, -(-count // PAGE)),
            "organisations": await access.subtrees_with(work, Right.IMPORT),
            "kinds": [kind.value for kind in await imports.kinds(work)],
            "policy": work.policy,
        },
    )


@pages.upload("/imports", again=show_all)
async def take(visit: Visit, parts: MultipartReader) -> Goto:
    """The file goes into the database piece by piece, sealed, and nowhere else."""
    fields: dict[str, str] = {}
    while isinstance(part := await parts.next(), BodyPartReader):
        if part.filename is None:
            said = await part.read_chunk(LONGEST_FIELD)
            fields[part.name or ""] = bytes(said).decode(errors="replace")
            continue
        import_id = await _begin(visit, fields, part.filename)
        await _take(visit, import_id, part)
        return Goto(f"/imports/{import_id}")
    raise Refusal("import_empty")


async def _begin(visit: Visit, fields: dict[str, str], filename: str) -> int:
    """Raises Gone or NotAllowed."""
    kind, organisation = fields.get("kind", ""), _whole(fields.get("organisation", ""))
    if kind not in set(ImportKind) or organisation is None:
        raise Gone
    async with visit.request.app[DATABASE].write() as session:
        found = await imports.begin(_work(visit, session), ImportKind(kind), organisation, filename)
        return found.id


async def _take(visit: Visit, import_id: int, part: BodyPartReader) -> None:
    number, piece = 0, b""
    ended = False
    while not ended:
        chunk = bytes(await part.read_chunk(PIECE))
        piece += chunk
        ended = not chunk
        if piece and (ended or len(piece) >= PIECE):
            async with visit.request.app[DATABASE].write() as session:
                await imports.add_piece(_work(visit, session), import_id, number, piece)
            number, piece = number + 1, b""
    async with visit.request.app[DATABASE].write() as session:
        await imports.sent(_work(visit, session), import_id)


def _work(visit: Visit, session: Any) -> Work:
    app = visit.request.app
    return Work(session, app[CLOCK](), app[POLICY], visit.logged_in.person)


@pages.look("/imports/{import_id}")
async def show(visit: Visit, import_id: int) -> Page:
    work = visit.work
    found = await imports.seen(work, import_id)
    number = _page(visit)
    wrong, count = await imports.wrong_rows(work, import_id, number - 1)
    say = _Sayer(visit.words, visit.language, found)
    return Page(
        "console/imports/show",
        {
            "import": found,
            "organisation": await work.session.get_one(Organisation, found.organisation_id),
            "progress": await imports.progress(work, import_id),
            "fields": columns.FIELDS[found.kind],
            "service_fields": await terms.every(work.session, ServiceField),
            "wrong": [(row, [(one, say(one)) for one in row.faults]) for row in wrong],
            "wrong_count": count,
            "page": number,
            "pages": max(1, -(-count // PAGE)),
            "slips": await claiming.waiting(work, import_id),
            "slips_each": claiming.SLIPS,
            "policy": work.policy,
        },
    )


@pages.live("/imports/{import_id}/live")
async def follow(visit: Visit, import_id: int) -> Page:
    progress = await imports.progress(visit.work, import_id)
    return Page("console/imports/_progress", {"progress": progress})


@pages.act("/imports/{import_id}/check", again=show)
async def check(visit: Visit, import_id: int) -> Goto:
    found = await imports.seen(visit.work, import_id)
    width = len((found.head or {}).get("cells", []))
    mapping = [str(visit.form.get(f"column-{at}", "")) for at in range(width)]
    options = {
        "texts": bool(visit.form.get("texts")),
        "told": bool(visit.form.get("told")),
        "field": _whole(str(visit.form.get("field", ""))),
    }
    await imports.check(visit.work, import_id, mapping, options)
    return Goto(f"/imports/{import_id}")


@pages.act("/imports/{import_id}/go", again=show)
async def go(visit: Visit, import_id: int) -> Goto:
    await imports.go(visit.work, import_id)
    return Goto(f"/imports/{import_id}")


@pages.act("/imports/{import_id}/stop", again=show)
async def stop(visit: Visit, import_id: int) -> Goto:
    await imports.stop(visit.work, import_id)
    return Goto(f"/imports/{import_id}")


@pages.act("/imports/{import_id}/erase", again=show)
async def erase(visit: Visit, import_id: int) -> Goto:
    await imports.erase(visit.work, import_id)
    return Goto(f"/imports/{import_id}")


# The file back, with what is wrong


@pages.act("/imports/{import_id}/rows", again=show)
async def fetch(visit: Visit, import_id: int) -> Later:
    """The same rows, those at fault marked, to be corrected and imported again."""
    found = await imports.taken_along(visit.work, import_id)
    only_wrong = visit.form.get("which") == "wrong"
    say = _Sayer(visit.words, visit.language, found)
    headings = list((found.head or {}).get("cells", []))
    if not any(headings):
        headings = [
            visit.words.plain("imports/field", visit.language, name=name) for name in found.mapping
        ]
    told = visit.words.plain("imports/what_is_wrong", visit.language)

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        async for row in imports.rows(work, import_id, only_wrong=only_wrong):
            yield _line(row, len(headings), say)

    made = [*(Column(heading) for heading in headings), Column(told, Kind.TEXT, 60)]
    return spreadsheet(visit, f"import-{import_id}.xlsx", made, rows)


def _line(row: Wrong, width: int, say: "_Sayer") -> list[Any]:
    cells: list[Any] = [*row.cells, *[""] * (width - len(row.cells))][:width]
    for fault in row.faults:
        if fault.column is not None and fault.column < width:
            value = cells[fault.column]
            cells[fault.column] = Marked(
                value.value if isinstance(value, Marked) else value, say(fault)
            )
    return [*cells, "\n".join(say.with_column(fault) for fault in row.faults)]


class _Sayer:
    """Faults in somebody's language; the same words are rendered once."""

    def __init__(self, words: Words, language: str, found: Import) -> None:
        self._words = words
        self._language = language
        self._headings = list((found.head or {}).get("cells", []))
        self._said: dict[str, str] = {}

    def __call__(self, fault: Fault) -> str:
        key = f"{fault.code} {fault.parameters}"
        if key not in self._said:
            self._said[key] = self._words.plain(
                FAULT, self._language, code=fault.code, **fault.parameters
            )
        return self._said[key]

    def with_column(self, fault: Fault) -> str:
        at = fault.column
        heading = self._headings[at] if at is not None and at < len(self._headings) else ""
        return f"{heading}: {self(fault)}" if heading else self(fault)


# Slips


@pages.act("/imports/{import_id}/slips", again=show)
async def print_slips(visit: Visit, import_id: int) -> Download:
    first = _whole(str(visit.form.get("first", ""))) or 0
    made = await claiming.slips(visit.work, import_id, first)
    username = visit.request.app[BOT_USERNAME]
    now = visit.work.now

    async def make() -> bytes:
        return await asyncio.to_thread(
            _paper, visit.words, visit.language, made, username, now, visit.work.policy.claim_days
        )

    return Download(f"slips-{import_id}-{first}.pdf", "application/pdf", make)


def _paper(  # noqa: PLR0917 - called once, in a thread
    words: Words,
    language: str,
    slips: Sequence[claiming.Slip],
    username: str,
    now: datetime,
    days: int,
) -> bytes:
    shown = [
        {
            "name": slip.name,
            "number": slip.number,
            "organisation": slip.organisation,
            "code": claiming.grouped(slip.code),
            "drawing": _drawn(f"https://t.me/{username}?start=c-{slip.code}"),
        }
        for slip in slips
    ]
    values = words.values(
        "imports/slips", language, slips=shown, username=username, made_at=now, days=days
    )
    return typesetting.pdf("imports/slips", values, now)


def _drawn(link: str) -> str:
    out = io.BytesIO()
    segno.make(link, error="m").save(out, kind="svg", border=2, xmldecl=False, omitsize=True)
    return out.getvalue().decode()
