"""Broadcasts as coordinators see them: the draft, its audience, sending it off, its progress."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from handlers import audiences as describing
from handlers import forms, giving_word
from handlers.fields import (
    Asked,
    Attachment,
    Choice,
    Field,
    Formatted,
    Instant,
    Option,
    Pick,
    Text,
)
from handlers.forms import SUMMARY, Filled, Form, drafts, register, start
from handlers.replies import Reply, Show, Toast
from handlers.routes import Audience, button, command, link
from handlers.turns import Turn
from models import Activity, Broadcast, BroadcastState, Organisation
from services import access, activities, audiences, broadcasting, broadcasts, watchwords
from services.broadcasts import KINDS, TEXT_LENGTH, Buttons, Content
from services.errors import NotAllowed
from services.finding import search_key
from services.watchwords import Confirmed
from services.words import LANGUAGES

URGENT, USUAL = "urgent", "usual"
MANY = "many"
"""Kept with the answers where what is filled in takes its sender's word."""


@command("broadcasts", menu=Audience.COORDINATORS)
@button("broadcasts")
async def show_all(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return await turn_to(turn, 0)


@button("broadcasts.list", reads=True)
async def turn_to(turn: Turn, page: int) -> Reply:
    if not await access.organisations_with(turn.work, access.Right.ANNOUNCE):
        raise NotAllowed
    entries, more = await broadcasts.listed(turn.work, page)
    return Show("broadcasts/list", {"entries": entries, "page": page, "more": more})


@button("broadcast.new")
async def begin(turn: Turn) -> Reply:
    """Only the kind and the text must be said; the rest is open to change at the end."""
    own = await access.subtrees_with(turn.work, access.Right.ANNOUNCE)
    if not own:
        raise NotAllowed
    if any(one.form == NEW.name for one in await drafts(turn)):
        return await start(turn, NEW)
    if len(own) == 1:
        return await start(turn, NEW, answers={"organisation": own[0].id}, at="kind")
    return await start(turn, NEW, answers={}, at="organisation")


@button("broadcast.manage")
async def open_one(turn: Turn, broadcast_id: int) -> Reply:
    return await manage(turn, broadcast_id)


async def manage(turn: Turn, broadcast_id: int, news: str | None = None) -> Reply:
    """A draft with all that is chosen, or how far it has come."""
    found = await broadcasts.opened(turn.work, broadcast_id)
    if found.state is not BroadcastState.DRAFT:
        return await _progress(turn, found, news)
    audience = broadcasts.audience_of(found)
    return Show(
        "broadcasts/draft",
        {
            "broadcast_id": found.id,
            "answers": _answers_of(found),
            "activity": await _activity(turn, found.buttons.get("activity")),
            "count": await audiences.count(turn.work, audience, found.kind),
            "news": news,
            **await audiences.described(turn.work, audience),
        },
    )


async def _progress(turn: Turn, found: Broadcast, news: str | None = None) -> Reply:
    now = await broadcasting.progress(turn.work, found)
    own = found.author_id == turn.work.person.id
    return Show("broadcasts/progress", {**now.shown(), "news": news, "own": own})


# The draft


@button("broadcast.edit")
async def edit(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.opened(turn.work, broadcast_id)
    return await start(turn, EDIT, subject_id=broadcast_id, answers=_answers_of(found), at=SUMMARY)


@button("broadcast.preview")
async def preview(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.preview(turn.work, broadcast_id)
    return Toast("broadcasts/preview_sent")


@button("broadcast.discard", reads=True)
async def ask_to_discard(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.opened(turn.work, broadcast_id)
    return Show("broadcasts/discard", {"broadcast_id": found.id, "title": found.title})


@button("broadcast.drop")
async def discard(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.discard(turn.work, broadcast_id)
    return await turn_to(turn, 0)


# Its audience


@button("broadcast.audience")
async def describe_audience(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.opened(turn.work, broadcast_id)
    answers = describing.answers_of(broadcasts.audience_of(found))
    return await start(turn, AUDIENCE, subject_id=broadcast_id, answers=answers, at=SUMMARY)


@button("broadcast.saved", reads=True)
async def offer_saved(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.opened(turn.work, broadcast_id)
    saved = await audiences.saved(turn.work)
    return Show("audience/saved", {"saved": saved, "broadcast_id": broadcast_id})


@button("broadcast.use")
async def use_saved(turn: Turn, broadcast_id: int, saved_id: int) -> Reply:
    _, audience = await audiences.saved_one(turn.work, saved_id)
    answers = describing.answers_of(audience)
    return await start(turn, AUDIENCE, subject_id=broadcast_id, answers=answers, at=SUMMARY)


async def _submit_audience(turn: Turn, filled: Filled) -> Reply:
    broadcast_id = filled.subject_id or 0
    await broadcasts.address(turn.work, broadcast_id, describing.audience_from(filled))
    return await manage(turn, broadcast_id, news="saved")


AUDIENCE = register(Form("audience", describing.FIELDS, _submit_audience, describing.describe))


# Sending it off


@button("broadcast.send", reads=True)
async def ask_to_send(turn: Turn, broadcast_id: int) -> Reply:
    shown = await broadcasts.outlook(turn.work, broadcast_id)
    return Show("broadcasts/confirm", {"broadcast_id": broadcast_id, "outlook": shown})


@button("broadcast.submit")
async def submit(turn: Turn, broadcast_id: int) -> Reply:
    """To many only after their sender's word."""
    outlook = await broadcasts.outlook(turn.work, broadcast_id)
    if watchwords.is_wanted(turn.work, outlook.count.reachable):
        return await giving_word.ask(turn, GIVE_TO_SEND, broadcast_id)
    return await _submit(turn, broadcast_id, None)


async def _submit(turn: Turn, broadcast_id: int, word: Confirmed | None) -> Reply:
    opens = turn.around.link(f"b-{broadcast_id}")
    found = await broadcasts.submit(turn.work, broadcast_id, opens, word)
    later = found.starts_at is not None and found.starts_at > turn.work.now
    if later or found.state is BroadcastState.AWAITING_APPROVAL:
        return await _progress(turn, found)
    return Show("broadcasts/sent_off", {"title": found.title, "size": found.size})


@button("broadcast.look", reads=True)
async def look_before_approving(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.to_decide(turn.work, broadcast_id)
    audience = broadcasts.audience_of(found)
    return Show(
        "broadcasts/to_approve",
        {
            "broadcast_id": found.id,
            "answers": _answers_of(found),
            "activity": await _activity(turn, found.buttons.get("activity")),
            "count": await audiences.count(turn.work, audience, found.kind),
            **await audiences.described(turn.work, audience),
        },
    )


@button("broadcast.approve")
async def approve(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.to_decide(turn.work, broadcast_id)
    if watchwords.is_wanted(turn.work, found.size or 0):
        return await giving_word.ask(turn, GIVE_TO_APPROVE, broadcast_id)
    return await _approve(turn, broadcast_id, None)


async def _approve(turn: Turn, broadcast_id: int, word: Confirmed | None) -> Reply:
    found = await broadcasts.approve(turn.work, broadcast_id, word)
    return await _progress(turn, found)


GIVE_TO_SEND = giving_word.form("give_to_send", _submit)
GIVE_TO_APPROVE = giving_word.form("give_to_approve", _approve)


@button("broadcast.refuse")
async def ask_reason(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.to_decide(turn.work, broadcast_id)
    return await start(turn, SEND_BACK, subject_id=broadcast_id)


async def _send_back(turn: Turn, filled: Filled) -> Reply:
    found = await broadcasts.send_back(turn.work, filled.subject_id or 0, filled["reason"])
    return Show("broadcasts/sent_back", {"title": found.title})


SEND_BACK = register(Form("send_back", (Field("reason", Text(least=2, most=300)),), _send_back))


# While it runs, and afterwards


@button("broadcast.withdraw")
async def withdraw(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.withdraw(turn.work, broadcast_id)
    return await manage(turn, broadcast_id, news="withdrawn")


@button("broadcast.pause")
async def pause(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.pause(turn.work, broadcast_id)
    return await manage(turn, broadcast_id)


@button("broadcast.resume")
async def resume(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.resume(turn.work, broadcast_id)
    return await manage(turn, broadcast_id)


@button("broadcast.stop", reads=True)
async def ask_to_stop(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.opened(turn.work, broadcast_id)
    return Show("broadcasts/stop", {"broadcast_id": found.id, "title": found.title})


@button("broadcast.end")
async def stop(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.stop(turn.work, broadcast_id)
    return await manage(turn, broadcast_id)


@button("broadcast.recall", reads=True)
async def ask_to_recall(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.opened(turn.work, broadcast_id)
    return Show("broadcasts/recall", {"broadcast_id": found.id, "title": found.title})


@button("broadcast.takeback")
async def recall(turn: Turn, broadcast_id: int) -> Reply:
    await broadcasts.recall(turn.work, broadcast_id)
    return await manage(turn, broadcast_id)


@button("broadcast.rewrite")
async def rewrite(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.opened(turn.work, broadcast_id)
    answers: dict[str, Any] = dict(found.versions)
    if watchwords.is_wanted(turn.work, found.size or 0):
        await watchwords.ready(turn.work)
        answers[MANY] = True
    return await start(turn, REWRITE, subject_id=broadcast_id, answers=answers, at=SUMMARY)


# What people press under it


@button("broadcast.answer", on_page=True)
async def answer(turn: Turn, broadcast_id: int, index: int) -> Reply:
    chosen = await broadcasts.answer(turn.work, broadcast_id, index)
    return Toast("broadcasts/answered", {"choice": chosen})


@link("b")
async def open_from_group(turn: Turn, broadcast_id: int) -> Reply:
    found = await broadcasts.readable(turn.work, broadcast_id)
    return Show("broadcasts/message", await broadcasts.parameters_of(turn.work, found), fresh=True)


# From answers to broadcasts and back


def _answers_of(found: Broadcast) -> dict[str, Any]:
    buttons = found.buttons
    where = buttons.get("link")
    answers = {
        "kind": found.kind,
        **found.versions,
        "attachment": found.attachment,
        "activity": buttons.get("activity"),
        "link": where,
        "choices": "\n".join(buttons.get("choices", [])),
        "starts_at": found.starts_at.isoformat() if found.starts_at else None,
        "expires_at": found.expires_at.isoformat() if found.expires_at else None,
        "urgency": URGENT if found.urgent else USUAL,
    }
    return {name: value for name, value in answers.items() if value}


async def _keep(turn: Turn, broadcast_id: int, filled: Filled) -> Reply:
    where = filled.get("link")
    first, last = (
        datetime.fromisoformat(iso) if iso else None
        for iso in (filled.get("starts_at"), filled.get("expires_at"))
    )
    content = Content(
        kind=filled["kind"],
        versions=_versions(filled),
        buttons=Buttons(
            activity_id=filled.get("activity"),
            link=(where["text"], where["url"]) if where else None,
            choices=tuple(filled.get("choices", "").splitlines()),
        ),
        attachment=filled.get("attachment"),
        urgent=filled.get("urgency") == URGENT,
        starts_at=first,
        expires_at=last,
    )
    await broadcasts.keep(turn.work, broadcast_id, content)
    return await manage(turn, broadcast_id, news="saved")


def _versions(filled: Filled) -> dict[str, str]:
    """The default language first: whoever reads another gets that one."""
    return {code: filled[code] for code in LANGUAGES if filled.get(code)}


async def _submit_new(turn: Turn, filled: Filled) -> Reply:
    text = next(iter(_versions(filled).values()))
    made = await broadcasts.draft(turn.work, filled["organisation"], filled["kind"], text)
    return await _keep(turn, made.id, filled)


async def _submit_edit(turn: Turn, filled: Filled) -> Reply:
    return await _keep(turn, filled.subject_id or 0, filled)


async def _submit_rewrite(turn: Turn, filled: Filled) -> Reply:
    broadcast_id = filled.subject_id or 0
    word = watchwords.confirmed(turn.work, filled.get(giving_word.WORD.name))
    await broadcasts.rewrite(turn.work, broadcast_id, _versions(filled), word)
    return await manage(turn, broadcast_id, news="rewritten")


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    organisation = filled.get("organisation")
    return {
        "organisation": await turn.work.session.get(Organisation, organisation)
        if organisation
        else None,
        "activity": await _activity(turn, filled.get("activity")),
        "task": "edit" if filled.subject_id else "new",
    }


async def _describe_rewrite(turn: Turn, filled: Filled) -> dict[str, Any]:
    return {**await _describe(turn, filled), "task": "rewrite"}


async def _activity(turn: Turn, activity_id: int | None) -> Activity | None:
    return await turn.work.session.get(Activity, activity_id) if activity_id else None


async def _organisations(asked: Asked) -> list[Option]:
    found = await access.subtrees_with(asked.turn.work, access.Right.ANNOUNCE)
    return [Option(row.id, row.names, search_key(row.names)) for row in found]


async def _activities(asked: Asked) -> list[Option]:
    """Published ones that are still to come."""
    found = await activities.coming(asked.turn.work)
    return [
        Option(row.id, {"zh_Hans": row.title}, search_key({"zh_Hans": row.title})) for row in found
    ]


async def _link(_asked: Asked, typed: str) -> dict[str, str]:
    """Words and an address; the words are what stands on the button. Raises Refusal."""
    *words, url = typed.split() or [""]
    label, url = broadcasts.checked_link(" ".join(words), url)
    return {"text": label, "url": url}


async def _choices(_asked: Asked, typed: str) -> str:
    return "\n".join(broadcasts.checked_choices(typed.splitlines()))


_FIRST, *_OTHERS = LANGUAGES
_TEXTS = (
    Field(_FIRST, Formatted(TEXT_LENGTH)),
    *(Field(code, Formatted(TEXT_LENGTH), optional=True) for code in _OTHERS),
)
_CONTENT = (
    Field("kind", Choice(KINDS)),
    *_TEXTS,
    Field("attachment", Attachment(), optional=True),
    Field("activity", Pick(_activities), optional=True),
    Field("link", Text(most=300), optional=True, check=_link),
    Field("choices", Text(most=400, lines=True), optional=True, check=_choices),
    Field("starts_at", Instant(), optional=True),
    Field("expires_at", Instant(), optional=True),
    Field("urgency", Choice((USUAL, URGENT)), optional=True),
)
NEW = register(
    Form(
        "broadcast",
        (Field("organisation", Pick(_organisations)), *_CONTENT),
        _submit_new,
        _describe,
    )
)
EDIT = register(Form("broadcast_edit", _CONTENT, _submit_edit, _describe, folder="broadcast"))
REWRITE = register(
    Form(
        "broadcast_rewrite",
        (*_TEXTS, replace(giving_word.WORD, skip_if=lambda answers: not answers.get(MANY))),
        _submit_rewrite,
        _describe_rewrite,
        folder="broadcast",
    )
)
