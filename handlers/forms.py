"""The engine that runs every form: one question at a time, kept in the database, never lost.

A form is a list of fields declared as data. The engine asks, checks, goes back, skips, resumes,
corrects single answers at the summary and finally calls the form's `submit`. It knows no topic.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import delete, select, update

from handlers.fields import Answer, Asked, Field, Stay
from handlers.replies import Erase, Part, Reply, Show, Toast, parts_of
from handlers.routes import Who, button
from handlers.turns import Turn
from models import Conversation
from services.delivery import storable
from services.errors import Gone, Refusal

SUMMARY = "summary"
LONGEST_NOTE = 1_000
"""Characters of the words that a form keeps although they answer no question."""
ACTION = "f"
"""Callback data of a form: "f:<field>:<what>[:<argument>]"."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A form's answers by field name; skipped fields are absent."""

    answers: dict[str, Any]
    subject_id: int | None

    def __getitem__(self, name: str) -> Any:
        return self.answers[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self.answers.get(name, default)


Submit = Callable[[Turn, Filled], Awaitable[Reply]]
Describe = Callable[[Turn, Filled], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Form:
    """`describe` gives the parameters of the summary `<name>/summary`; without it there is none
    and the last answer submits. The prompt of a field is the template `<name>/<field>`; forms that
    ask the same questions share one `folder` of templates instead. Typed words that answer none of
    its questions are kept as the answer that `notes` names, line by line. The screens of a
    `private` form can't be forwarded, and are kept as `about` says (see `Show`); it gets the key of
    what the form is about.
    """

    name: str
    fields: tuple[Field, ...]
    submit: Submit
    describe: Describe | None = None
    folder: str = ""
    notes: str = ""
    numbered: bool = True
    """Whether each question says which of how many it is."""
    private: bool = False
    about: Callable[[Turn, int | None], str] | None = None

    def field(self, name: str) -> Field:
        """Raises Gone for a field that the form no longer has."""
        for field in self.fields:
            if field.name == name:
                return field
        raise Gone

    def relevant(self, answers: dict[str, Any]) -> list[Field]:
        return [f for f in self.fields if f.skip_if is None or not f.skip_if(answers)]


FORMS: dict[str, Form] = {}


def register(form: Form) -> Form:
    if form.name in FORMS:
        raise ValueError(f"form {form.name} is registered twice")
    FORMS[form.name] = form
    return form


# What topics call


async def start(
    turn: Turn,
    form: Form,
    *,
    subject_id: int | None = None,
    answers: dict[str, Any] | None = None,
    at: str | None = None,
) -> Reply:
    """Begins a form, or goes on with the one about the same subject that was left half way.

    `answers` fills it in beforehand (a fresh start then); `at` names the question to begin
    with, after which only what must be answered is asked. Raises Refusal where there is no chat.
    """
    if turn.account.id is None:
        raise Refusal("only_in_chat")
    await set_aside(turn)
    conversation = await _left_half_way(turn, form, subject_id)
    if conversation is None or answers is not None:
        if conversation is not None:
            await turn.work.session.delete(conversation)
        conversation = Conversation(
            account_id=turn.account.id,
            form=form.name,
            subject_id=subject_id,
            field=form.fields[0].name,
            answers=storable(answers or {}),
            scratch={},
            correcting=at not in (None, SUMMARY),
            started_at=turn.work.now,
        )
        conversation.field = at or _next_open(form, conversation)
        turn.work.session.add(conversation)
    conversation.active = True
    conversation.updated_at = turn.work.now
    await turn.work.session.flush()
    return await _show(turn, form, conversation)


async def active(turn: Turn) -> Conversation | None:
    return await turn.work.session.scalar(
        select(Conversation)
        .where(Conversation.account_id == turn.account.id, Conversation.active)
        .order_by(Conversation.updated_at.desc())
        .limit(1)
    )


async def drafts(turn: Turn) -> list[Conversation]:
    """Forms that were left half way, the newest first."""
    found = await turn.work.session.scalars(
        select(Conversation)
        .where(Conversation.account_id == turn.account.id)
        .order_by(Conversation.updated_at.desc())
    )
    return [conversation for conversation in found if conversation.form in FORMS]


async def set_aside(turn: Turn) -> None:
    """Whatever is being filled in waits; typed text no longer goes to it."""
    await turn.work.session.execute(
        update(Conversation)
        .where(Conversation.account_id == turn.account.id, Conversation.active)
        .values(active=False)
    )


async def show_again(turn: Turn) -> Reply:
    """The question at which this person stands; None if they fill in nothing."""
    conversation = await active(turn)
    if conversation is None or conversation.form not in FORMS:
        return None
    return await _show(turn, FORMS[conversation.form], conversation)


async def take_message(turn: Turn) -> Reply:
    """A message that is no command: an answer to the present question, if there is one."""
    conversation = await active(turn)
    if conversation is None or conversation.form not in FORMS:
        return None
    form = FORMS[conversation.form]
    if conversation.field == SUMMARY:
        return await _refuse(turn, form, conversation, Refusal("form_use_buttons"))
    field = form.field(conversation.field)
    message = turn.update.message
    reply = await _step(turn, form, conversation, field.kind.receive)
    if field.secret and message is not None:
        return [Erase(message.message_id), *parts_of(reply)]
    return reply


# What is pressed under a question


@button(ACTION, who=Who.ANYONE)
async def press(turn: Turn, field_name: str, what: str, argument: str = "") -> Reply:
    conversation = await active(turn)
    if conversation is None or conversation.form not in FORMS:
        return await _no_longer(turn)
    form = FORMS[conversation.form]
    if what == "stop":
        return await _stop(turn, form, conversation)
    if field_name != conversation.field:
        return [Toast("forms/stale"), *parts_of(await _show(turn, form, conversation))]
    turned = await _turn_over(turn, form, conversation, what, argument)
    if turned is not None:
        return turned
    field = form.field(conversation.field)
    return await _step(turn, form, conversation, lambda a: field.kind.press(a, what, argument))


async def _turn_over(
    turn: Turn, form: Form, conversation: Conversation, what: str, argument: str
) -> Reply:
    """The presses that lead from one question to another; None for those that answer one."""
    if what == "unsay":
        return await _unsay(turn, form, conversation)
    if conversation.field == SUMMARY:
        if what == "send":
            return await _submit(turn, form, conversation)
        if what == "edit":
            form.field(argument)
            return await _go(turn, form, conversation, argument, correcting=True)
        raise Gone
    if what == "back":
        return await _go_back(turn, form, conversation)
    if what == "skip":
        field = form.field(conversation.field)
        if not field.optional:
            raise Gone
        answers = dict(conversation.answers)
        answers.pop(field.name, None)
        conversation.answers = answers
        return await _go_on(turn, form, conversation, field)
    return None


@button("draft.resume", who=Who.ANYONE)
async def resume(turn: Turn, conversation_id: int) -> Reply:
    conversation = await own(turn, conversation_id)
    await set_aside(turn)
    conversation.active = True
    conversation.updated_at = turn.work.now
    await turn.work.session.flush()
    return await _show(turn, FORMS[conversation.form], conversation)


@button("draft.discard", who=Who.ANYONE)
async def discard(turn: Turn, conversation_id: int) -> Reply:
    conversation = await own(turn, conversation_id)
    await turn.work.session.delete(conversation)
    return Show("forms/discarded")


async def own(turn: Turn, conversation_id: int) -> Conversation:
    """A form that this person left half way. Raises Gone."""
    conversation = await turn.work.session.get(Conversation, conversation_id)
    if (
        conversation is None
        or conversation.account_id != turn.account.id
        or conversation.form not in FORMS
    ):
        raise Gone
    return conversation


async def _no_longer(turn: Turn) -> Reply:
    waiting = await drafts(turn)
    return Show("forms/none_active", {"conversation_id": waiting[0].id if waiting else None})


async def _left_half_way(turn: Turn, form: Form, subject_id: int | None) -> Conversation | None:
    return await turn.work.session.scalar(
        select(Conversation)
        .where(
            Conversation.account_id == turn.account.id,
            Conversation.form == form.name,
            Conversation.subject_id.is_(None)
            if subject_id is None
            else Conversation.subject_id == subject_id,
        )
        .order_by(Conversation.updated_at.desc())
        .limit(1)
    )


# How a form moves


async def _step(
    turn: Turn,
    form: Form,
    conversation: Conversation,
    respond: Callable[[Asked], Awaitable[Answer | Stay]],
) -> Reply:
    """Lets the field's kind look at what came; a wrong answer keeps everything as it was."""
    asked = _asked(turn, form, conversation)
    try:
        outcome = await respond(asked)
        if isinstance(outcome, Answer) and asked.field.check is not None:
            outcome = Answer(await asked.field.check(asked, outcome.value))
    except Gone:
        raise
    except Refusal as wrong:
        return await _refuse(turn, form, conversation, wrong)
    if isinstance(outcome, Stay):
        conversation.scratch = storable(outcome.scratch)
        conversation.updated_at = turn.work.now
        return parts_of(await _show(turn, form, conversation))[0]
    conversation.answers = {**conversation.answers, asked.field.name: storable(outcome.value)}
    return await _go_on(turn, form, conversation, asked.field)


async def _refuse(turn: Turn, form: Form, conversation: Conversation, wrong: Refusal) -> Reply:
    """Asks again. Words that were no answer are not lost where the form has a place for them."""
    words = (turn.incoming.text or "").strip()
    if not form.notes or not _are_words(words):
        return await _show(turn, form, conversation, wrong=wrong)
    before = conversation.answers.get(form.notes) or ""
    noted = f"{before}\n{words}".strip()
    if len(noted) > LONGEST_NOTE:
        wrong = Refusal("form_too_long", most=LONGEST_NOTE, length=len(noted))
        return await _show(turn, form, conversation, wrong=wrong)
    conversation.answers = {**conversation.answers, form.notes: noted}
    conversation.scratch = {**conversation.scratch, "noted": words, "before": before}
    conversation.updated_at = turn.work.now
    spoken = wrong.code == "form_use_buttons"
    return await _show(turn, form, conversation, wrong=None if spoken else wrong)


def _are_words(text: str) -> bool:
    """Not a number out of range, nor a link to a map that leads nowhere."""
    return "://" not in text and any(character.isalpha() for character in text)


async def _unsay(turn: Turn, form: Form, conversation: Conversation) -> Reply:
    """Takes back what was kept last although it answered no question."""
    scratch = dict(conversation.scratch)
    if scratch.pop("noted", None) is None:
        raise Gone
    kept = {name: value for name, value in conversation.answers.items() if name != form.notes}
    before = scratch.pop("before")
    conversation.answers = {**kept, form.notes: before} if before else kept
    conversation.scratch = scratch
    return parts_of(await _show(turn, form, conversation))[0]


async def _go_on(turn: Turn, form: Form, conversation: Conversation, after: Field) -> Reply:
    """Who corrects, or began in the middle, is only asked what must still be answered."""
    if not conversation.correcting:
        following = _after(form, conversation, after)
        return await _go(turn, form, conversation, following, correcting=False)
    following = _next_open(form, conversation)
    return await _go(turn, form, conversation, following, correcting=following != SUMMARY)


def _after(form: Form, conversation: Conversation, field: Field) -> str:
    fields = form.relevant(conversation.answers)
    names = [f.name for f in fields]
    place = names.index(field.name) + 1 if field.name in names else len(names)
    return names[place] if place < len(names) else SUMMARY


def _next_open(form: Form, conversation: Conversation) -> str:
    """The first question that must be answered and is not."""
    for field in form.relevant(conversation.answers):
        if field.name not in conversation.answers and not (
            field.optional and (conversation.correcting or conversation.answers)
        ):
            return field.name
    return SUMMARY


async def _go_back(turn: Turn, form: Form, conversation: Conversation) -> Reply:
    field = form.field(conversation.field)
    so_far = field.kind.unfinished(conversation.scratch)
    if so_far is not None:
        conversation.answers = {**conversation.answers, field.name: so_far}
    if conversation.correcting:
        return await _go(turn, form, conversation, SUMMARY, correcting=False)
    names = [f.name for f in form.relevant(conversation.answers)]
    place = names.index(conversation.field) if conversation.field in names else 0
    return await _go(turn, form, conversation, names[max(place - 1, 0)], correcting=False)


async def _go(
    turn: Turn, form: Form, conversation: Conversation, to: str, *, correcting: bool
) -> Reply:
    left = conversation.field
    conversation.field = to
    conversation.scratch = {}
    conversation.correcting = correcting
    conversation.updated_at = turn.work.now
    await turn.work.session.flush()
    hides = left not in (SUMMARY, to) and form.field(left).kind.keys is not None
    if to == SUMMARY and form.describe is None:
        following = parts_of(await _submit(turn, form, conversation))
    else:
        following = parts_of(await _show(turn, form, conversation))
    return [*_hide_keys(), *map(_below, following)] if hides else following


async def _submit(turn: Turn, form: Form, conversation: Conversation) -> Reply:
    """Hands the answers to the form's topic; if it refuses, they are all still there."""
    missing = _next_open(form, conversation)
    if missing != SUMMARY:
        return await _go(turn, form, conversation, missing, correcting=False)
    kept = {f.name for f in form.relevant(conversation.answers)} | {form.notes}
    answers = {name: value for name, value in conversation.answers.items() if name in kept}
    try:
        async with turn.work.session.begin_nested():
            reply = await form.submit(turn, Filled(answers, conversation.subject_id))
    except Refusal as wrong:
        if form.describe is None:
            conversation.field = form.fields[-1].name
        return await _show(turn, form, conversation, wrong=wrong)
    await turn.work.session.execute(delete(Conversation).where(Conversation.id == conversation.id))
    return reply


async def _stop(turn: Turn, form: Form, conversation: Conversation) -> Reply:
    conversation.active = False
    hides = conversation.field != SUMMARY and form.field(conversation.field).kind.keys
    stopped = Show("forms/stopped", {"conversation_id": conversation.id})
    return [*_hide_keys(), _below(stopped)] if hides else stopped


def _hide_keys() -> list[Part]:
    """Only a new message can give the phone its own keyboard back."""
    return [Show("forms/received", fresh=True)]


def _below(part: Part) -> Part:
    """What follows that message must not be edited into one above it."""
    return replace(part, fresh=True) if isinstance(part, Show) else part


# How a form looks


def _asked(turn: Turn, form: Form, conversation: Conversation) -> Asked:
    return Asked(
        turn=turn,
        field=form.field(conversation.field),
        answers=dict(conversation.answers),
        scratch=dict(conversation.scratch),
        subject_id=conversation.subject_id,
    )


async def _show(
    turn: Turn, form: Form, conversation: Conversation, *, wrong: Refusal | None = None
) -> Reply:
    trouble = {"wrong": wrong.template if wrong else None, **(wrong.parameters if wrong else {})}
    answers = dict(conversation.answers)
    if conversation.field == SUMMARY:
        if form.describe is None:
            raise Gone
        filled = Filled(answers, conversation.subject_id)
        described = await form.describe(turn, filled)
        return _screen(
            turn,
            form,
            conversation,
            "forms/summary",
            {
                "form": form.folder or form.name,
                "field": SUMMARY,
                "answers": answers,
                "fields": [f.name for f in form.relevant(answers)],
                "noted": conversation.scratch.get("noted"),
                **described,
                **trouble,
            },
        )
    asked = _asked(turn, form, conversation)
    names = [f.name for f in form.relevant(answers)]
    step = names.index(asked.field.name) + 1 if asked.field.name in names else 1
    screen = _screen(
        turn,
        form,
        conversation,
        "forms/question",
        {
            "form": form.name,
            "field": asked.field.name,
            "prompt": f"{form.folder or form.name}/{asked.field.name}.j2",
            "partial": f"forms/kinds/{asked.field.kind.partial}.j2",
            "answers": answers,
            "current": answers.get(asked.field.name),
            "step": step,
            "steps": 1 if conversation.correcting or not form.numbered else len(names),
            "optional": asked.field.optional,
            "noted": conversation.scratch.get("noted"),
            "can_go_back": step > 1 or conversation.correcting,
            **await asked.field.kind.view(asked),
            **trouble,
        },
    )
    keys = asked.field.kind.keys
    return [screen, Show(keys, fresh=True)] if keys and wrong is None else screen


def _screen(
    turn: Turn, form: Form, conversation: Conversation, template: str, shown: dict[str, Any]
) -> Show:
    """Of a private form always a message of its own: an edit can't protect one that is there."""
    about = form.about(turn, conversation.subject_id) if form.about else None
    private = form.private
    return Show(template, shown, private=private, fresh=private, about=about, kept={})
