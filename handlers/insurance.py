"""Insurance in chat: what covers me; what my organisation has taken out, and for whom."""

from datetime import date
from typing import Any

from handlers import forms, options
from handlers.fields import Asked, Choice, Day, Field, Option, Pick, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import Cover, Insurance
from services import insurance
from services.access import Right
from services.finding import search_key
from services.insurance import LENGTHS, Said


@command("cover")
@button("cover")
async def show_own(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await insurance.own(turn.work)
    return Show("insurance/own", {"covers": [_shown(one, names) for one, names in found]})


def _shown(one: Insurance, organisation: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "id": one.id,
        "insurer": one.insurer,
        "number": one.number,
        "covers": one.covers,
        "cover": one.cover.value,
        "from_day": one.from_day,
        "until_day": one.until_day,
        "ended": one.ended_at is not None,
        "of": organisation,
        **more,
    }


@command("insurance", menu=Audience.COORDINATORS)
@button("insurance")
async def show_kept(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await insurance.listed(turn.work)
    shown = [
        _shown(o.insurance, o.organisation, activity=o.activity, people=o.people) for o in found
    ]
    return Show("insurance/kept", {"kept": shown, "today": turn.work.today.isoformat()})


@button("insurance.one", reads=True)
async def show_one(turn: Turn, insurance_id: int) -> Reply:
    return await _one(turn, insurance_id)


async def _one(turn: Turn, insurance_id: int, **news: Any) -> Reply:
    one = await insurance.opened(turn.work, insurance_id)
    about = _shown(one.insurance, one.organisation, activity=one.activity, people=one.people)
    return Show("insurance/one", {**about, "news": None, **news})


@button("insurance.end")
async def end(turn: Turn, insurance_id: int) -> Reply:
    await insurance.end(turn.work, insurance_id)
    return await _one(turn, insurance_id)


@button("insurance.ending", reads=True)
async def ask_to_end(turn: Turn, insurance_id: int) -> Reply:
    one = await insurance.opened(turn.work, insurance_id)
    return Show("insurance/ask_to_end", {"id": insurance_id, "number": one.insurance.number})


# Recording


@button("insurance.record")
async def record(turn: Turn) -> Reply:
    return await start(turn, RECORD)


async def _activities(asked: Asked) -> list[Option]:
    found = await insurance.coming_activities(asked.turn.work)
    return [Option(one.id, {"": one.title}, search_key({"zh_Hans": one.title})) for one in found]


def _is_for_an_activity(answers: dict[str, Any]) -> bool:
    return bool(answers.get("cover") == Cover.ACTIVITY.value)


def _is_not_for_an_activity(answers: dict[str, Any]) -> bool:
    return not _is_for_an_activity(answers)


async def _after_the_first(asked: Asked, iso: str) -> str:
    if "from_day" in asked.answers:
        insurance.check_days(
            asked.turn.work, date.fromisoformat(asked.answers["from_day"]), date.fromisoformat(iso)
        )
    return iso


async def _record(turn: Turn, filled: Filled) -> Reply:
    said = Said(
        filled["insurer"],
        filled["number"],
        filled["covers"],
        date.fromisoformat(filled["from_day"]),
        date.fromisoformat(filled["until_day"]),
    )
    made = await insurance.record(
        turn.work,
        Cover(filled["cover"]),
        said,
        organisation_id=filled.get("organisation", 0),
        activity_id=filled.get("activity"),
    )
    return await _one(turn, made.id)


async def _described(_turn: Turn, filled: Filled) -> dict[str, Any]:
    return {"cover": filled["cover"]}


RECORD = register(
    Form(
        "insurance",
        (
            Field("cover", Choice(tuple(cover.value for cover in Cover))),
            Field(
                "organisation",
                Pick(options.organisations_with(Right.PLAN_ACTIVITIES)),
                skip_if=_is_for_an_activity,
            ),
            Field("activity", Pick(_activities), skip_if=_is_not_for_an_activity),
            Field("insurer", Text(most=LENGTHS["insurer"])),
            Field("number", Text(most=LENGTHS["number"])),
            Field("covers", Text(most=LENGTHS["covers"])),
            Field("from_day", Day()),
            Field("until_day", Day(), check=_after_the_first),
        ),
        _record,
        _described,
    )
)


@button("insurance.people")
async def ask_for_people(turn: Turn, insurance_id: int) -> Reply:
    await insurance.opened(turn.work, insurance_id)
    return await start(turn, PEOPLE, subject_id=insurance_id)


async def _put_on(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    added = await insurance.put_on(turn.work, key, filled["people"])
    return await _one(turn, key, news="added", added=added.added, unknown=added.unknown)


PEOPLE = register(Form("insure", (Field("people", Text(least=3, most=3500, lines=True)),), _put_on))


@button("insurance.gaps", reads=True)
async def show_uncovered(turn: Turn, activity_id: int) -> Reply:
    """Who of an activity is not covered on its days."""
    names = await insurance.without(turn.work, activity_id)
    dangerous = await insurance.is_dangerous(turn.work, activity_id)
    return Show(
        "insurance/gaps", {"names": names, "activity_id": activity_id, "dangerous": dangerous}
    )
