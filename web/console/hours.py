"""Hours to confirm: by shift, one by one or all that look right; objections; their history."""

from models import DisputeState
from services import disputes, hours, remote
from services.errors import Refusal
from services.moments import MomentError, parse_duration
from web.console import fields
from web.console.framework import Download, Goto, Page, Pages, Visit

pages = Pages()

ENOUGH = 100
"""Hours of so many people are confirmed by one press on the list: others wait meanwhile."""

OBJECTIONS = 20
"""Shown beside the piles; the earliest ones."""


@pages.look("/hours")
async def show(visit: Visit) -> Page:
    typed = visit.query.get("q", "")
    return Page(
        "console/hours/list",
        {
            "page": await hours.listed_piles(visit.work, visit.number("page", 1), typed),
            "waiting": await hours.waiting(visit.work),
            "objections": await disputes.listed(visit.work, OBJECTIONS),
        },
    )


@pages.act("/hours/confirm", again=show)
async def confirm_ticked(visit: Visit) -> Goto:
    """What looks right in the shifts that are ticked; one press is one transaction, so not all."""
    confirmed = 0
    ticked = sorted(set(visit.keys("shift")))
    for number, shift_id in enumerate(ticked, start=1):
        confirmed += (await hours.confirm_all(visit.work, shift_id, sound_only=True)).count
        if confirmed >= ENOUGH and number < len(ticked):
            return Goto("/hours", done="many_so_far", number=confirmed)
    return Goto("/hours", done="confirmed", number=confirmed)


@pages.look("/hours/{shift_id}")
async def show_shift(visit: Visit, shift_id: int) -> Page:
    desk = await hours.desk(visit.work, shift_id, visit.number("page", 1))
    return Page("console/hours/shift", {"desk": desk})


@pages.act("/hours/{shift_id}/confirm", again=show_shift)
async def confirm_sound(visit: Visit, shift_id: int) -> Goto:
    done = await hours.confirm_all(visit.work, shift_id, sound_only=True)
    return Goto(f"/hours/{shift_id}", done="confirmed", number=done.count)


# One attendance


@pages.look("/hours/of/{attendance_id}")
async def show_one(visit: Visit, attendance_id: int) -> Page:
    found = await hours.history(visit.work, attendance_id)
    record, dispute = found.line.record, found.line.dispute
    own = record.person.id == visit.work.person.id
    return Page(
        "console/hours/one",
        {
            "history": found,
            "report": await remote.of(visit.work, attendance_id),
            "own": own,
            "decides": not own
            and dispute is not None
            and dispute.state is DisputeState.OPEN
            and await disputes.may_decide(visit.work, dispute),
            "most": hours.REASON[1],
        },
    )


@pages.look("/hours/of/{attendance_id}/report/{report_id}")
async def show_enclosure(visit: Visit, attendance_id: int, report_id: int) -> Download:
    """A photo or the voice of a report on remote service."""
    found = await remote.content(visit.work, attendance_id, report_id)

    async def make() -> bytes:
        return found.content

    return Download(f"report-{report_id}", found.content_type, make, inline=True)


@pages.act("/hours/of/{attendance_id}/confirm", again=show_one)
async def confirm(visit: Visit, attendance_id: int) -> Goto:
    found = await hours.confirm(visit.work, attendance_id)
    return Goto(f"/hours/{found.shift.id}", done="confirmed", number=1)


@pages.act("/hours/of/{attendance_id}/correct", again=show_one)
async def correct(visit: Visit, attendance_id: int) -> Goto:
    reason = fields.words(visit, "reason")
    await hours.correct(visit.work, attendance_id, _minutes(visit), reason)
    return Goto(f"/hours/of/{attendance_id}", done="hours_corrected")


@pages.act("/hours/of/{attendance_id}/reject", again=show_one)
async def reject(visit: Visit, attendance_id: int) -> Goto:
    await hours.reject(visit.work, attendance_id, fields.words(visit, "reason"))
    return Goto(f"/hours/of/{attendance_id}", done="hours_rejected")


def _minutes(visit: Visit) -> int:
    """As people write durations. Raises Refusal."""
    try:
        return parse_duration(fields.words(visit, "minutes"))
    except MomentError:
        raise Refusal("form_duration") from None
