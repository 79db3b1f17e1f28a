"""What volunteers do with their own registration: profile, card, pause, data, leaving."""

import asyncio
import json
from datetime import date

from handlers import forms
from handlers.fields import Asked, Day, Field, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Document, Reply, Show
from handlers.routes import Who, button, command, link
from handlers.signup import show_profile
from handlers.turns import Turn
from models import Activity, Organisation, Shift, Standing
from services import attendance, cards, codes, personal_data, profile
from services.errors import Gone, Refusal
from services.words import Words


@command("profile")
@button("profile")
async def open_profile(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return await show_profile(turn)


# The card


@command("card", reads=True)
@button("card", reads=True)
async def show_card(turn: Turn) -> Reply:
    person = turn.work.person
    organisation = await turn.work.session.get_one(Organisation, person.organisation_id)
    number = person.number or ""
    address = turn.around.link(cards.payload(number))
    words, language = turn.around.words, turn.language
    face = cards.Face(
        title=words.plain("cards/title", language),
        name=person.name,
        number=number,
        number_label=words.plain("cards/number", language),
        organisation=words.plain("cards/organisation", language, names=organisation.names),
        since=words.plain("cards/since", language, day=person.registered_at),
        link=address,
    )

    async def draw() -> bytes:
        return await asyncio.to_thread(cards.draw, face)

    return Show("cards/card", {"number": number}, picture=draw, private=True, fresh=True)


@link("v", who=Who.ANYONE, reads=True)
async def verify_card(turn: Turn, number: str, signature: str) -> Reply:
    """What the code on a card says: whether it is genuine, and no more than that of the person.

    Who takes a roll now can add the card's holder to it.
    """
    person = await cards.holder(turn.work, number, signature)
    organisation = await turn.work.session.get_one(Organisation, person.organisation_id)
    return Show(
        "cards/genuine",
        {
            "name": cards.masked_name(person.name),
            "number": person.number,
            "organisation": organisation.names,
            "active": person.standing is Standing.ACTIVE,
            "person_id": person.id,
            "led": [
                {
                    "shift_id": shift.id,
                    "title": activity.title,
                    "key": codes.walk_in(shift.id, person.id),
                }
                for shift, activity in await _led(turn)
            ],
        },
    )


async def _led(turn: Turn) -> list[tuple[Shift, Activity]]:
    return await attendance.running_shifts(turn.work) if turn.person else []


# Pause


@command("pause")
@button("pause")
async def pause(turn: Turn) -> Reply:
    until = turn.work.person.paused_until
    if until is not None and until > turn.work.today:
        return Show("profile/paused", {"until": until})
    return await start(turn, PAUSE)


@button("pause.end")
async def end_pause(turn: Turn) -> Reply:
    await profile.end_pause(turn.work)
    return await show_profile(turn, saved=True)


async def _check_pause(asked: Asked, iso: str) -> str:
    profile.check_pause(asked.turn.work, date.fromisoformat(iso))
    return iso


async def _pause(turn: Turn, filled: Filled) -> Reply:
    until = date.fromisoformat(filled["until"])
    await profile.pause(turn.work, until)
    return Show("profile/paused", {"until": until})


PAUSE = register(Form("pause", (Field("until", Day(), check=_check_pause),), _pause))


# Leaving


@command("withdraw")
@button("withdraw")
async def ask_to_withdraw(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return Show("profile/withdraw")


@button("withdraw.yes")
async def withdraw(turn: Turn) -> Reply:
    left = await profile.withdraw(turn.work)
    return Show("profile/withdrawn", {"left": left})


@command("mydata", who=Who.ANYONE)
@button("mydata", who=Who.ANYONE)
async def my_data(turn: Turn) -> Reply:
    if turn.person is None:
        return Show("profile/no_data")
    found = await personal_data.everything_about(turn.work)
    content = json.dumps(found, ensure_ascii=False, indent=2).encode()
    return Show(
        "profile/my_data", document=Document("mydata.json", content), fresh=True, private=True
    )


@command("privacy", who=Who.ANYONE, reads=True)
@button("privacy", who=Who.ANYONE, reads=True)
async def privacy(turn: Turn) -> Reply:
    return Show("profile/privacy", {"version": turn.work.policy.privacy_version})


@command("forget", who=Who.ANYONE)
@button("forget", who=Who.ANYONE)
async def ask_to_forget(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return Show("profile/forget" if turn.person else "profile/no_data")


@button("forget.yes", who=Who.ANYONE)
async def ask_again(turn: Turn) -> Reply:
    if turn.person is None:
        raise Gone
    return await start(turn, FORGET)


async def _check_word(asked: Asked, typed: str) -> str:
    wanted = forget_word(asked.turn.around.words, asked.turn.language)
    if typed.casefold() != wanted.casefold():
        raise Refusal("forget_word", word=wanted)
    return typed


def forget_word(words: Words, language: str) -> str:
    return words.plain("profile/forget_word", language)


async def _forget(turn: Turn, _filled: Filled) -> Reply:
    await personal_data.forget(turn.work)
    return Show("profile/forgotten")


FORGET = register(Form("forget", (Field("word", Text(most=40), check=_check_word),), _forget))
