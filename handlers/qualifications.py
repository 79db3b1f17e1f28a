"""Handing in documents, and looking at them as a coordinator."""

from datetime import date
from typing import Any

from handlers import forms, options
from handlers.fields import Asked, Day, Field, Photo, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import QualificationKind
from services import qualifications
from services.errors import Refusal

SHOWN = 10


@command("qualifications")
@button("qualifications")
async def show_own(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await qualifications.own(turn.work)
    shown = [
        {
            "kind": kind.names,
            "state": document.state.value,
            "expires_on": document.expires_on,
            "reason": document.reason,
            "renewing": document.renewed_at is not None,
        }
        for document, kind in found
    ]
    return Show("qualifications/own", {"documents": shown})


@button("qualification.add")
async def add(turn: Turn) -> Reply:
    return await start(turn, QUALIFICATION)


async def _kind(asked: Asked, key: int) -> dict[str, Any]:
    kind = await asked.turn.work.session.get_one(QualificationKind, key)
    return {"id": kind.id, "names": kind.names, "expires": kind.expires}


async def _not_expired(asked: Asked, iso: str) -> str:
    if date.fromisoformat(iso) <= asked.turn.work.today:
        raise Refusal("qualification_expired")
    return iso


def _never_expires(answers: dict[str, Any]) -> bool:
    return not answers.get("kind", {}).get("expires", True)


async def _submit(turn: Turn, filled: Filled) -> Reply:
    expires = filled.get("expires")
    await qualifications.hand_in(
        turn.work,
        filled["kind"]["id"],
        filled["picture"],
        date.fromisoformat(expires) if expires else None,
    )
    return await show_own(turn)


QUALIFICATION = register(
    Form(
        "qualification",
        (
            Field("kind", Pick(options.qualification_kinds), check=_kind),
            Field("picture", Photo()),
            Field("expires", Day(), skip_if=_never_expires, check=_not_expired),
        ),
        _submit,
    )
)


@command("documents", menu=Audience.COORDINATORS)
@button("qualifications.waiting")
async def show_waiting(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await qualifications.pending(turn.work, SHOWN)
    shown = [
        {"id": document.id, "kind": kind.names, "name": person.name}
        for document, kind, person in found
    ]
    return Show("qualifications/waiting", {"documents": shown})


@button("qualification.look", reads=True)
async def look(turn: Turn, document_id: int) -> Reply:
    document, kind, person = await qualifications.to_look_at(turn.work, document_id)
    picture, expires_on = qualifications.shown_to_verify(document)
    return Show(
        "qualifications/card",
        {
            "document_id": document.id,
            "kind": kind.names,
            "expires_on": expires_on,
            "name": person.name,
            "number": person.number,
            "medical": kind.medical,
            "first": document.first_by_id is not None,
            "course": await qualifications.course_of(turn.work, document),
        },
        picture=picture,
        private=True,
        fresh=True,
    )


@button("qualification.accept")
async def accept(turn: Turn, document_id: int) -> Reply:
    await qualifications.decide(turn.work, document_id, accept=True)
    return await show_waiting(turn)


@button("qualification.refuse")
async def ask_reason(turn: Turn, document_id: int) -> Reply:
    await qualifications.to_look_at(turn.work, document_id)
    return await start(turn, REFUSE, subject_id=document_id)


async def _refuse(turn: Turn, filled: Filled) -> Reply:
    await qualifications.decide(
        turn.work, filled.subject_id or 0, accept=False, reason=filled["reason"]
    )
    return await show_waiting(turn)


REFUSE = register(Form("refuse_document", (Field("reason", Text(least=2, most=200)),), _refuse))
