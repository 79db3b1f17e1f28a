"""Many volunteers at once: asked for on the list, confirmed with their number, done in portions."""

from typing import Any

from services import access, many, volunteers
from services.errors import Gone, Refusal
from services.many import Act, Chosen, Order
from web.console.framework import Goto, Page, Pages, Visit
from web.console.volunteers import day_of, key_of, list_of, query_of, wanted_of

pages = Pages()

EVERYONE = "all"
"""Of `which`: all whom the filter finds, and not those who are ticked."""


@pages.look("/volunteers/many")
async def confirm(visit: Visit) -> Page:
    """How many it would be, what else must be known, and one press to do it."""
    sent = visit.form or visit.query
    act, chosen = _act(sent), _chosen(sent)
    after = int(sent.get("after") or -1) if str(sent.get("after", "")).isdigit() else -1
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
async def do(visit: Visit) -> Goto:
    """The next portion; while some are left, back to the same page, which says how many."""
    act, chosen = _act(visit.form), _chosen(visit.form)
    if act is Act.MESSAGE:
        return await _write(visit, chosen)
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
