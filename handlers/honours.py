"""Recognition as volunteers meet it: their stars and awards, the list of honours, the year."""

import asyncio
from typing import Any

from handlers import forms
from handlers.fields import Asked, Field, Option, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show, Toast
from handlers.routes import button, command
from handlers.turns import Turn
from models import Organisation, Person, RecognitionState
from services import awards, honours, points, recognition, reviews, stars, typesetting
from services.errors import Gone
from services.finding import search_key

ASK = "recognition/ask"
"""The folder of the forms' questions."""


@command("honours")
@button("honours")
async def show_honours(turn: Turn, everywhere: int = 0) -> Reply:
    await forms.set_aside(turn)
    seen = await honours.seen(turn.work, everywhere=bool(everywhere))
    notices = await stars.notices(turn.work, everywhere=bool(everywhere))
    return Show(
        "recognition/honours",
        {"seen": seen, "everywhere": bool(everywhere), "notices": len(notices)},
    )


@button("honours.join")
async def join(turn: Turn) -> Reply:
    await honours.join(turn.work)
    return await show_honours(turn)


@button("honours.leave")
async def leave(turn: Turn) -> Reply:
    await honours.leave(turn.work)
    return await show_honours(turn)


@button("honours.named")
async def be_named(turn: Turn) -> Reply:
    """Pressed under the ceremony's message, which stays as it is."""
    await honours.join(turn.work)
    return Toast("recognition/joined")


@button("honours.mine")
async def show_mine(turn: Turn) -> Reply:
    """What somebody holds, and how they stand with the next star."""
    await forms.set_aside(turn)
    person = turn.work.person
    minutes = (await recognition.minutes_of(turn.work, [person.id])).get(person.id, 0)
    return Show(
        "recognition/mine",
        {
            "held": await recognition.of_person(turn.work, person.id),
            "at": await stars.standing(turn.work, person),
            "most": len(turn.work.policy.star_hours),
            "letters": await recognition.letters_to(turn.work, person.id),
            "points": await points.of(turn.work, person.organisation_id, minutes),
        },
    )


@button("honours.card", reads=True)
async def show_card(turn: Turn, recognition_id: int) -> Reply:
    """The picture of a star or an award of one's own, to be passed on."""
    one = await recognition.case(turn.work, recognition_id)
    held = one.recognition.state is RecognitionState.AWARDED
    if one.person.id != turn.work.person.id or not held:
        raise Gone
    words, language = turn.around.words, turn.language
    about = {"recognition_id": one.id}
    _, draw = await recognition.card(turn.work, words, language, about)
    return Show(
        "recognition/own",
        {"award": one.about, "certificate_id": one.recognition.certificate_id},
        picture=lambda: asyncio.to_thread(draw),
        fresh=True,
    )


@button("letter", reads=True)
async def show_letter(turn: Turn, letter_id: int) -> Reply:
    one = await recognition.letter(turn.work, letter_id)
    photos = await recognition.photos(turn.work, letter_id)
    return Show(
        "recognition/letter",
        {"from_whom": one.from_whom, "words": one.words, "at": one.at},
        picture=photos[0].telegram_id if photos else None,
        fresh=bool(photos),
    )


# Stars


@button("star.apply", reads=True)
async def ask_to_apply(turn: Turn) -> Reply:
    """What applying means, before it counts: a public notice with one's name."""
    star, body = await stars.offer(turn.work)
    days = turn.work.policy.notice_working_days
    return Show("recognition/apply", {"star": star, "body": body.names, "days": days})


@button("star.apply.yes")
async def apply(turn: Turn) -> Reply:
    one = await stars.apply(turn.work)
    body = await turn.work.session.get_one(Organisation, one.organisation_id)
    return Show(
        "recognition/applied", {"star": one.star, "body": body.names, "until": one.notice_until}
    )


@button("star.withdraw")
async def withdraw(turn: Turn, recognition_id: int) -> Reply:
    await stars.withdraw(turn.work, recognition_id)
    return await show_mine(turn)


@button("notices")
async def show_notices(turn: Turn, everywhere: int = 0) -> Reply:
    await forms.set_aside(turn)
    found = await stars.notices(turn.work, everywhere=bool(everywhere))
    return Show("recognition/notices", {"found": found})


@button("notice", reads=True)
async def show_notice(turn: Turn, recognition_id: int) -> Reply:
    one = await stars.on_notice(turn.work, recognition_id)
    return Show("recognition/notice", {"case": one, "is_own": one.person.id == turn.work.person.id})


@button("notice.object")
async def ask_objection(turn: Turn, recognition_id: int) -> Reply:
    await stars.on_notice(turn.work, recognition_id)
    return await start(turn, OBJECT, subject_id=recognition_id)


async def _object(turn: Turn, filled: Filled) -> Reply:
    await stars.object_to(turn.work, filled.subject_id or 0, filled["objection"])
    return Show("recognition/objection_received")


OBJECTION = Text(*stars.WORDS, lines=True)
OBJECT = register(Form("object_notice", (Field("objection", OBJECTION),), _object, folder=ASK))


@button("bar.object")
async def ask_about_bar(turn: Turn, bar_id: int) -> Reply:
    await stars.own_bar(turn.work, bar_id)
    return await start(turn, OBJECT_TO_BAR, subject_id=bar_id)


async def _object_to_bar(turn: Turn, filled: Filled) -> Reply:
    await stars.object_to_bar(turn.work, filled.subject_id or 0, filled["against_bar"])
    return Show("recognition/objection_received")


OBJECT_TO_BAR = register(
    Form("object_bar", (Field("against_bar", OBJECTION),), _object_to_bar, folder=ASK)
)


# Nominating


@button("nominate")
async def ask_nomination(turn: Turn) -> Reply:
    if not await awards.nominable(turn.work):
        return Show("recognition/no_awards")
    return await start(turn, NOMINATE, answers={})


async def _nominee(asked: Asked, typed: str) -> int:
    return (await awards.nominee(asked.turn.work, typed)).id


async def _open_awards(asked: Asked) -> list[Option]:
    work = asked.turn.work
    person = await work.session.get(Person, asked.answers.get("nominee", 0))
    return [
        Option(one.kind.id, {"": one.kind.name}, search_key({"": one.kind.name}), one.body.names)
        for one in await awards.nominable(work, person)
    ]


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    person = await turn.work.session.get_one(Person, filled["nominee"])
    home = await turn.work.session.get_one(Organisation, person.organisation_id)
    kinds = await awards.nominable(turn.work, person)
    return {
        "name": person.name,
        "organisation": home.names,
        "award": next((one.kind.name for one in kinds if one.kind.id == filled["award"]), ""),
    }


async def _nominate(turn: Turn, filled: Filled) -> Reply:
    await awards.nominate(turn.work, filled["award"], filled["nominee"], filled["praise"])
    return Show("recognition/nomination_received")


NOMINATE = register(
    Form(
        "nominate",
        (
            Field("nominee", Text(1, 64), check=_nominee),
            Field("award", Pick(_open_awards)),
            Field("praise", Text(*awards.WORDS, lines=True)),
        ),
        _nominate,
        _describe,
    )
)


# The year


@command("year", reads=True)
@button("review", reads=True)
async def show_review(turn: Turn, year: int = 0) -> Reply:
    review = await reviews.of_actor(turn.work, year or None)
    if not review.minutes:
        return Show("recognition/no_review", {"review": review})
    person = turn.work.person
    organisation = await turn.work.session.get_one(Organisation, person.organisation_id)
    filled = turn.around.words.values(
        "recognition/review_card",
        turn.language,
        review=review,
        name=person.name,
        organisation=organisation.names,
    )
    return Show(
        "recognition/review",
        {"review": review},
        picture=lambda: asyncio.to_thread(typesetting.png, "recognition/review_card", filled),
        fresh=True,
    )
