"""Many volunteers at once: asked for on the list, confirmed with their number, done in portions."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from models import Telegram
from services import access, many, volunteers
from services.errors import Gone, Refusal
from services.formats import named
from services.many import Act, Chosen, Order
from services.sheets import Column, Kind
from services.work import Work
from web.console.downloads import spreadsheet
from web.console.framework import Goto, Later, Page, Pages, Visit
from web.console.volunteers import day_of, key_of, list_of, query_of, wanted_of

pages = Pages()

EVERYONE = "all"
"""Of `which`: all whom the filter finds, and not those who are ticked."""
KINDS = (*[Kind.TEXT] * 4, Kind.DAY, Kind.MINUTES, Kind.TEXT, Kind.TEXT, Kind.MOMENT)
"""Of the columns of the spreadsheet."""


@pages.look("/volunteers/many")
async def confirm(visit: Visit) -> Page:
    """How many it would be, what else must be known, and one press to do it."""
    sent = visit.form or visit.query
    act, chosen = _act(sent), _chosen(sent)
    after = int(said) if (said := str(sent.get("after", ""))).isascii() and said.isdigit() else -1
    work = visit.work
    senders = await access.organisations_with(work, access.Right.ANNOUNCE)
    return Page(
        "console/volunteers/many",
        {
            "act": act.value,
            "chosen": chosen,
            "count": await many.count(work, chosen, Order(act), after),
            "sent": sent,
            "back": list_of(chosen.wanted),
            "targets": await volunteers.targets(work) if act is Act.TRANSFER else [],
            "senders": senders if act is Act.MESSAGE else [],
            "portion": many.PORTION,
            "longest": volunteers.LONGEST_LETTER,
        },
    )


@pages.act("/volunteers/many", again=confirm)
async def do(visit: Visit) -> Goto | Later:
    """The next portion; while some are left, back to the same page, which says how many."""
    act, chosen = _act(visit.form), _chosen(visit.form)
    if act is Act.MESSAGE:
        return await _write(visit, chosen)
    if act is Act.EXPORT:
        return await _export(visit, chosen)
    order = Order(act, day_of(visit, "until"), key_of(visit, "target"))
    after = key_of(visit, "after")
    done = await many.portion(visit.work, chosen, order, -1 if after is None else after)
    number = done.done + (key_of(visit, "before") or 0)
    if done.after is None:
        return Goto(list_of(chosen.wanted), done="many_done", number=number)
    carried = {"after": done.after, "before": number, "act": act.value}
    carried |= {name: visit.form.get(name, "") for name in ("until", "target", "which")}
    pairs = [*chosen.wanted.as_query(), *(("person", str(key)) for key in chosen.ticked)]
    pairs += [(name, str(value)) for name, value in carried.items()]
    return Goto("/volunteers/many" + query_of(pairs), done="many_so_far", number=number)


async def _write(visit: Visit, chosen: Chosen) -> Goto:
    """A draft with these people as its audience; it is looked at and sent off there."""
    sender = key_of(visit, "sender")
    if sender is None:
        raise Gone
    made = await many.message(visit.work, chosen, sender, str(visit.form.get("text", "")))
    return Goto(f"/broadcasts/{made.id}")


async def _export(visit: Visit, chosen: Chosen) -> Later:
    await many.take_along(visit.work, chosen)
    said, language = visit.words.values("console/volunteers/sheet", visit.language), visit.language
    columns = [
        Column(heading, kind, 24 if kind is Kind.TEXT else 12)
        for heading, kind in zip(said["headings"], KINDS, strict=True)
    ]

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        async for one in many.every(work, chosen):
            yield (
                one.name,
                one.number,
                named(one.organisation, language),
                said["standings"].get(one.standing.value),
                one.paused_until,
                one.minutes,
                said["yes"] if one.telegram == Telegram.REACHABLE else said["no"],
                said["yes"] if one.callable else said["no"],
                one.registered_at or one.applied_at,
            )

    return spreadsheet(visit, "volunteers.xlsx", columns, rows)


def _chosen(sent: Any) -> Chosen:
    """Raises Refusal("bulk_nobody")."""
    everyone = sent.get("which") == EVERYONE
    said = [] if everyone else [str(one) for one in sent.getall("person", [])]
    ticked = tuple(int(one) for one in said if one.isascii() and one.isdigit() and len(one) < 19)
    if not everyone and not ticked:
        raise Refusal("bulk_nobody")
    return Chosen(wanted_of(sent), ticked)


def _act(sent: Any) -> Act:
    """Raises Gone."""
    try:
        return Act(str(sent.get("act", "")))
    except ValueError:
        raise Gone from None
