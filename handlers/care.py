"""Care files for coordinators: opening one, its circle, its rhythm, who sees inside, alerts."""

from dataclasses import replace
from datetime import date
from typing import Any

from handlers import forms, options
from handlers.areas import Area
from handlers.fields import (
    Asked,
    Choice,
    Day,
    Field,
    Hours,
    Option,
    OtherPhone,
    Pick,
    PickMany,
    Text,
)
from handlers.forms import SUMMARY, Filled, Form, register, start
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import (
    AlertEnd,
    CareCategory,
    Circle,
    ConsentBy,
    PairingState,
    Person,
    Recipient,
    Skill,
)
from services import (
    access,
    care,
    care_alerts,
    care_endings,
    help_requests,
    pairings,
    terms,
    visiting,
)
from services.access import Right
from services.care import Described
from services.errors import Gone, Refusal
from services.finding import search_key
from services.formats import named
from services.pairings import Near
from services.visiting import Rhythmic

PAGE = 8
BY_TURNS = 0
"""Instead of a person's key: whoever's turn it is."""
OFTEN = {"week": 7, "fortnight": 14, "month": 28}
ON_DAYS = "days"
WINDOWS = ("540-720", "840-1020", "1080-1200")
"""Usual hours of a visit, as minutes of the day."""


@command("care", menu=Audience.COORDINATORS)
@button("care")
async def overview(turn: Turn, page: int = 0) -> Reply:
    await forms.set_aside(turn)
    work = turn.work
    await care.require(work)
    found = await care.files(work, page=page, size=PAGE)
    alerts = await care_alerts.open_ones(work)
    return Show(
        "care/overview",
        {
            "files": [_line(one) for one in found[:PAGE]],
            "page": page,
            "more": len(found) > PAGE,
            "counts": {kind.value: count for kind, count in (await care.counts(work)).items()},
            "alerts": [
                {"alert_id": alert.id, "recipient_id": recipient.id, "taken": alert.taken_by_id}
                for alert, recipient, _ in alerts
            ],
            "requests": await help_requests.waiting(work),
        },
        private=True,
        fresh=True,
        about=care.list_subject(work.person.id),
    )


def _line(one: care.Line) -> dict[str, Any]:
    return {
        "recipient_id": one.recipient.id,
        "category": one.recipient.category.value,
        "name": one.name,
        "organisation": one.organisation.names,
    }


# One file


@button("care.file")
async def show_file(turn: Turn, recipient_id: int) -> Reply:
    """All of it to whoever sees inside, and that is written down; else that it is there."""
    await forms.set_aside(turn)
    recipient = await care.known(turn.work, recipient_id)
    if recipient.erased_at is not None or not await care.sees(turn.work, recipient):
        about = await care.told(turn.work, recipient)
        return Show("care/shut", {**about, "erased": recipient.erased_at is not None})
    return await _file(turn, recipient)


async def _file(turn: Turn, recipient: Recipient) -> Show:
    shown = await care.look(turn.work, recipient.id)
    circle = await pairings.circle(turn.work, recipient.id)
    return Show(
        "care/file",
        {
            **shown,
            "rhythm": await pairings.rhythm_told(turn.work, recipient),
            "members": [p.name for one, p in circle if one.state is PairingState.ACTIVE],
            "asked": sum(one.state is PairingState.ASKED for one, _ in circle),
        },
        private=True,
        fresh=True,
        about=care.subject(recipient.id),
    )


def _below(shown: Reply) -> Reply:
    """On a message of its own: the one that was pressed loses what it said of the recipient."""
    return [replace(one, fresh=True) for one in parts_of(shown) if isinstance(one, Show)]


def _files(reply: str, shown: Reply) -> Reply:
    return [Toast(reply), *parts_of(shown)]


# Opening and changing one


@button("care.new")
async def new(turn: Turn) -> Reply:
    await care.require(turn.work)
    return await start(turn, FILE)


@button("care.from")
async def from_request(turn: Turn, request_id: int) -> Reply:
    """A file for whom help was asked, with what is known already."""
    known = await help_requests.look(turn.work, request_id)
    answers = {"name": known["name"], "address": known["address"], "phone": known["phone"],
               "needs": known["what"]}  # fmt: skip
    return await start(turn, FILE_OF_REQUEST, subject_id=request_id, answers=answers, at="category")


@button("care.change")
async def change(turn: Turn, recipient_id: int) -> Reply:
    recipient = await care.open_to(turn.work, recipient_id)
    details = recipient.details or {}
    answers = {
        "category": recipient.category.value,
        "consent": recipient.consent_by.value,
        "skills": recipient.skills,
        **{name: value for name, value in details.items() if value},
    }
    return await start(turn, CHANGED_FILE, subject_id=recipient_id, answers=answers, at=SUMMARY)


async def _in_reach(asked: Asked, area: dict[str, Any]) -> dict[str, Any]:
    await access.require(asked.turn.work, Right.CARE, area["organisation"])
    return area


def _no_contact(answers: dict[str, Any]) -> bool:
    return "contact_name" not in answers


def _words(name: str, *, lines: bool = False) -> Text:
    least, most = care.LENGTHS[name]
    return Text(max(1, least), most, lines)


_WHO = (
    Field("category", Choice(tuple(kind.value for kind in CareCategory))),
    Field("name", _words("name")),
)
_WHAT = (
    Field("address", _words("address")),
    Field("phone", OtherPhone(), optional=True),
    Field("needs", _words("needs", lines=True)),
    Field("heed", _words("heed", lines=True), optional=True),
    Field("contact_name", _words("name"), optional=True),
    Field("contact_phone", OtherPhone(), skip_if=_no_contact),
    Field("skills", PickMany(options.skills), optional=True),
    Field("consent", Choice(tuple(who.value for who in ConsentBy))),
)
_AREA = Field("area", Area(), check=_in_reach)


def _described(filled: Filled) -> Described:
    place = (filled.get("area") or {}).get("place") or {}
    return Described(
        category=CareCategory(filled["category"]),
        name=filled["name"],
        address=filled["address"],
        needs=filled["needs"],
        consent_by=ConsentBy(filled["consent"]),
        heed=filled.get("heed", ""),
        phone=filled.get("phone"),
        contact_name=filled.get("contact_name", ""),
        contact_phone=filled.get("contact_phone"),
        skills=tuple(filled.get("skills", ())),
        latitude=place.get("latitude"),
        longitude=place.get("longitude"),
    )


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    skills = await terms.by_keys(turn.work.session, Skill, filled.get("skills", []))
    return {"skill_names": [one.names for one in skills]}


async def _open(turn: Turn, filled: Filled) -> Reply:
    home = filled["area"]["organisation"]
    recipient = await care.open_file(turn.work, home, _described(filled))
    return _files("care/opened", await _file(turn, recipient))


async def _open_for_request(turn: Turn, filled: Filled) -> Reply:
    home = filled["area"]["organisation"]
    recipient = await care.open_file(turn.work, home, _described(filled))
    await help_requests.into_pairing(turn.work, filled.subject_id or 0, recipient.id)
    return _files("care/opened", await _file(turn, recipient))


async def _change(turn: Turn, filled: Filled) -> Reply:
    recipient = await care.change_file(turn.work, filled.subject_id or 0, _described(filled))
    return _files("care/changed", await _file(turn, recipient))


async def _describe_changed(turn: Turn, filled: Filled) -> dict[str, Any]:
    await care.open_to(turn.work, filled.subject_id or 0)
    return await _describe(turn, filled)


FILE = register(
    Form(
        "care_file",
        (*_WHO, _AREA, *_WHAT),
        _open,
        _describe,
        private=True,
        about=lambda turn, _key: care.list_subject(turn.work.person.id),
    )
)
FILE_OF_REQUEST = register(
    Form(
        care.FORM_OF_REQUEST,
        (*_WHO, _AREA, *_WHAT),
        _open_for_request,
        _describe,
        folder="care_file",
        private=True,
        about=lambda _turn, key: help_requests.subject(key or 0),
    )
)
CHANGED_FILE = register(
    Form(
        care.CHANGE_FORM,
        (*_WHO, *_WHAT),
        _change,
        _describe_changed,
        folder="care_file",
        private=True,
        about=lambda _turn, key: care.subject(key or 0),
    )
)


# Its circle


@button("care.circle")
async def show_circle(turn: Turn, recipient_id: int) -> Reply:
    await forms.set_aside(turn)
    circle = await pairings.circle(turn.work, recipient_id)
    return Show(
        "care/circle",
        {
            "recipient_id": recipient_id,
            "circle": [
                {
                    "pairing_id": one.id,
                    "name": person.name,
                    "circle": one.circle.value,
                    "state": one.state.value,
                }
                for one, person in circle
            ],
        },
    )


@button("care.invite")
async def invite(turn: Turn, recipient_id: int) -> Reply:
    await care.open_to(turn.work, recipient_id)
    return await start(turn, INVITATION, subject_id=recipient_id, answers={})


@button("care.out")
async def take_out(turn: Turn, pairing_id: int) -> Reply:
    recipient = await pairings.end(turn.work, pairing_id)
    return await show_circle(turn, recipient.id)


async def _near(asked: Asked) -> list[Option]:
    """The nearest who fit; whoever is typed for or ticked is among them."""
    typed = asked.turn.incoming.text or asked.scratch.get("query") or ""
    found = await pairings.candidates(asked.turn.work, asked.subject_id or 0, typed)
    return await volunteers_as_options(asked, found)


async def volunteers_as_options(asked: Asked, found: list[Near]) -> list[Option]:
    words = asked.turn.around.words
    shown = [
        Option(
            one.person.id,
            {"": words.plain("care/near", asked.turn.language, near=one).strip()},
            one.person.name_search,
        )
        for one in found
    ]
    ticked = set(asked.scratch.get("ticked") or []) - {one.id for one in shown}
    kept = [await asked.turn.work.session.get_one(Person, key) for key in sorted(ticked)]
    return [*shown, *(Option(one.id, {"": one.name}, one.name_search) for one in kept)]


async def _invite(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await pairings.invite(turn.work, key, Circle(filled["circle"]), filled["people"])
    return _files("care/invited", await show_circle(turn, key))


INVITATION = register(
    Form(
        "care_invite",
        (
            Field("circle", Choice(tuple(kind.value for kind in Circle))),
            Field("people", PickMany(_near, least=1)),
        ),
        _invite,
    )
)


# Its rhythm


@button("care.rhythm")
async def ask_rhythm(turn: Turn, recipient_id: int) -> Reply:
    await care.open_to(turn.work, recipient_id)
    return await start(turn, RHYTHM, subject_id=recipient_id, answers={})


@button("care.norhythm")
async def drop_rhythm(turn: Turn, recipient_id: int) -> Reply:
    recipient = await care.open_to(turn.work, recipient_id)
    await visiting.drop(turn.work, recipient)
    return _files("care/changed", await _file(turn, recipient))


async def _weekdays(asked: Asked) -> list[Option]:
    words = asked.turn.around.words
    return [
        Option(day + 1, names, search_key(names))
        for day in range(visiting.WEEK)
        for names in [{one: words.plain("care/weekday", one, day=day) for one in words.languages}]
    ]


async def _whose_turn(asked: Asked) -> list[Option]:
    words = asked.turn.around.words
    turns = {one: words.plain("care/by_turns", one) for one in words.languages}
    circle = await pairings.circle(asked.turn.work, asked.subject_id or 0)
    return [
        Option(BY_TURNS, turns, named(turns, asked.turn.language)),
        *(
            Option(person.id, {"": person.name}, person.name_search)
            for one, person in circle
            if one.state is PairingState.ACTIVE
        ),
    ]


async def _within_a_day(_asked: Asked, hours: list[int]) -> list[int]:
    if hours[0] >= hours[1]:
        raise Refusal("visit_rhythm")
    return hours


async def _ahead(asked: Asked, iso: str) -> str:
    if date.fromisoformat(iso) < asked.turn.work.today:
        raise Refusal("visit_rhythm")
    return iso


async def _settle(turn: Turn, filled: Filled) -> Reply:
    often = filled["often"]
    first = filled.get("first")
    said = Rhythmic(
        every_days=OFTEN.get(often),
        weekdays=sum(1 << day - 1 for day in filled["weekdays"]) if often == ON_DAYS else None,
        from_minute=filled["hours"][0],
        until_minute=filled["hours"][1],
        person_id=filled["who"] or None,
        first_on=date.fromisoformat(first) if first else None,
    )
    recipient = await visiting.settle(turn.work, filled.subject_id or 0, said)
    return _files("care/rhythm_set", await _file(turn, recipient))


RHYTHM = register(
    Form(
        "care_rhythm",
        (
            Field("often", Choice((*OFTEN, ON_DAYS))),
            Field(
                "weekdays",
                PickMany(_weekdays, least=1),
                skip_if=lambda answers: answers.get("often") != ON_DAYS,
            ),
            Field(
                "first",
                Day(),
                skip_if=lambda answers: answers.get("often") == ON_DAYS,
                check=_ahead,
            ),
            Field("hours", Hours(presets=WINDOWS), check=_within_a_day),
            Field("who", Pick(_whose_turn)),
        ),
        _settle,
    )
)


# What visits brought


@button("care.visits")
async def show_visits(turn: Turn, recipient_id: int) -> Reply:
    await care.look(turn.work, recipient_id)
    found = await visiting.history(turn.work, recipient_id, PAGE)
    return Show(
        "care/visits",
        {
            "recipient_id": recipient_id,
            "visits": [
                {
                    "visit_id": one.visit.id,
                    "state": one.visit.state.value,
                    "visitor": one.visitor,
                    "starts_at": one.visit.starts_at,
                    "wellbeing": one.visit.wellbeing.value if one.visit.wellbeing else None,
                    "note": one.visit.note,
                    "minutes": one.visit.minutes,
                    "voice": bool(one.enclosures),
                }
                for one in found
            ],
        },
        private=True,
        about=care.subject(recipient_id),
    )


@button("care.listen")
async def listen(turn: Turn, visit_id: int) -> Reply:
    found = await visiting.listen(turn.work, visit_id)
    visit, recipient = await visiting.seen(turn.work, visit_id)
    return Show(
        "care/voice",
        {"starts_at": visit.starts_at, "recipient_id": recipient.id},
        voice=found.telegram_id,
        private=True,
        fresh=True,
        about=care.subject(recipient.id),
    )


# Who sees inside


@button("care.take")
async def ask_reason(turn: Turn, recipient_id: int) -> Reply:
    await care.known(turn.work, recipient_id)
    return await start(turn, TAKE, subject_id=recipient_id, answers={})


async def _take(turn: Turn, filled: Filled) -> Reply:
    recipient = await care.take_access(turn.work, filled.subject_id or 0, filled["reason"])
    return await _file(turn, recipient)


TAKE = register(Form("care_take", (Field("reason", Text(*care.REASON)),), _take))


@button("care.access")
async def show_access(turn: Turn, recipient_id: int) -> Reply:
    accesses = await care.accesses(turn.work, recipient_id)
    looks = await care.looks(turn.work, recipient_id)
    return Show(
        "care/access",
        {
            "recipient_id": recipient_id,
            "accesses": [
                {"id": one.id, "name": person.name, "since": one.since, "until": one.until,
                 "took": one.reason is not None, "reason": one.reason}
                for one, person in accesses
            ],
            "looks": looks,
        },
    )  # fmt: skip


@button("care.colleagues")
async def show_colleagues(turn: Turn, recipient_id: int) -> Reply:
    recipient = await care.open_to(turn.work, recipient_id)
    found = await care.colleagues(turn.work, recipient)
    people = [{"id": one.id, "name": one.name} for one in found[: 2 * PAGE]]
    return Show("care/colleagues", {"recipient_id": recipient_id, "people": people})


@button("care.grant")
async def grant(turn: Turn, recipient_id: int, person_id: int) -> Reply:
    await care.grant(turn.work, recipient_id, person_id)
    return await show_access(turn, recipient_id)


@button("care.ungrant")
async def end_access(turn: Turn, access_id: int) -> Reply:
    recipient = await care.end_access(turn.work, access_id)
    if not await care.sees(turn.work, recipient):
        return _below(await overview(turn))
    return await show_access(turn, recipient.id)


# The end


@button("care.sure")
async def are_you_sure(turn: Turn, recipient_id: int, what: str) -> Reply:
    await care.inside(turn.work, recipient_id)
    if what not in ("close", "erase"):
        raise Gone
    return Show("care/sure", {"recipient_id": recipient_id, "what": what})


@button("care.close")
async def close(turn: Turn, recipient_id: int) -> Reply:
    await care_endings.close(turn.work, recipient_id)
    return _files("care/closed", _below(await overview(turn)))


@button("care.erase")
async def erase(turn: Turn, recipient_id: int) -> Reply:
    await care_endings.erase(turn.work, recipient_id)
    return _files("care/erased", _below(await overview(turn)))


# Alerts, for coordinators and the circle


@button("alert")
async def show_alert(turn: Turn, alert_id: int) -> Reply:
    alert, recipient = await care_alerts.found(turn.work, alert_id)
    return _alert(await care_alerts.shown(turn.work, alert, recipient))


@button("alert.take", in_order=True, urgent=True)
async def take_alert(turn: Turn, alert_id: int) -> Reply:
    return _alert(await care_alerts.take_on(turn.work, alert_id))


def _alert(shown: dict[str, Any]) -> Show:
    about = care.alert_subject(shown["alert_id"])
    return Show("care_alerts/screen", shown, private=True, fresh=True, about=about)


@button("alert.end")
async def end_alert(turn: Turn, alert_id: int, how: str) -> Reply:
    if how not in set(AlertEnd):
        raise Gone
    ended = await care_alerts.end(turn.work, alert_id, AlertEnd(how))
    return Show("care_alerts/ended", ended)
