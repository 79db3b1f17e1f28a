"""Certificates at the desk: the register of what was issued, and those of one volunteer."""

import asyncio
from datetime import date
from typing import Any, TypeVar

from models import Certificate, CertificateKind, CertificateScope, RevocationReason
from services import attesting, certificates, printing
from services.certificates import Request
from services.errors import Gone, Refusal
from web.console import looks
from web.console.framework import Download, Goto, Page, Pages, Visit
from web.keys import PUBLIC_URL

pages = Pages()

Choice = TypeVar("Choice", CertificateKind, CertificateScope, RevocationReason)


@pages.look("/certificates")
async def show_register(visit: Visit) -> Page:
    typed = visit.query.get("q", "").strip()
    found = await certificates.register(visit.work, typed, visit.number("page", 1))
    return Page("console/certificates/register", {"found": found, "typed": typed})


@pages.look("/certificates/{certificate_id}")
async def show(visit: Visit, certificate_id: int) -> Page:
    found = await certificates.entry(visit.work, certificate_id)
    return Page(
        "console/certificates/show",
        {
            "entry": found,
            "one": found.certificate,
            "may_issue": await certificates.may_issue(visit.work, found.certificate),
            "is_own": found.certificate.person_id == visit.work.person.id,
            "categories": [reason.value for reason in RevocationReason],
            "address": printing.address(visit.request.app[PUBLIC_URL]),
        },
    )


@pages.act("/certificates/{certificate_id}/paper", again=show)
async def send(visit: Visit, certificate_id: int) -> Download:
    """The paper once more, the same; noted as issued again."""
    certificate = await certificates.again(visit.work, certificate_id)
    await _count(visit, certificate)
    tells_all = await certificates.tells_all(visit.work, certificate)
    return _paper(visit, certificate, tells_all=tells_all)


async def _count(visit: Visit, certificate: Certificate) -> None:
    """An ID number on paper counts as one that is shown. Raises Refusal("page_too_fast")."""
    if await certificates.is_look(visit.work, certificate):
        looks.count(visit)


def _paper(visit: Visit, certificate: Certificate, *, tells_all: bool) -> Download:
    address = visit.request.app[PUBLIC_URL]
    filled = printing.values(certificate, visit.words, address, tells_all=tells_all)

    async def make() -> bytes:
        return await asyncio.to_thread(printing.pdf, certificate, filled)

    return Download(printing.filename(certificate), "application/pdf", make)


@pages.act("/certificates/{certificate_id}/renew", again=show)
async def renew(visit: Visit, certificate_id: int) -> Goto:
    renewed = await certificates.renew(visit.work, certificate_id)
    await _count(visit, renewed)
    return Goto(f"/certificates/{renewed.id}", done="certificate_issued")


@pages.act("/certificates/{certificate_id}/revoke", again=show)
async def revoke(visit: Visit, certificate_id: int) -> Goto:
    category = _chosen(RevocationReason, visit.form.get("category"))
    reason = str(visit.form.get("reason", ""))
    await certificates.revoke(visit.work, certificate_id, category, reason)
    return Goto(f"/certificates/{certificate_id}", done="certificate_revoked")


@pages.look("/volunteers/{person_id}/certificates")
async def of_person(visit: Visit, person_id: int) -> Page:
    work = visit.work
    return Page(
        "console/certificates/person",
        {
            "person": await certificates.holder(work, person_id),
            "entries": await certificates.of_person(work, person_id),
            "fields": await attesting.fields_served(work, person_id),
            "activities": await attesting.activities_served(work, person_id),
            "languages": visit.words.languages,
            "today": work.today,
        },
    )


@pages.act("/volunteers/{person_id}/certificates", again=of_person)
async def issue(visit: Visit, person_id: int) -> Goto:
    issued = await certificates.issue(visit.work, person_id, _asked_for(visit))
    await _count(visit, issued)
    return Goto(f"/certificates/{issued.id}", done="certificate_issued")


def _asked_for(visit: Visit) -> Request:
    """Raises Gone, Refusal("certificate_days")."""
    form = visit.form
    scope = _chosen(CertificateScope, form.get("scope"))
    period = scope is CertificateScope.PERIOD
    return Request(
        _chosen(CertificateKind, form.get("kind")),
        str(form.get("language", "")),
        scope,
        from_day=_day(form.get("from_day")) if period else None,
        until_day=_day(form.get("until_day")) if period else None,
        field_id=_one(visit, "field") if scope is CertificateScope.FIELD else None,
        activity_id=_one(visit, "activity") if scope is CertificateScope.ACTIVITY else None,
        remarks=str(form.get("remarks", "")),
    )


def _chosen(kind: type[Choice], value: Any) -> Choice:
    try:
        return kind(str(value))
    except ValueError:
        raise Gone from None


def _day(value: Any) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise Refusal("certificate_days") from None


def _one(visit: Visit, name: str) -> int | None:
    found = visit.keys(name)
    return found[0] if found else None
