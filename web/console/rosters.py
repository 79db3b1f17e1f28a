"""The roster of a shift: who comes, is there, or waits; the sheet to sign, the code on site."""

import asyncio
from typing import Any

from models import ActivityState, EnrolmentState
from services import (
    access,
    attendees,
    codes,
    enrolment,
    roll,
    tandems,
    together,
    typesetting,
)
from services.access import Right
from services.attendees import Part
from services.errors import Gone, Refusal
from services.work import Work
from web.console import fields, looks
from web.console.framework import Download, Goto, Page, Pages, Visit

pages = Pages()

SPARE_ROWS = 5
"""Empty lines of the sheet, for whoever comes without a place."""


@pages.look("/shifts/{shift_id}")
async def show(visit: Visit, shift_id: int) -> Page:
    return await _roster(visit, shift_id)


async def _roster(visit: Visit, shift_id: int, **shown: Any) -> Page:
    work, part = visit.work, visit.query.get("part", "")
    found = await attendees.listed(
        work,
        shift_id,
        Part(part) if part in set(Part) else Part.ALL,
        visit.query.get("q", ""),
        visit.number("page", 1),
    )
    typed = visit.query.get("find", "")
    rights = await access.rights_in(work, found.activity.organisation_id)
    return Page(
        "console/activities/roster",
        {
            "found": found,
            "doubts": {
                line.enrolment.id: attendees.doubt(line.enrolment) for line in found.page.rows
            },
            "parts": [one.value for one in Part],
            "part": part if part in set(Part) else Part.ALL.value,
            "candidates": await roll.candidates(work, shift_id, typed) if typed.strip() else None,
            "ahead": work.now < found.shift.starts_at,
            "roll_open": await _takes_roll(work, found),
            "now": work.now,
            "screen": f"/checkin/{shift_id}/{codes.screen_key(shift_id)}?lang={visit.language}",
            "phones": {},
            "full": None,
            "most": enrolment.REASON[1],
            "plans": Right.PLAN_ACTIVITIES in rights,
            "with_phone": await _with_phone(work, found, rights),
            "confirms": Right.CONFIRM_HOURS in rights,
            "groups": await together.names(
                work, [line.enrolment.block_id for line in found.page.rows]
            ),
            "tandems": await tandems.on_roster(work, found.activity.id),
            **shown,
        },
    )


async def _with_phone(work: Work, found: attendees.Attendees, rights: frozenset[Right]) -> set[int]:
    """Enrolments whose phone number can be asked for."""
    if Right.SEE_VOLUNTEERS not in rights:
        return set()
    return await enrolment.with_phone(work, [line.enrolment.id for line in found.page.rows])


async def _takes_roll(work: Work, found: attendees.Attendees) -> bool:
    """Whether people can be ticked now."""
    try:
        await roll.check_open(work, found.shift.id)
    except Refusal:
        return False
    return found.activity.state is not ActivityState.CANCELLED


def _back(visit: Visit, shift_id: int, done: str, number: int | None = None) -> Goto:
    """The same part of the roster that was seen."""
    seen = [f"{name}={visit.number(name)}" for name in ("page",) if name in visit.query]
    if visit.query.get("part", "") in set(Part):
        seen.append(f"part={visit.query['part']}")
    return Goto(f"/shifts/{shift_id}" + ("?" + "&".join(seen) if seen else ""), done, number)


# One person


async def again(visit: Visit, enrolment_id: int) -> Page:
    """The roster that somebody stands on."""
    shift_id = await enrolment.shift_of(visit.work, enrolment_id)
    return await _roster(visit, shift_id)


@pages.act("/enrolments/{enrolment_id}/accept", again=again)
async def accept(visit: Visit, enrolment_id: int) -> Goto:
    place = await enrolment.decide(visit.work, enrolment_id, accept=True)
    return _back(visit, place.shift.id, "accepted")


@pages.act("/enrolments/{enrolment_id}/decline", again=again)
async def decline(visit: Visit, enrolment_id: int) -> Goto:
    place = await enrolment.decide(visit.work, enrolment_id, accept=False)
    return _back(visit, place.shift.id, "declined")


@pages.act("/enrolments/{enrolment_id}/offer", again=again)
async def offer(visit: Visit, enrolment_id: int) -> Goto:
    place = await enrolment.offer(visit.work, enrolment_id)
    return _back(visit, place.shift.id, "offered")


@pages.act("/enrolments/{enrolment_id}/remove", again=again)
async def remove(visit: Visit, enrolment_id: int) -> Goto:
    place = await enrolment.remove(visit.work, enrolment_id, fields.words(visit, "reason"))
    return _back(visit, place.shift.id, "taken_off")


@pages.act("/enrolments/{enrolment_id}/phone", again=again)
async def show_phone(visit: Visit, enrolment_id: int) -> Page:
    """Shown on this answer only; that somebody looked is in the audit log."""
    looks.count(visit)
    phone = await enrolment.phone_of(visit.work, enrolment_id)
    shift_id = await enrolment.shift_of(visit.work, enrolment_id)
    return await _roster(visit, shift_id, phones={enrolment_id: phone})


@pages.act("/enrolments/{enrolment_id}/present", again=again)
async def tick(visit: Visit, enrolment_id: int) -> Goto:
    presence = await roll.tick(visit.work, enrolment_id)
    return _back(visit, presence.shift.id, "saved")


@pages.act("/enrolments/{enrolment_id}/absent", again=again)
async def untick(visit: Visit, enrolment_id: int) -> Goto:
    presence = await roll.untick(visit.work, enrolment_id)
    return _back(visit, presence.shift.id, "saved")


@pages.act("/enrolments/{enrolment_id}/left", again=again)
async def check_out(visit: Visit, enrolment_id: int) -> Goto:
    presence = await roll.check_out(visit.work, enrolment_id)
    return _back(visit, presence.shift.id, "saved")


# Everyone


@pages.act("/shifts/{shift_id}/all-present", again=show)
async def tick_all(visit: Visit, shift_id: int) -> Goto:
    ticked = await roll.tick_all(visit.work, shift_id)
    return _back(visit, shift_id, "ticked", ticked)


@pages.act("/shifts/{shift_id}/all-left", again=show)
async def check_out_all(visit: Visit, shift_id: int) -> Goto:
    left = await roll.check_out_all(visit.work, shift_id)
    return _back(visit, shift_id, "checked_out", left)


# Somebody more


@pages.act("/shifts/{shift_id}/enrol", again=show)
async def enrol(visit: Visit, shift_id: int) -> Goto:
    person_id, typed = fields.key(visit, "person"), str(visit.form.get("find", ""))
    made = await enrolment.enrol_other(visit.work, shift_id, person_id, typed)
    placed = made.state is EnrolmentState.CONFIRMED
    return _back(visit, shift_id, "confirmed_place" if placed else "waitlisted")


@pages.act("/shifts/{shift_id}/walk-in", again=show)
async def add_walk_in(visit: Visit, shift_id: int) -> Page | Goto:
    """A full shift is asked about before it gets one more place."""
    person_id, typed = fields.key(visit, "person"), str(visit.form.get("find", ""))
    one_more = visit.form.get("one_more") == "1"
    try:
        await roll.add_walk_in(visit.work, shift_id, person_id, typed=typed, one_more=one_more)
    except Refusal as refusal:
        if refusal.code != "walkin_full":
            raise
        return await _roster(visit, shift_id, full=person_id)
    return _back(visit, shift_id, "walked_in")


# On paper


@pages.look("/shifts/{shift_id}/sheet")
async def sheet(visit: Visit, shift_id: int) -> Download:
    """To be signed on site, in the language that the address names or the reader's own."""
    shift, activity, lines = await attendees.everyone(visit.work, shift_id)
    asked = visit.query.get("language", visit.language)
    if asked not in visit.words.languages:
        raise Gone
    values = visit.words.values(
        "console/activities/sheet",
        asked,
        shift=shift,
        activity=activity,
        lines=lines,
        spare=SPARE_ROWS,
        made_at=visit.work.now,
    )
    made_at = visit.work.now

    async def make() -> bytes:
        paper = "console/activities/sheet"
        return await asyncio.to_thread(typesetting.pdf, paper, values, made_at)

    return Download(f"{activity.title}.pdf", "application/pdf", make, inline=True)
