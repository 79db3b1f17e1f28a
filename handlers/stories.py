"""Stories: told in chat with photos, looked at by a coordinator, read by everybody."""

from typing import Any

from handlers import forms
from handlers.fields import Choice, Field, Photos, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import Credit, EnclosureKind
from services import desk, stories
from services.stories import MOST_PHOTOS, REASON, TEXT, TITLE, Shown, Told

SHOWN = 8


def address(public_url: str) -> str:
    """Of the page on which stories are read."""
    return f"{public_url}/stories"


@command("stories")
@button("stories")
async def show_latest(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    latest = await stories.latest(turn.work)
    page = address(turn.around.public_url)
    shown = [{"title": s.title, "signed": s.signed, "link": f"{page}/{s.code}"} for s in latest]
    return Show("stories/latest", {"stories": shown, "page": page})


@button("stories.mine", reads=True)
async def show_mine(turn: Turn) -> Reply:
    own = await stories.mine(turn.work)
    return Show("stories/mine", {"stories": [_line(story) for story in own]})


def _line(story: Any) -> dict[str, Any]:
    return {"id": story.id, "title": story.title, "state": story.state.value}


@button("story.one", reads=True)
async def show_own(turn: Turn, story_id: int) -> Reply:
    """As it is read, with what its author can do."""
    found = await stories.shown(turn.work, await stories.own(turn.work, story_id))
    link = f"{address(turn.around.public_url)}/{found.story.code}"
    return Show(
        "stories/own",
        {**_told(found), "address": link},
        picture=_first(found),
        fresh=bool(found.photos),
    )


def _told(found: Shown) -> dict[str, Any]:
    story = found.story
    return {
        "story_id": story.id,
        "title": story.title,
        "text": story.text,
        "signed": found.signed,
        "of": found.organisation,
        "photos": len(found.photos),
        "state": story.state.value,
        "reason": story.reason,
    }


def _first(found: Shown) -> str | None:
    return next((p.telegram_id for p in found.photos if p.kind is EnclosureKind.PHOTO), None)


# Telling one


@button("story.tell")
async def tell(turn: Turn) -> Reply:
    return await start(turn, STORY)


@button("story.change")
async def change(turn: Turn, story_id: int) -> Reply:
    """What was sent back, to be told anew with what is there already."""
    found = await stories.shown(turn.work, await stories.own(turn.work, story_id))
    answers = {
        "title": found.story.title,
        "text": found.story.text,
        "photos": [photo.telegram_id for photo in found.photos],
        "credit": found.story.credit.value,
    }
    return await start(turn, STORY, subject_id=story_id, answers=answers, at=forms.SUMMARY)


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    """The story as it will look."""
    credit = Credit(filled["credit"])
    return {
        "signed": stories.signature(turn.work.person.name, credit),
        "photos": len(filled.get("photos", [])),
    }


async def _submit(turn: Turn, filled: Filled) -> Reply:
    told = Told(filled["title"], filled["text"], Credit(filled["credit"]), filled.get("photos", []))
    if filled.subject_id is None:
        story = await stories.submit(turn.work, told)
    else:
        story = await stories.tell_anew(turn.work, filled.subject_id, told)
    return Show("stories/received", {"title": story.title})


STORY = register(
    Form(
        "story",
        (
            Field("title", Text(*TITLE)),
            Field("text", Text(*TEXT, lines=True)),
            Field("photos", Photos(most=MOST_PHOTOS), optional=True),
            Field("credit", Choice(tuple(credit.value for credit in Credit))),
        ),
        _submit,
        _describe,
    )
)


@button("story.drop", reads=True)
async def ask_to_take_back(turn: Turn, story_id: int) -> Reply:
    story = await stories.own(turn.work, story_id)
    return Show("stories/take_back", _line(story), fresh=True)


@button("story.takeback")
async def take_back(turn: Turn, story_id: int) -> Reply:
    await stories.take_back(turn.work, story_id)
    return await show_mine(turn)


# Looking at them


@command("review", menu=Audience.COORDINATORS)
@button("stories.waiting")
async def show_waiting(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    await desk.require(turn.work)
    pending = await stories.pending(turn.work, SHOWN)
    shown = [{**_line(story), "name": name} for story, name in pending]
    return Show("stories/waiting", {"stories": shown, "waiting": await stories.waiting(turn.work)})


@button("story.look", reads=True)
async def look(turn: Turn, story_id: int) -> Reply:
    found = await stories.seen_to(turn.work, story_id)
    return Show("stories/review", _told(found), picture=_first(found), fresh=True)


@button("story.photos", reads=True)
async def show_photos(turn: Turn, story_id: int) -> Reply:
    """All but the first, which stands above the story."""
    found = await stories.seen_to(turn.work, story_id)
    return [
        Show(
            "stories/photo",
            {"place": place, "of": len(found.photos)},
            photo.telegram_id,
            fresh=True,
        )
        for place, photo in enumerate(found.photos, 1)
        if place > 1
    ]


@button("story.where", reads=True)
async def choose_channels(turn: Turn, story_id: int) -> Reply:
    return await _channels(turn, await stories.seen_to(turn.work, story_id), fresh=True)


@button("story.channel")
async def toggle_channel(turn: Turn, story_id: int, group_id: int) -> Reply:
    return await _channels(turn, await stories.choose_channel(turn.work, story_id, group_id))


async def _channels(turn: Turn, found: Shown, *, fresh: bool = False) -> Reply:
    story = found.story
    groups = [
        {"id": group.id, "title": group.title, "chosen": group.id in story.channels}
        for group in await stories.channels(turn.work, story)
    ]
    shown = {"story_id": story.id, "title": story.title, "groups": groups}
    return Show("stories/channels", shown, fresh=fresh)


@button("story.publish")
async def publish(turn: Turn, story_id: int) -> Reply:
    await stories.publish(turn.work, story_id, address(turn.around.public_url))
    return await show_waiting(turn)


@button("story.back")
async def ask_what_to_change(turn: Turn, story_id: int) -> Reply:
    await stories.seen_to(turn.work, story_id)
    return await start(turn, SEND_BACK, subject_id=story_id)


async def _send_back(turn: Turn, filled: Filled) -> Reply:
    await stories.send_back(turn.work, filled.subject_id or 0, filled["reason"])
    return await show_waiting(turn)


@button("story.decline")
async def ask_why(turn: Turn, story_id: int) -> Reply:
    await stories.seen_to(turn.work, story_id)
    return await start(turn, DECLINE, subject_id=story_id)


async def _decline(turn: Turn, filled: Filled) -> Reply:
    await stories.decline(turn.work, filled.subject_id or 0, filled["reason"])
    return await show_waiting(turn)


WHY = (Field("reason", Text(*REASON, lines=True)),)
SEND_BACK = register(Form("send_back_story", WHY, _send_back))
DECLINE = register(Form("decline_story", WHY, _decline))
