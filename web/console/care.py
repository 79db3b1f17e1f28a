"""Care at the desk: files, what happens round a recipient, who looked; and help asked for.

A file opens by a press, since each look is written down; the next page has it shut again.
"""

from typing import Any

from models import AlertEnd, Circle, PairingState
from services import care, care_alerts, care_endings, enclosures, help_requests, pairings, visiting
from services.errors import Gone
from services.listing import Slice
from web.console import looks
from web.console.framework import Download, Goto, Page, Pages, Visit

pages = Pages()
OVER = "over"


# Files


@pages.look("/care")
async def show_files(visit: Visit) -> Page:
    work = visit.work
    await care.require(work)
    number = max(1, visit.number("page", 1))
    found = await care.files(work, open_only=False, page=number - 1)
    return Page(
        "console/care/list",
        {
            "slice": Slice(found[: care.FILES_SHOWN], number, len(found) > care.FILES_SHOWN),
            "counts": {kind.value: count for kind, count in (await care.counts(work)).items()},
            "alerts": await care_alerts.open_ones(work),
            "requests": await help_requests.waiting(work),
        },
    )


@pages.look("/care/{recipient_id}")
async def show_file(visit: Visit, recipient_id: int) -> Page:
    return await _file(visit, recipient_id)


@pages.act("/care/{recipient_id}/open", again=show_file)
async def open_file(visit: Visit, recipient_id: int) -> Page:
    """Shows what is inside on this answer alone, and notes the look."""
    looks.count(visit)
    inside = await care.look(visit.work, recipient_id)
    return await _file(visit, recipient_id, inside)


async def _file(visit: Visit, recipient_id: int, inside: dict[str, Any] | None = None) -> Page:
    """Who does not see inside reads that the file is there, and how to take access."""
    work = visit.work
    recipient = await care.known(work, recipient_id)
    sees = recipient.erased_at is None and await care.sees(work, recipient)
    shown: dict[str, Any] = {
        "recipient": recipient,
        "about": await care.told(work, recipient),
        "sees": sees,
        "inside": inside,
        "me": work.person.id,
    }
    if sees:
        shown |= {
            "rhythm": await pairings.rhythm_told(work, recipient),
            "circle": await pairings.circle(work, recipient_id),
            "around": pairings.AROUND,
            "active": PairingState.ACTIVE,
            "visits": await visiting.history(work, recipient_id),
            "alerts": await care_alerts.of_recipient(work, recipient),
            "accesses": await care.accesses(work, recipient_id),
            "looks": await care.looks(work, recipient_id),
            "colleagues": await care.colleagues(work, recipient),
            "circles": [one.value for one in Circle],
            "near": await _near(visit, recipient_id) if recipient.closed_at is None else [],
        }
    return Page("console/care/file", shown)


async def _near(visit: Visit, recipient_id: int) -> list[pairings.Near]:
    typed = visit.query.get("q", "").strip()
    return (await pairings.candidates(visit.work, recipient_id, typed))[: pairings.INVITED]


def _at(recipient_id: int, done: str = "saved") -> Goto:
    return Goto(f"/care/{recipient_id}", done=done)


@pages.act("/care/{recipient_id}/take", again=show_file)
async def take_access(visit: Visit, recipient_id: int) -> Goto:
    reason = str(visit.form.get("reason", "")).strip()
    await care.take_access(visit.work, recipient_id, reason)
    return _at(recipient_id)


@pages.act("/care/{recipient_id}/grant", again=show_file)
async def grant(visit: Visit, recipient_id: int) -> Goto:
    await care.grant(visit.work, recipient_id, visit.key("person"))
    return _at(recipient_id)


@pages.act("/care/access/{access_id}/end")
async def end_access(visit: Visit, access_id: int) -> Goto:
    recipient = await care.end_access(visit.work, access_id)
    return _at(recipient.id)


@pages.act("/care/{recipient_id}/invite", again=show_file)
async def invite(visit: Visit, recipient_id: int) -> Goto:
    circle = str(visit.form.get("circle", ""))
    if circle not in set(Circle):
        raise Gone
    await pairings.invite(visit.work, recipient_id, Circle(circle), visit.keys("people"))
    return _at(recipient_id)


@pages.act("/care/pairings/{pairing_id}/end")
async def end_pairing(visit: Visit, pairing_id: int) -> Goto:
    recipient = await pairings.end(visit.work, pairing_id)
    return _at(recipient.id)


@pages.act("/care/{recipient_id}/close", again=show_file)
async def close(visit: Visit, recipient_id: int) -> Goto:
    await care_endings.close(visit.work, recipient_id)
    return _at(recipient_id)


@pages.act("/care/{recipient_id}/erase", again=show_file)
async def erase(visit: Visit, recipient_id: int) -> Goto:
    await care_endings.erase(visit.work, recipient_id)
    return _at(recipient_id, "removed")


@pages.act("/care/visits/{visit_id}/voice")
async def listen(visit: Visit, visit_id: int) -> Download:
    """By a press, since that somebody listened is written down."""
    looks.count(visit)
    found = await visiting.listen(visit.work, visit_id)
    kept = await enclosures.content(visit.work, care.visit_subject(visit_id), found.id)

    async def make() -> bytes:
        return kept.content

    return Download(f"visit-{visit_id}.ogg", kept.content_type, make, inline=True)


@pages.act("/care/alerts/{care_alert_id}/take")
async def take_alert(visit: Visit, care_alert_id: int) -> Goto:
    shown = await care_alerts.take_on(visit.work, care_alert_id)
    return _at(shown["recipient_id"])


@pages.act("/care/alerts/{care_alert_id}/end")
async def end_alert(visit: Visit, care_alert_id: int) -> Goto:
    how = str(visit.form.get("how", ""))
    if how not in set(AlertEnd):
        raise Gone
    ended = await care_alerts.end(visit.work, care_alert_id, AlertEnd(how))
    return _at(ended["recipient_id"])


# Help asked for


@pages.look("/care/requests")
async def show_requests(visit: Visit) -> Page:
    over = visit.query.get("state") == OVER
    found = await help_requests.listed(visit.work, over=over)
    return Page("console/care/requests", {"found": found, "over": over})


@pages.look("/care/requests/{help_request_id}")
async def show_request(visit: Visit, help_request_id: int) -> Page:
    """What kind of help, and how far it is; who and where by a press."""
    request = await help_requests.coordinated(visit.work, help_request_id)
    shown = await help_requests.shown(visit.work, request)
    return Page("console/care/request", {**await _near_request(visit, help_request_id), **shown,
                                         "open": False})  # fmt: skip


@pages.act("/care/requests/{help_request_id}/open", again=show_request)
async def open_request(visit: Visit, help_request_id: int) -> Page:
    looks.count(visit)
    shown = await help_requests.look(visit.work, help_request_id)
    return Page("console/care/request", {**await _near_request(visit, help_request_id), **shown,
                                         "open": True})  # fmt: skip


async def _near_request(visit: Visit, help_request_id: int) -> dict[str, Any]:
    typed = visit.query.get("q", "").strip()
    found = await help_requests.candidates(visit.work, help_request_id, typed)
    return {"near": found[: help_requests.ASKED_AT_ONCE]}


def _at_request(help_request_id: int) -> Goto:
    return Goto(f"/care/requests/{help_request_id}", done="saved")


@pages.act("/care/requests/{help_request_id}/ask", again=show_request)
async def ask(visit: Visit, help_request_id: int) -> Goto:
    await help_requests.ask_volunteers(visit.work, help_request_id, visit.keys("people"))
    return _at_request(help_request_id)


@pages.act("/care/requests/{help_request_id}/choose", again=show_request)
async def choose(visit: Visit, help_request_id: int) -> Goto:
    await help_requests.choose(visit.work, help_request_id, visit.key("person"))
    return _at_request(help_request_id)


@pages.act("/care/requests/{help_request_id}/done", again=show_request)
async def close_request(visit: Visit, help_request_id: int) -> Goto:
    await help_requests.close_done(visit.work, help_request_id)
    return _at_request(help_request_id)


@pages.act("/care/requests/{help_request_id}/cancel", again=show_request)
async def cancel(visit: Visit, help_request_id: int) -> Goto:
    await help_requests.cancel_for(visit.work, help_request_id)
    return _at_request(help_request_id)
