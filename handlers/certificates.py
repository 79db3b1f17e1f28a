"""Certificates and service records in the chat: asked for by presses, delivered as a file."""

import asyncio
from datetime import date
from typing import Any

from handlers import forms
from handlers.fields import Asked, Choice, Day, Field, Option, Options, Pick
from handlers.forms import Filled, Form, register, start
from handlers.replies import Document, Reply, Show
from handlers.routes import button, command
from handlers.turns import Turn
from models import Certificate, CertificateKind, CertificateScope
from services import attesting, certificates, printing
from services.certificates import Request
from services.finding import search_key
from services.words import LANGUAGES

ASKED_FOR = (CertificateKind.CERTIFICATE.value, CertificateKind.RECORD.value)
THIS_YEAR, LAST_YEAR = "this_year", "last_year"
SCOPES = (*(scope.value for scope in CertificateScope), THIS_YEAR, LAST_YEAR)


@command("certificate")
@button("certificates")
async def show_own(turn: Turn) -> Reply:
    """Those that there are; who has none yet is asked what they need."""
    await forms.set_aside(turn)
    found = await certificates.own(turn.work)
    if not found:
        return await begin(turn)
    return Show("certificates/list", {"entries": [_shown(one) for one in found]})


@button("certificate.new")
async def begin(turn: Turn) -> Reply:
    return await start(turn, CERTIFICATE, answers={})


@button("certificate.one")
async def show_one(turn: Turn, certificate_id: int) -> Reply:
    found = await certificates.entry(turn.work, certificate_id)
    content = found.certificate.content
    said = {name: content.get(name) if content else None for name in ("about", "award")}
    return Show("certificates/one", {**_shown(found), **said})


@button("certificate.again")
async def send_again(turn: Turn, certificate_id: int) -> Reply:
    """The same paper: the same number, code and content."""
    return _delivered(turn, await certificates.again(turn.work, certificate_id))


@button("certificate.renew")
async def renew(turn: Turn, certificate_id: int) -> Reply:
    return _delivered(turn, await certificates.renew(turn.work, certificate_id))


def _shown(entry: certificates.Entry) -> dict[str, Any]:
    one = entry.certificate
    return {
        "id": one.id,
        "number": one.number,
        "version": one.version,
        "kind": one.kind.value,
        "state": one.state.value,
        "body": entry.body,
        "minutes": one.minutes,
        "issued_at": one.issued_at,
        "revocation": one.revocation.value if one.revocation else None,
        "reason": one.reason,
        "now": entry.now,
    }


def _delivered(turn: Turn, certificate: Certificate) -> Reply:
    around = turn.around
    # A chat is for one's own papers; others' are read at the desk, where looks are counted.
    own = certificate.person_id == turn.work.person.id
    filled = printing.values(certificate, around.words, around.public_url, tells_all=own)
    return Show(
        "certificates/issued",
        {
            "kind": certificate.kind.value,
            "number": certificate.number,
            "minutes": certificate.minutes,
            "address": printing.address(around.public_url),
        },
        document=Document(
            printing.filename(certificate),
            lambda: asyncio.to_thread(printing.pdf, certificate, filled),
        ),
        fresh=True,
    )


# Asking


def _asked_for(filled: Filled, today: date) -> Request:
    """What the answers ask for; a year is a period."""
    scope = filled["scope"]
    first, last = _day(filled.get("from_day")), _day(filled.get("until_day"))
    if scope == THIS_YEAR:
        first, last = date(today.year, 1, 1), today
    if scope == LAST_YEAR:
        first, last = date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)
    if scope in (THIS_YEAR, LAST_YEAR):
        scope = CertificateScope.PERIOD.value
    return Request(
        CertificateKind(filled["kind"]),
        filled["language"],
        CertificateScope(scope),
        from_day=first,
        until_day=last,
        field_id=filled.get("field"),
        activity_id=filled.get("activity"),
    )


def _day(iso: str | None) -> date | None:
    return date.fromisoformat(iso) if iso else None


async def _issue(turn: Turn, filled: Filled) -> Reply:
    request = _asked_for(filled, turn.work.today)
    return _delivered(turn, await certificates.issue(turn.work, turn.work.person.id, request))


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    """What will stand on it, before it has a number."""
    request = _asked_for(filled, turn.work.today)
    found = await certificates.preview(turn.work, turn.work.person.id, request)
    content = found.content
    return {
        "kind": request.kind.value,
        "spoken": request.language,
        "person": content["person"],
        "about": content["about"],
        "body": content["body"]["names"],
        "minutes": found.minutes,
        "times": content["times"],
        "now": turn.work.now,
    }


def _unless(scope: CertificateScope) -> Any:
    return lambda answers: answers.get("scope") != scope.value


async def _check_first(asked: Asked, iso: str) -> str:
    day = date.fromisoformat(iso)
    certificates.check_period(day, day, asked.turn.work.today)
    return iso


async def _check_last(asked: Asked, iso: str) -> str:
    first = date.fromisoformat(asked.answers["from_day"])
    certificates.check_period(first, date.fromisoformat(iso), asked.turn.work.today)
    return iso


def _served(look: Any) -> Options:
    async def own(asked: Asked) -> list[Option]:
        found = await look(asked.turn.work, asked.turn.work.person.id)
        return [Option(one.id, one.names, search_key(one.names), emoji=one.emoji) for one in found]

    return own


CERTIFICATE = register(
    Form(
        "certificate",
        (
            Field("kind", Choice(ASKED_FOR)),
            Field("scope", Choice(SCOPES)),
            Field("from_day", Day(), skip_if=_unless(CertificateScope.PERIOD), check=_check_first),
            Field("until_day", Day(), skip_if=_unless(CertificateScope.PERIOD), check=_check_last),
            Field(
                "field",
                Pick(_served(attesting.fields_served)),
                skip_if=_unless(CertificateScope.FIELD),
            ),
            Field(
                "activity",
                Pick(_served(attesting.activities_served)),
                skip_if=_unless(CertificateScope.ACTIVITY),
            ),
            Field("language", Choice(LANGUAGES)),
        ),
        _issue,
        _describe,
    )
)
