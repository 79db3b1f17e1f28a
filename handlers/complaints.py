"""Complaints and suggestions in the chat: making one, handling it, and the other side of it."""

from typing import Any

from handlers import forms
from handlers.fields import Asked, Choice, Field, Option, Photos, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import About, Naming
from services import complaints
from services.complaints import Said
from services.errors import Refusal
from services.finding import search_key

SOMEBODY_ELSE = 0
ABOUT = tuple(one.value for one in About)


@command("complain")
@button("complain")
async def show_own(turn: Turn) -> Reply:
    """Those that there are; who has none yet is asked at once."""
    await forms.set_aside(turn)
    found = await complaints.own(turn.work)
    if not found:
        return await begin(turn)
    return Show("complaints/own", {"lines": found})


@button("complain.new")
async def begin(turn: Turn) -> Reply:
    return await start(turn, COMPLAIN, answers={})


@button("complaint.own")
async def show_one_of_own(turn: Turn, complaint_id: int) -> Reply:
    await forms.set_aside(turn)
    case = await complaints.own_case(turn.work, complaint_id)
    return Show("complaints/own_one", {"case": case}, private=True)


# The form


async def _activities(asked: Asked) -> list[Option]:
    found = (await complaints.choices(asked.turn.work)).activities
    return [_option(activity.id, activity.title) for activity, _ in found]


async def _people(asked: Asked) -> list[Option]:
    found = (await complaints.choices(asked.turn.work)).people
    words, language = asked.turn.around.words, asked.turn.language
    other = words.plain("complaints/somebody_else", language)
    options = [
        _option(person.id, words.plain("complaints/somebody", language, person=person, of=of))
        for person, of in found
    ]
    return [*options, _option(SOMEBODY_ELSE, other)]


async def _organisations(asked: Asked) -> list[Option]:
    found = (await complaints.choices(asked.turn.work)).organisations
    return [Option(one.id, one.names, search_key(one.names)) for one in found]


def _option(key: int, name: str) -> Option:
    names = {"": name}
    return Option(key, names, search_key(names))


async def _check_about(asked: Asked, about: str) -> str:
    if about == About.ACTIVITY.value and not await _activities(asked):
        raise Refusal("complaint_no_activity")
    return about


def _not(about: About) -> Any:
    return lambda answers: answers.get("about") != about.value


def _is_picked(answers: dict[str, Any]) -> bool:
    return answers.get("about") != About.PERSON.value or answers.get("person") != SOMEBODY_ELSE


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    found = await complaints.choices(turn.work)
    titles = {activity.id: activity.title for activity, _ in found.activities}
    names = {person.id: person.name for person, _ in found.people}
    places = {one.id: one.names for one in found.organisations}
    return {
        "about": filled["about"],
        "activity": titles.get(filled.get("activity", 0), ""),
        "person": names.get(filled.get("person", 0), filled.get("who", "")),
        "organisation": places.get(filled.get("organisation", 0)),
        "words": filled["words"],
        "photos": len(filled.get("photos") or []),
        "naming": filled["naming"],
        "days": turn.work.policy.complaint_days,
    }


async def _complain(turn: Turn, filled: Filled) -> Reply:
    who = filled.get("who", "")
    case = await complaints.complain(
        turn.work,
        Said(
            About(filled["about"]),
            f"{who}\n{filled['words']}" if who else filled["words"],
            Naming(filled["naming"]),
            activity_id=filled.get("activity"),
            person_id=filled.get("person"),
            organisation_id=filled.get("organisation"),
            photos=filled.get("photos") or [],
        ),
    )
    return Show("complaints/received", {"case": case})


COMPLAIN = register(
    Form(
        "complain",
        (
            Field("about", Choice(ABOUT), check=_check_about),
            Field("activity", Pick(_activities), skip_if=_not(About.ACTIVITY)),
            Field("person", Pick(_people), skip_if=_not(About.PERSON)),
            Field("who", Text(2, 100), skip_if=_is_picked),
            Field("organisation", Pick(_organisations), skip_if=_not(About.ORGANISATION)),
            Field("words", Text(complaints.WORDS[0], 1800, lines=True)),
            Field("photos", Photos(most=complaints.PHOTOS), optional=True),
            Field("naming", Choice(tuple(one.value for one in Naming))),
        ),
        _complain,
        _describe,
    )
)


# The author's answer


@button("complaint.content")
async def accept(turn: Turn, complaint_id: int) -> Reply:
    case = await complaints.accept(turn.work, complaint_id)
    return Show("complaints/own_one", {"case": case}, private=True)


@button("complaint.appeal")
async def ask_to_appeal(turn: Turn, complaint_id: int) -> Reply:
    await complaints.check_may_appeal(turn.work, complaint_id)
    return await start(turn, APPEAL, subject_id=complaint_id)


async def _appeal(turn: Turn, filled: Filled) -> Reply:
    case = await complaints.appeal(turn.work, filled.subject_id or 0, filled["words"])
    return Show("complaints/own_one", {"case": case}, private=True)


TOLD = Text(*complaints.WORDS, lines=True)
APPEAL = register(Form("appeal_complaint", (Field("words", TOLD),), _appeal))


# The one complained about


@button("complaint.asked")
async def show_asked(turn: Turn, complaint_id: int) -> Reply:
    await forms.set_aside(turn)
    found = await complaints.asked(turn.work, complaint_id)
    return Show("complaints/asked_one", {"asked": found}, private=True)


@button("complaint.side")
async def ask_side(turn: Turn, complaint_id: int) -> Reply:
    found = await complaints.asked(turn.work, complaint_id)
    if not found.open:
        raise Refusal("complaint_over")
    return await start(turn, SIDE, subject_id=complaint_id)


async def _tell_side(turn: Turn, filled: Filled) -> Reply:
    found = await complaints.tell_side(turn.work, filled.subject_id or 0, filled["words"])
    return Show("complaints/asked_one", {"asked": found}, private=True)


SIDE = register(Form("tell_side", (Field("words", TOLD),), _tell_side))


# Handling


@command("complaints", menu=Audience.COORDINATORS)
@button("complaints")
async def show_waiting(turn: Turn, news: str = "") -> Reply:
    await forms.set_aside(turn)
    return Show(
        "complaints/list",
        {
            "lines": await complaints.listed(turn.work),
            "waiting": await complaints.waiting(turn.work),
            "news": news,
        },
    )


@button("complaint")
async def show_case(turn: Turn, complaint_id: int) -> Reply:
    """The look is noted, so it needs a writing transaction."""
    await forms.set_aside(turn)
    case = await complaints.look(turn.work, complaint_id)
    return Show("complaints/case", {"case": case}, private=True)


@button("complaint.photo")
async def show_photo(turn: Turn, complaint_id: int, place: int) -> Reply:
    case = await complaints.look(turn.work, complaint_id)
    if place >= len(case.photos):
        return await show_case(turn, complaint_id)
    return Show(
        "complaints/photo",
        {"case": case, "place": place},
        picture=case.photos[place].telegram_id,
        fresh=True,
        private=True,
    )


@button("complaint.answer")
async def ask_answer(turn: Turn, complaint_id: int) -> Reply:
    await complaints.check_may_handle(turn.work, complaint_id)
    return await start(turn, ANSWER, subject_id=complaint_id)


async def _answer(turn: Turn, filled: Filled) -> Reply:
    await complaints.answer(turn.work, filled.subject_id or 0, filled["words"])
    return await show_waiting(turn, "answered")


ANSWER = register(
    Form(
        "answer_complaint",
        (Field("words", Text(*complaints.ANSWER, lines=True)),),
        _answer,
    )
)


@button("complaint.ask")
async def ask_question(turn: Turn, complaint_id: int) -> Reply:
    await complaints.check_may_ask(turn.work, complaint_id)
    return await start(turn, QUESTION, subject_id=complaint_id)


async def _ask(turn: Turn, filled: Filled) -> Reply:
    case = await complaints.ask_for_side(turn.work, filled.subject_id or 0, filled["words"])
    return Show("complaints/case", {"case": case}, private=True)


QUESTION = register(Form("ask_side", (Field("words", TOLD),), _ask))


@button("complaint.pass")
async def pass_on(turn: Turn, complaint_id: int) -> Reply:
    await complaints.pass_on(turn.work, complaint_id)
    return await show_waiting(turn, "passed_on")
