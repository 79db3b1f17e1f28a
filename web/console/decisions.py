"""What waits for a coordinator's word: registrations, documents, objections to hours."""

from services import approvals, disputes, hours, qualifications
from services.errors import Gone, Refusal
from web.console.framework import Download, Goto, Page, Pages, Visit
from web.console.volunteers import reason_of
from web.keys import PICTURE

pages = Pages()

SHOWN = 50
LEAST, MOST = 2, 300
"""Characters of an answer to an objection."""


# Registrations


@pages.look("/approvals")
async def show_approvals(visit: Visit) -> Page:
    return Page(
        "console/decisions/approvals",
        {
            "pending": await approvals.pending(visit.work, SHOWN),
            "waiting": await approvals.waiting(visit.work),
        },
    )


@pages.act("/approvals/{person_id}/approve")
async def approve(visit: Visit, person_id: int) -> Goto:
    await approvals.approve(visit.work, person_id)
    return Goto("/approvals", done="approved")


async def _approvals_again(visit: Visit, person_id: int) -> Page:
    return await show_approvals(visit)


@pages.act("/approvals/{person_id}/refuse", again=_approvals_again)
async def refuse(visit: Visit, person_id: int) -> Goto:
    await approvals.check_may_decide(visit.work, person_id)
    await approvals.refuse(visit.work, person_id, reason_of(visit))
    return Goto("/approvals", done="refused")


# Documents


@pages.look("/documents")
async def show_documents(visit: Visit) -> Page:
    found = await qualifications.pending(visit.work, SHOWN)
    return Page(
        "console/decisions/documents",
        {
            "documents": [
                (document, kind, person, *qualifications.shown_to_verify(document))
                for document, kind, person in found
            ],
            "waiting": await qualifications.waiting(visit.work),
        },
    )


@pages.look("/documents/{qualification_id}/picture")
async def show_picture(visit: Visit, qualification_id: int) -> Download:
    """The photographed document, fetched from Telegram at each look and kept nowhere."""
    document, _, _ = await qualifications.to_look_at(visit.work, qualification_id)
    picture, _ = qualifications.shown_to_verify(document)
    if not picture:
        raise Gone
    fetch = visit.request.app[PICTURE]

    async def make() -> bytes:
        return await fetch(picture)

    return Download(f"{qualification_id}.jpg", "image/jpeg", make, inline=True)


@pages.act("/documents/{qualification_id}/accept")
async def accept(visit: Visit, qualification_id: int) -> Goto:
    document = await qualifications.decide(visit.work, qualification_id, accept=True)
    waits = qualifications.is_waiting(document)
    return Goto("/documents", done="document_first" if waits else "document_accepted")


async def _documents_again(visit: Visit, qualification_id: int) -> Page:
    return await show_documents(visit)


@pages.act("/documents/{qualification_id}/refuse", again=_documents_again)
async def refuse_document(visit: Visit, qualification_id: int) -> Goto:
    await qualifications.to_look_at(visit.work, qualification_id)
    reason = reason_of(visit)
    await qualifications.decide(visit.work, qualification_id, accept=False, reason=reason)
    return Goto("/documents", done="document_refused")


# Objections


@pages.look("/disputes")
async def show_disputes(visit: Visit) -> Page:
    return Page(
        "console/decisions/disputes",
        {
            "cases": await disputes.listed(visit.work),
            "waiting": await disputes.waiting(visit.work),
        },
    )


@pages.look("/disputes/{dispute_id}")
async def show_dispute(visit: Visit, dispute_id: int) -> Page:
    case = await disputes.case(visit.work, dispute_id)
    return Page(
        "console/decisions/dispute",
        {"case": case, "most": hours.most_minutes(case.record.shift)},
    )


@pages.act("/disputes/{dispute_id}/grant", again=show_dispute)
async def grant(visit: Visit, dispute_id: int) -> Goto:
    await disputes.grant(visit.work, dispute_id, _minutes(visit), _answer(visit))
    return Goto("/disputes", done="dispute_granted")


@pages.act("/disputes/{dispute_id}/dismiss", again=show_dispute)
async def dismiss(visit: Visit, dispute_id: int) -> Goto:
    await disputes.dismiss(visit.work, dispute_id, _answer(visit))
    return Goto("/disputes", done="dispute_dismissed")


def _answer(visit: Visit) -> str:
    """Raises Refusal("reason_length")."""
    answer = str(visit.form.get("answer", "")).strip()
    if not LEAST <= len(answer) <= MOST:
        raise Refusal("reason_length", least=LEAST, most=MOST)
    return answer


def _minutes(visit: Visit) -> int:
    """Out of hours and minutes; the rule itself says whether it can be so many."""
    said = [str(visit.form.get(name, "")) or "0" for name in ("hours", "minutes")]
    whole, rest = (
        int(one) if one.isascii() and one.isdigit() and len(one) < 4 else -1 for one in said
    )
    return -1 if whole < 0 or rest < 0 else 60 * whole + rest
