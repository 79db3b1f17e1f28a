"""Kinds of volunteers and groups: marks on a volunteer's page, groups, social workers at work."""

from models import MarkKind
from services import marks, parties, tandems
from services.access import Right
from services.errors import NotAllowed
from web.console import fields
from web.console.framework import Goto, Page, Pages, Visit
from web.console.volunteers import show_one

pages = Pages()


@pages.look("/kinds")
async def show(visit: Visit) -> Page:
    if Right.SEE_VOLUNTEERS not in visit.rights:
        raise NotAllowed
    counts = await marks.counts(visit.work)
    return Page(
        "console/kinds/list",
        {
            "counts": {kind.value: count for kind, count in counts.items()},
            "groups": await parties.listed(visit.work, visit.number("page", 1)),
        },
    )


# Marks


@pages.act("/volunteers/{person_id}/marks", again=show_one)
async def give(visit: Visit, person_id: int) -> Goto:
    kind = fields.choice(visit, "mark", MarkKind)
    await marks.give(visit.work, person_id, kind, fields.words(visit, "note"))
    return Goto(f"/volunteers/{person_id}", done="saved")


@pages.act("/volunteers/{person_id}/marks/take", again=show_one)
async def take(visit: Visit, person_id: int) -> Goto:
    await marks.take(visit.work, person_id, fields.choice(visit, "mark", MarkKind))
    return Goto(f"/volunteers/{person_id}", done="saved")


# Social workers and volunteers at an activity


@pages.look("/activities/{activity_id}/tandems")
async def show_tandems(visit: Visit, activity_id: int) -> Page:
    return Page("console/kinds/tandems", {"pairs": await tandems.seen(visit.work, activity_id)})


@pages.act("/activities/{activity_id}/tandems", again=show_tandems)
async def pair(visit: Visit, activity_id: int) -> Goto:
    volunteer_id = visit.key("volunteer")
    if visit.form.get("worker"):
        await tandems.pair(visit.work, activity_id, volunteer_id, visit.key("worker"))
    else:
        await tandems.part(visit.work, activity_id, volunteer_id)
    return Goto(f"/activities/{activity_id}/tandems", done="saved")


@pages.act("/activities/{activity_id}/tandems/share", again=show_tandems)
async def share_out(visit: Visit, activity_id: int) -> Goto:
    await tandems.share_out(visit.work, activity_id)
    return Goto(f"/activities/{activity_id}/tandems", done="saved")
