"""Feedback at the desk: what activities were rated, private words, absences, complaints."""

import io

import segno

from models import Mark
from services import appraisals, complaints, ratings, reliability
from services.errors import Gone
from services.listing import PER_PAGE
from web.console.framework import Download, Goto, Page, Pages, Visit
from web.keys import PUBLIC_URL

pages = Pages()

SHOWN = 50


# Ratings


@pages.look("/feedback")
async def show_led(visit: Visit) -> Page:
    return Page(
        "console/feedback/ratings",
        {
            "page": await ratings.led(visit.work, visit.number("page", 1), PER_PAGE),
            **await _tabs(visit),
        },
    )


async def _tabs(visit: Visit) -> dict[str, int]:
    """What waits, for the head of each page."""
    return {
        "complaints_waiting": await complaints.waiting(visit.work),
        "excuses_waiting": await reliability.waiting(visit.work),
    }


@pages.look("/feedback/activities/{activity_id}")
async def show_activity(visit: Visit, activity_id: int) -> Page:
    return Page(
        "console/feedback/activity",
        {
            "said": await ratings.said(visit.work, activity_id),
            "link": f"{visit.request.app[PUBLIC_URL]}/rate/{ratings.code(activity_id)}",
            **await _tabs(visit),
        },
    )


@pages.look("/feedback/activities/{activity_id}/code")
async def show_code(visit: Visit, activity_id: int) -> Download:
    """The code for recipients as a drawing, to be printed at any size."""
    _, code, _ = await ratings.link_key(visit.work, activity_id)
    link = f"{visit.request.app[PUBLIC_URL]}/rate/{code}"

    async def make() -> bytes:
        out = io.BytesIO()
        segno.make(link, error="q").save(out, kind="svg", border=2, scale=8)
        return out.getvalue()

    return Download("code.svg", "image/svg+xml", make, inline=True)


# Private words on volunteers


@pages.look("/feedback/shifts/{shift_id}")
async def show_shift(visit: Visit, shift_id: int) -> Page:
    sheet = await appraisals.sheet(visit.work, shift_id)
    return Page("console/feedback/shift", {"sheet": sheet, **await _tabs(visit)})


async def _again(visit: Visit, enrolment_id: int) -> Page:
    sheet, _ = await appraisals.to_appraise(visit.work, enrolment_id)
    return await show_shift(visit, sheet.shift.id)


@pages.act("/feedback/enrolments/{enrolment_id}/appraise", again=_again)
async def appraise(visit: Visit, enrolment_id: int) -> Goto:
    mark = str(visit.form.get("mark", ""))
    sheet, _ = await appraisals.to_appraise(visit.work, enrolment_id)
    if mark not in set(Mark):
        raise Gone
    words = str(visit.form.get("words", "")).strip()
    await appraisals.appraise(visit.work, enrolment_id, Mark(mark), words)
    return Goto(f"/feedback/shifts/{sheet.shift.id}", done="appraised")


@pages.act("/feedback/people/{person_id}")
async def show_person(visit: Visit, person_id: int) -> Page:
    """A look that is noted, hence no address to come back to."""
    person, held = await appraisals.of_person(visit.work, person_id)
    kept = await reliability.kept_by(visit.work, person_id)
    return Page("console/feedback/person", {"person": person, "held": held, "kept": kept})


# Absences


@pages.look("/feedback/excuses")
async def show_excuses(visit: Visit) -> Page:
    cases = await reliability.listed(visit.work, SHOWN)
    return Page("console/feedback/excuses", {"cases": cases, **await _tabs(visit)})


@pages.look("/feedback/excuses/{excuse_id}")
async def show_excuse(visit: Visit, excuse_id: int) -> Page:
    case = await reliability.case_of(visit.work, excuse_id)
    return Page("console/feedback/excuse", {"case": case, **await _tabs(visit)})


@pages.act("/feedback/excuses/{excuse_id}/grant", again=show_excuse)
async def grant(visit: Visit, excuse_id: int) -> Goto:
    await reliability.decide(visit.work, excuse_id, grant=True, answer=_words(visit))
    return Goto("/feedback/excuses", done="excuse_granted")


@pages.act("/feedback/excuses/{excuse_id}/dismiss", again=show_excuse)
async def dismiss(visit: Visit, excuse_id: int) -> Goto:
    await reliability.decide(visit.work, excuse_id, grant=False, answer=_words(visit))
    return Goto("/feedback/excuses", done="excuse_dismissed")


def _words(visit: Visit) -> str:
    return str(visit.form.get("words", "")).strip()


# Complaints


@pages.look("/feedback/complaints")
async def show_complaints(visit: Visit) -> Page:
    over = "over" in visit.query
    lines = await complaints.listed(visit.work, SHOWN, over=over)
    return Page("console/feedback/complaints", {"lines": lines, "over": over, **await _tabs(visit)})


@pages.look("/feedback/complaints/{complaint_id}")
async def show_complaint(visit: Visit, complaint_id: int) -> Page:
    """What it is about, and a button to read it, since each look is noted."""
    line = await complaints.line(visit.work, complaint_id)
    return Page("console/feedback/complaint", {"line": line, "case": None, **await _tabs(visit)})


async def _still_open(visit: Visit, complaint_id: int) -> Page:
    """What was just read, with what was entered and why it was not done."""
    line = await complaints.line(visit.work, complaint_id)
    case = await complaints.just_read(visit.work, complaint_id)
    return Page("console/feedback/complaint", {"line": line, "case": case, **await _tabs(visit)})


@pages.act("/feedback/complaints/{complaint_id}/read", again=show_complaint)
async def read(visit: Visit, complaint_id: int) -> Page:
    line = await complaints.line(visit.work, complaint_id)
    case = await complaints.look(visit.work, complaint_id)
    return Page("console/feedback/complaint", {"line": line, "case": case, **await _tabs(visit)})


@pages.look("/feedback/complaints/{complaint_id}/photos/{complaint_photo_id}")
async def show_photo(visit: Visit, complaint_id: int, complaint_photo_id: int) -> Download:
    found = await complaints.photo(visit.work, complaint_id, complaint_photo_id)

    async def make() -> bytes:
        return found.content

    return Download(f"{complaint_photo_id}.jpg", found.content_type, make, inline=True)


@pages.act("/feedback/complaints/{complaint_id}/answer", again=_still_open)
async def answer(visit: Visit, complaint_id: int) -> Goto:
    await complaints.answer(visit.work, complaint_id, _words(visit))
    return Goto("/feedback/complaints", done="complaint_answered")


@pages.act("/feedback/complaints/{complaint_id}/ask", again=_still_open)
async def ask(visit: Visit, complaint_id: int) -> Goto:
    await complaints.ask_for_side(visit.work, complaint_id, _words(visit))
    return Goto(f"/feedback/complaints/{complaint_id}", done="side_asked")


@pages.act("/feedback/complaints/{complaint_id}/pass-on", again=_still_open)
async def pass_on(visit: Visit, complaint_id: int) -> Goto:
    await complaints.pass_on(visit.work, complaint_id)
    return Goto("/feedback/complaints", done="complaint_passed_on")
