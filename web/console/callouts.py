"""Call-outs from the desk: what runs and what ran, declaring, the preview, the word."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from multidict import MultiDict

from models import (
    Callout,
    CalloutState,
    Emergency,
    Equipment,
    Need,
    QualificationKind,
    Skill,
    SpokenLanguage,
    UsualText,
)
from services import aftermath, callouts, declaring, hearing, markup, mobilising, sheets, terms
from services.declaring import Declaration, Wanted
from services.errors import Gone, Refusal
from services.formats import named
from services.sheets import Column, Kind
from services.words import LANGUAGES
from services.work import Work
from web.console import asking
from web.console.asking import Fields
from web.console.downloads import spreadsheet
from web.console.framework import Goto, Later, Page, Pages, Visit

pages = Pages()

DRILL, REAL = "drill", "real"
MODES = (REAL, DRILL)
KINDS = tuple(kind.value for kind in Emergency)
BLOCKS, MOST_BLOCKS = 5, 50
"""Kinds of people that the form has room for, and that it takes."""
METRES = 1000
RADII = tuple(str(round(ring / METRES)) for ring in declaring.RINGS)
WITHIN = tuple(str(minutes) for minutes in declaring.WITHIN)


@pages.look("/callouts")
async def show_all(visit: Visit) -> Page:
    await callouts.commands(visit.work)
    return Page(
        "console/callouts/list",
        {
            "running": await callouts.in_short(visit.work),
            "drafts": await declaring.drafts(visit.work),
            "past": await aftermath.ended(visit.work, visit.number("page", 1)),
        },
    )


@pages.act("/callouts/list.xlsx")
async def export(visit: Visit) -> Later:
    """All that are over as a spreadsheet."""
    await callouts.commands(visit.work)
    cell = asking.cells(visit, "console/callouts/cell")

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        async for one, names, wanted, came in sheets.rows_of(
            work, await aftermath.every_ended(work)
        ):
            yield (
                one.launched_at or one.created_at, cell("mode", DRILL if one.drill else REAL),
                cell("kind", one.kind.value), one.address, named(names, visit.language),
                wanted or 0, came,
            )  # fmt: skip

    kinds = {"launched": Kind.MOMENT, "wanted": Kind.NUMBER, "came": Kind.NUMBER}
    names = ("launched", "mode", "kind", "address", "organisation", "wanted", "came")
    columns = [Column(cell("heading", one), kinds.get(one, Kind.TEXT)) for one in names]
    return spreadsheet(visit, "callouts.xlsx", columns, rows)


# Declaring


@pages.look("/callouts/new")
async def begin(visit: Visit) -> Page:
    """A drill or the real thing before all else, and what happened."""
    await callouts.commands(visit.work)
    shown = {"kinds": KINDS, "modes": MODES, "most": declaring.DETAILS_LENGTH}
    return Page("console/callouts/begin", shown)


@pages.act("/callouts/new", again=begin)
async def choose(visit: Visit) -> Page:
    """The form with what is usual for the kind; all that was said before stays."""
    await callouts.commands(visit.work)
    values = said(visit.form)
    if values["mode"] not in MODES:
        raise Refusal("callout_mode")
    heard = hearing.hear_in(visit.words, values["details"])
    kind = values["kind"] or next(iter(heard.kinds), "")
    if kind not in KINDS:
        raise Refusal("callout_kind")
    values |= await _usual(visit, kind)
    first = values["needs"][0]
    first["skills"] = tuple(await declaring.usual_skills(visit.work, Emergency(kind)))
    first["quota"] = first["quota"] or next(iter(heard.numbers), "")
    return Page("console/callouts/form", await _form(visit, values))


async def _usual(visit: Visit, kind: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "radius": str(round(declaring.USUAL[Emergency(kind)].radius / METRES)),
        "usual": [one.value for one in UsualText],
    }


async def _form(visit: Visit, values: Mapping[str, Any], draft_id: int = 0) -> dict[str, Any]:
    return {
        "values": values,
        "draft_id": draft_id,
        "own": await callouts.commands(visit.work),
        "kinds": KINDS,
        "modes": MODES,
        "radii": RADII,
        "within": WITHIN,
        "most": declaring.DETAILS_LENGTH,
        "options": await options(visit),
        "known_places": await declaring.known_places(visit.work, own=True),
    }


async def options(visit: Visit) -> dict[str, Any]:
    """What a need can ask for."""
    session = visit.work.session
    return {
        "skills": await terms.every(session, Skill),
        "qualifications": await terms.every(session, QualificationKind),
        "languages": await terms.every(session, SpokenLanguage),
        "equipment": [kind.value for kind in Equipment],
        "teams": await declaring.teams(visit.work),
    }


async def form(visit: Visit) -> Page:
    """The form as it was sent."""
    return Page("console/callouts/form", await _form(visit, said(visit.form)))


@pages.act("/callouts/declare", again=form)
async def declare(visit: Visit) -> Goto:
    await callouts.commands(visit.work)
    made = await declaring.declare(visit.work, await _declaration(visit))
    return Goto(f"/callouts/{made.id}")


@pages.look("/callouts/{callout_id}/change")
async def change(visit: Visit, callout_id: int) -> Page:
    callout = await callouts.watched(visit.work, callout_id)
    if callout.state is not CalloutState.DRAFT:
        raise Gone
    values = said(visit.form)
    if "mode" not in visit.form:
        values = _stored(callout, await callouts.needs_of(visit.work, callout))
    return Page("console/callouts/form", await _form(visit, values, callout_id))


@pages.act("/callouts/{callout_id}/change", again=change)
async def declare_anew(visit: Visit, callout_id: int) -> Goto:
    await declaring.draft(visit.work, callout_id)
    await declaring.declare_anew(visit.work, callout_id, await _declaration(visit), whole=True)
    return Goto(f"/callouts/{callout_id}")


# From the form to a declaration and back


def said(fields: Fields) -> dict[str, Any]:
    """The values of the form's fields, as they were sent."""
    names = (
        "mode", "kind", "organisation", "place", "address", "details", "bring", "dangers",
        "radius", "within", "lasts", "critical",
    )  # fmt: skip
    return {
        **{name: asking.text(fields, name) for name in names},
        "usual": [str(one) for one in fields.getall("usual", ())],
        "needs": [_need_said(fields, number) for number in range(_blocks(fields))],
    }


def _blocks(fields: Fields) -> int:
    """As many as were sent; a draft out of the chat may have more than the form offers."""
    return next(number for number in range(BLOCKS, MOST_BLOCKS) if f"quota_{number}" not in fields)


def _need_said(fields: Fields, number: int) -> dict[str, Any]:
    return {
        "quota": asking.text(fields, f"quota_{number}"),
        "skills": asking.keys(fields, f"skills_{number}"),
        "qualifications": asking.keys(fields, f"qualifications_{number}"),
        "languages": asking.keys(fields, f"languages_{number}"),
        "equipment": [str(one) for one in fields.getall(f"equipment_{number}", ())],
        "team": asking.key(fields, f"team_{number}"),
    }


def empty_block() -> dict[str, Any]:
    return _need_said(MultiDict(), 0)


def _stored(callout: Callout, needs: Sequence[Need]) -> dict[str, Any]:
    """A draft as the form has it."""
    blocks = [
        {
            "quota": need.quota,
            "skills": tuple(need.skills),
            "qualifications": tuple(need.qualifications),
            "languages": tuple(need.languages),
            "equipment": list(need.equipment),
            "team": need.team_id,
        }
        for need in needs
    ]
    return {
        "mode": DRILL if callout.drill else REAL,
        "kind": callout.kind.value,
        "organisation": str(callout.organisation_id),
        "place": f"{callout.latitude:.5f}, {callout.longitude:.5f}",
        "address": callout.address,
        "details": callout.details,
        "bring": callout.bring,
        "dangers": callout.dangers,
        "radius": str(round(callout.radius / METRES)),
        "within": str(callout.within or ""),
        "lasts": f"{callout.lasts} min" if callout.lasts else "",
        "critical": "1" if callout.critical else "",
        "usual": list(callout.usual),
        "needs": [*blocks, *(empty_block() for _ in range(len(blocks), BLOCKS))],
    }


async def _declaration(visit: Visit) -> Declaration:
    """Raises NotAllowed, Refusal."""
    fields, work = visit.form, visit.work
    mode = asking.one_of(fields, "mode", MODES)
    if mode is None:
        raise Refusal("callout_mode")
    kind = asking.one_of(fields, "kind", KINDS)
    if kind is None:
        raise Refusal("callout_kind")
    place = await declaring.place_said(work, asking.text(fields, "place"))
    own = await callouts.commands(work)
    bring, dangers = asking.text(fields, "bring"), asking.text(fields, "dangers")
    within = asking.one_of(fields, "within", WITHIN)
    radius = asking.one_of(fields, "radius", RADII)
    return Declaration(
        organisation_id=asking.key(fields, "organisation") or own[0].id,
        kind=Emergency(kind),
        drill=mode == DRILL,
        latitude=place.latitude,
        longitude=place.longitude,
        address=asking.text(fields, "address") or next(iter(place.names.values()), ""),
        needs=_needs(fields),
        details=asking.text(fields, "details"),
        bring=bring,
        dangers=dangers,
        usual=_usual_texts(fields, bring, dangers),
        within=int(within) if within else None,
        lasts=asking.duration(fields, "lasts"),
        critical=asking.text(fields, "critical") == "1",
        radius=int(radius) * float(METRES) if radius else None,
    )


def _usual_texts(fields: Fields, bring: str, dangers: str) -> list[UsualText]:
    """Own words take the place of the usual ones, but for the message, which they follow."""
    ticked = [str(one) for one in fields.getall("usual", ())]
    own = {UsualText.BRING: bring, UsualText.DANGERS: dangers}
    return [one for one in UsualText if one.value in ticked and not own.get(one)]


def _needs(fields: Fields) -> list[Wanted]:
    """A block counts where it says how many; the first one always. Raises Refusal."""
    numbers = [
        asking.number(fields, f"quota_{number}", 1, declaring.LARGEST)
        for number in range(_blocks(fields))
    ]
    if numbers[0] is None:
        raise Refusal("form_not_a_number", least=1, most=declaring.LARGEST)
    return [wanted(fields, number) for number, quota in enumerate(numbers) if quota is not None]


def wanted(fields: Fields, number: int) -> Wanted:
    """So many people as the block with this number says. Raises Refusal, Gone."""
    quota = asking.number(fields, f"quota_{number}", 1, declaring.LARGEST)
    block = _need_said(fields, number)
    if quota is None:
        raise Refusal("form_not_a_number", least=1, most=declaring.LARGEST)
    known = {kind.value for kind in Equipment}
    if not known.issuperset(block["equipment"]):
        raise Gone
    return Wanted(
        quota,
        block["skills"],
        block["qualifications"],
        block["languages"],
        [Equipment(one) for one in block["equipment"]],
        block["team"],
    )


# The preview and the word


async def preview(visit: Visit, callout: Callout) -> Page:
    """Who could come, what they would read, and the number to type."""
    shown = await declaring.preview(visit.work, callout.id)
    return Page(
        "console/callouts/preview",
        {**shown, "bubbles": await _bubbles(visit, callout, shown["needs"])},
    )


async def _bubbles(
    visit: Visit, callout: Callout, needs: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The very call in each language."""
    need = (await callouts.needs_of(visit.work, callout))[0]
    post = await mobilising.alarm(visit.work, callout, need)
    metres = needs[0]["nearest"] or 0
    bubbles = []
    for code in LANGUAGES:
        rendered = visit.words.render(post.template, code, **post.parameters, metres=metres)
        bubbles.append(
            {
                "language": code,
                "text": markup.for_page(rendered.text),
                "rows": [[one.label for one in row] for row in rendered.keyboard.buttons],
                "attachment": None,
            }
        )
    return bubbles


@pages.act("/callouts/{callout_id}/widen")
async def widen(visit: Visit, callout_id: int) -> Goto:
    kilometres = asking.key(visit.form, "kilometres") or 0
    await declaring.widen(visit.work, callout_id, kilometres)
    return Goto(f"/callouts/{callout_id}")


@pages.act("/callouts/{callout_id}/relax")
async def relax(visit: Visit, callout_id: int) -> Goto:
    await declaring.draft(visit.work, callout_id)
    need_id = asking.key(visit.form, "need") or 0
    found = await declaring.relax(visit.work, need_id, asking.text(visit.form, "demand"))
    return Goto(f"/callouts/{found.id}")


async def show(visit: Visit, callout_id: int) -> Page:
    """The page of a draft, with what was refused."""
    callout = await callouts.watched(visit.work, callout_id)
    if callout.state is CalloutState.DRAFT:
        return await preview(visit, callout)
    return await waiting(visit, callout)


@pages.act("/callouts/{callout_id}/posts", again=show)
async def by_posts(visit: Visit, callout_id: int) -> Goto:
    """All of a rescue team, by its posts."""
    await declaring.draft(visit.work, callout_id)
    found = await declaring.by_posts(visit.work, asking.key(visit.form, "need") or 0)
    return Goto(f"/callouts/{found.id}")


@pages.act("/callouts/{callout_id}/launch", again=show)
async def launch(visit: Visit, callout_id: int) -> Goto:
    await callouts.watched(visit.work, callout_id)
    found = await declaring.launch(visit.work, callout_id, asking.text(visit.form, "word"))
    waits = found.state is CalloutState.AWAITING_SECOND
    return Goto(f"/callouts/{callout_id}", done="" if waits else "launched")


async def waiting(visit: Visit, callout: Callout) -> Page:
    """One that a second commander must confirm."""
    shown = await declaring.preview(visit.work, callout.id)
    own = callout.commander_id == visit.work.person.id
    more = {"own": own, "lapses_at": callout.lapses_at, "state": callout.state.value}
    bubbles = await _bubbles(visit, callout, shown["needs"])
    return Page("console/callouts/waiting", {**shown, **more, "bubbles": bubbles})


@pages.act("/callouts/{callout_id}/confirm", again=show)
async def confirm(visit: Visit, callout_id: int) -> Goto:
    """At a desk the second commander types the number as well."""
    callout = await callouts.watched(visit.work, callout_id)
    declaring.check_word(callout, asking.text(visit.form, "word"))
    await declaring.confirm(visit.work, callout_id)
    return Goto(f"/callouts/{callout_id}", done="launched")
