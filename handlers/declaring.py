"""Declaring a call-out: what happened, where, who; the preview, what would help, and the word."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handlers import callouts as directing
from handlers import forms, options
from handlers.fields import (
    AS_USUAL,
    Asked,
    Choice,
    Duration,
    Field,
    Location,
    Number,
    Pick,
    PickMany,
    Text,
    TextOrUsual,
)
from handlers.forms import SUMMARY, Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import (
    Callout,
    Emergency,
    Equipment,
    Need,
    Organisation,
    QualificationKind,
    Skill,
    SpokenLanguage,
    UsualText,
)
from services import access, callouts, commanding, crews, declaring, hearing, terms
from services.declaring import Declaration, Wanted
from services.errors import Gone, Refusal

DRILL, REAL = "drill", "real"
MODES = (REAL, DRILL)
KINDS = tuple(kind.value for kind in Emergency)
CRITICAL, USUAL = "critical", "usual"
BY_POSTS = "posts"
WITHIN = tuple(str(minutes) for minutes in declaring.WITHIN)
RADII = tuple(str(round(ring / 1000)) for ring in declaring.RINGS)
KEPT = timedelta(hours=1)
"""For so long, words that were said before anything was chosen are still about this call-out."""


# What was said in their own words


def _heard(asked: Asked) -> hearing.Heard:
    """What the words so far propose."""
    return hearing.hear_in(asked.turn.around.words, asked.answers.get("details") or "")


@dataclass(frozen=True, slots=True)
class Mode(Choice):
    """The choice before all else, beside what is under way and what was begun."""

    async def view(self, asked: Asked) -> dict[str, Any]:
        begun = [one.id for one in await forms.drafts(asked.turn) if one.form == DECLARE.name]
        return {
            "running": await callouts.in_short(asked.turn.work),
            "begun": begun[0] if begun else None,
        }


@dataclass(frozen=True, slots=True)
class Kind(Choice):
    async def view(self, asked: Asked) -> dict[str, Any]:
        return {"heard": _heard(asked)}


@dataclass(frozen=True, slots=True)
class HowMany(Number):
    async def view(self, asked: Asked) -> dict[str, Any]:
        numbers = _heard(asked).numbers
        return {"heard": [one for one in numbers if self.least <= one <= self.most]}


# Beginning


@command("callout", menu=Audience.COORDINATORS)
@button("callouts")
async def show_all(turn: Turn) -> Reply:
    """What is under way, and the choice between a drill and the real thing before all else.

    Words behind the command, and whatever is said until the place is asked, are kept. Raises
    NotAllowed, Refusal("form_too_long").
    """
    await callouts.commands(turn.work)
    said = [] if turn.pressed else (turn.incoming.text or "").split(maxsplit=1)[1:]
    before = await _said_before(turn)
    anew = [words for words in said if words not in before]
    details = "\n".join(part for part in (before, *anew) if part)
    if len(details) > forms.LONGEST_NOTE:
        raise Refusal("form_too_long", most=forms.LONGEST_NOTE, length=len(details))
    return await start(turn, BEGIN, answers={"details": details} if details else {})


async def _said_before(turn: Turn) -> str:
    """Words of a moment ago that belong to no call-out yet."""
    since = turn.work.now - KEPT
    begun = [one for one in await forms.drafts(turn) if one.form == BEGIN.name]
    kept = [one.answers.get("details") or "" for one in begun if one.updated_at >= since]
    return str(kept[0]) if kept else ""


async def _begin(turn: Turn, filled: Filled) -> Reply:
    """Only the place and the number must be said; the rest has what is usual."""
    return await _go_on(turn, {**filled.answers, **await _usual_of(turn, filled["kind"])})


async def _go_on(turn: Turn, answers: dict[str, Any]) -> Reply:
    own = await callouts.commands(turn.work)
    if len(own) == 1:
        answers["organisation"] = own[0].id
    at = "place" if len(own) == 1 else "organisation"
    return await start(turn, DECLARE, answers=answers, at=at)


async def _usual_of(turn: Turn, kind: str) -> dict[str, Any]:
    """The answers that a kind of emergency has for a start."""
    emergency = Emergency(kind)
    return {
        "kind": kind,
        "skills": await declaring.usual_skills(turn.work, emergency),
        "radius": str(round(declaring.USUAL[emergency].radius / 1000)),
        "message": USUAL,
        "bring": AS_USUAL,
        "dangers": AS_USUAL,
    }


BEGIN = register(
    Form(
        "callout_begin",
        (Field("mode", Mode(MODES)), Field("kind", Kind(KINDS))),
        _begin,
        notes="details",
        numbered=False,
    )
)


async def begin_for(turn: Turn, team_id: int) -> Reply:
    """A rescue team is called as a team. Raises NotAllowed, Refusal("team_nobody")."""
    await callouts.commands(turn.work)
    if not await crews.of_team(turn.work, team_id):
        raise Refusal("team_nobody")
    return await start(turn, CALL_TEAM, answers={"team": team_id})


async def _begin_for(turn: Turn, filled: Filled) -> Reply:
    """By its posts, all at once, so that only the place must be said."""
    crew = await crews.of_team(turn.work, filled["team"])
    asked = {"quota": sum(one.quota for one in crew), "posts": BY_POSTS, "skills": []}
    usual = {**await _usual_of(turn, filled["kind"]), **asked}
    return await _go_on(turn, {**filled.answers, **usual})


CALL_TEAM = register(
    Form(
        "callout_call_team",
        (
            Field("team", Pick(options.teams)),
            Field("mode", Mode(MODES)),
            Field("kind", Kind(KINDS)),
        ),
        _begin_for,
        folder="callout_begin",
        numbered=False,
    )
)


@button("callout.kind")
async def change_kind(turn: Turn, kind: str) -> Reply:
    """Another kind of emergency brings what is usual for it; all else stays as it was said."""
    active = await forms.active(turn)
    if active is None or active.form != DECLARE.name or kind not in KINDS:
        raise Gone
    answers = {**active.answers, **await _usual_of(turn, kind)}
    return await start(turn, DECLARE, subject_id=active.subject_id, answers=answers, at=SUMMARY)


# Declaring


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    session = turn.work.session
    team = filled.get("team")
    return {
        "skills": await terms.by_keys(session, Skill, filled.get("skills") or []),
        "qualifications": await terms.by_keys(
            session, QualificationKind, filled.get("qualifications") or []
        ),
        "languages": await terms.by_keys(session, SpokenLanguage, filled.get("languages") or []),
        "equipment": [kind.value for kind in options.equipment_of(filled.get("equipment") or [])],
        "team": (await session.get_one(Organisation, team)).names if team else None,
    }


def _wanted(filled: Filled) -> Wanted:
    return Wanted(
        filled["quota"],
        filled.get("skills") or [],
        filled.get("qualifications") or [],
        filled.get("languages") or [],
        options.equipment_of(filled.get("equipment") or []),
        filled.get("team"),
    )


async def _declare(turn: Turn, filled: Filled) -> Reply:
    said = _declaration(filled)
    if filled.subject_id is None:
        made = await declaring.declare(turn.work, said)
    else:
        made = await declaring.declare_anew(turn.work, filled.subject_id, said)
    if filled.get("posts"):
        _, need = await declaring.draft(turn.work, made.id)
        await declaring.by_posts(turn.work, need.id)
    return await _ask_for_the_word(turn, made.id)


def _declaration(filled: Filled) -> Declaration:
    place = filled["place"]
    bring, dangers = filled.get("bring") or "", filled.get("dangers") or ""
    usual = {
        UsualText.MESSAGE: filled.get("message") == USUAL,
        UsualText.BRING: bring == AS_USUAL,
        UsualText.DANGERS: dangers == AS_USUAL,
    }
    return Declaration(
        organisation_id=filled["organisation"],
        kind=Emergency(filled["kind"]),
        drill=filled["mode"] == DRILL,
        latitude=place["latitude"],
        longitude=place["longitude"],
        address=filled.get("address") or place.get("address") or "",
        needs=[_wanted(filled)],
        details=filled.get("details") or "",
        bring="" if bring == AS_USUAL else bring,
        dangers="" if dangers == AS_USUAL else dangers,
        usual=[text for text, kept in usual.items() if kept],
        within=int(filled["within"]) if filled.get("within") else None,
        lasts=filled.get("lasts"),
        critical=filled.get("level") == CRITICAL,
        radius=int(filled["radius"]) * 1000.0 if filled.get("radius") else None,
    )


async def _ask_for_the_word(turn: Turn, callout_id: int) -> Reply:
    """The preview, which says at its end what to type."""
    shown = await declaring.preview(turn.work, callout_id)
    about = {"shown": shown["word"], "callout_id": callout_id}
    await start(turn, CONFIRM, subject_id=callout_id, answers=about, at="word")
    return Show("callouts/preview", shown)


def _asks_no_team(answers: dict[str, Any]) -> bool:
    return not answers.get("team")


WHO = (
    Field("quota", HowMany(1, declaring.LARGEST)),
    Field("skills", PickMany(options.skills), optional=True),
    Field("qualifications", PickMany(options.qualification_kinds), optional=True),
    Field("languages", PickMany(options.spoken_languages), optional=True),
    Field("equipment", PickMany(options.equipment), optional=True),
    Field("team", Pick(options.teams), optional=True),
)
DECLARE = register(
    Form(
        "callout",
        (
            Field("organisation", Pick(options.organisations_with(access.Right.LAUNCH_CALLOUTS))),
            Field("place", Location(proposals=options.rally_points)),
            *WHO,
            Field("posts", Choice((BY_POSTS,)), optional=True, skip_if=_asks_no_team),
            Field("radius", Choice(RADII), optional=True),
            Field("address", Text(most=declaring.ADDRESS_LENGTH), optional=True),
            Field("message", Choice((USUAL,)), optional=True),
            Field("details", Text(most=forms.LONGEST_NOTE, lines=True), optional=True),
            Field("bring", TextOrUsual(most=declaring.WORDS_LENGTH), optional=True),
            Field("dangers", TextOrUsual(most=declaring.WORDS_LENGTH), optional=True),
            Field("within", Choice(WITHIN), optional=True),
            Field("lasts", Duration(), optional=True),
            Field("level", Choice((USUAL, CRITICAL)), optional=True),
            Field("mode", Choice(MODES)),
            Field("kind", Kind(KINDS)),
        ),
        _declare,
        _describe,
        notes="details",
    )
)


@button("callout.change")
async def change(turn: Turn, callout_id: int) -> Reply:
    """Back from the preview to what was said."""
    callout, need = await declaring.draft(turn.work, callout_id)
    answers = _answers(callout, need)
    return await start(turn, DECLARE, subject_id=callout_id, answers=answers, at=SUMMARY)


def _answers(callout: Callout, need: Need) -> dict[str, Any]:
    """A draft as the form has it; what was not answered is not there."""
    usual = set(callout.usual)
    answers = {
        "organisation": callout.organisation_id,
        "mode": DRILL if callout.drill else REAL,
        "kind": callout.kind.value,
        "place": {"latitude": callout.latitude, "longitude": callout.longitude},
        "address": callout.address,
        "quota": need.quota,
        "skills": need.skills,
        "qualifications": need.qualifications,
        "languages": need.languages,
        "equipment": [options.key_of(Equipment(kind)) for kind in need.equipment],
        "team": need.team_id,
        "posts": BY_POSTS if need.as_team else None,
        "radius": str(round(callout.radius / 1000)),
        "message": USUAL if UsualText.MESSAGE in usual else None,
        "details": callout.details,
        "bring": AS_USUAL if UsualText.BRING in usual else callout.bring,
        "dangers": AS_USUAL if UsualText.DANGERS in usual else callout.dangers,
        "within": str(callout.within) if callout.within else None,
        "lasts": callout.lasts,
        "level": CRITICAL if callout.critical else None,
    }
    return {name: value for name, value in answers.items() if value}


@button("callout.preview", urgent=True)
async def show_preview(turn: Turn, callout_id: int) -> Reply:
    await declaring.draft(turn.work, callout_id)
    return await _ask_for_the_word(turn, callout_id)


# What would help


@button("callout.posts")
async def by_posts(turn: Turn, need_id: int) -> Reply:
    found = await declaring.by_posts(turn.work, need_id)
    return await _ask_for_the_word(turn, found.id)


@button("callout.widen")
async def widen(turn: Turn, callout_id: int, kilometres: int) -> Reply:
    await declaring.widen(turn.work, callout_id, kilometres)
    return await _ask_for_the_word(turn, callout_id)


@button("callout.relax")
async def relax(turn: Turn, need_id: int, demand: str) -> Reply:
    found = await declaring.relax(turn.work, need_id, demand)
    return await _ask_for_the_word(turn, found.id)


@button("callout.drop")
async def drop_need(turn: Turn, need_id: int) -> Reply:
    found = await declaring.drop_need(turn.work, need_id)
    return await _ask_for_the_word(turn, found.id)


@button("callout.also")
async def ask_whom_also(turn: Turn, callout_id: int) -> Reply:
    """One more kind of people, before it is sent or while it runs."""
    await callouts.commanded(turn.work, callout_id)
    return await start(turn, ALSO, subject_id=callout_id, answers={}, at="quota")


async def _add_need(turn: Turn, filled: Filled) -> Reply:
    callout_id = filled.subject_id or 0
    found = await callouts.commanded(turn.work, callout_id)
    if found.launched_at is None:
        await declaring.add_to_draft(turn.work, callout_id, _wanted(filled))
        return await _ask_for_the_word(turn, callout_id)
    await commanding.add_need(turn.work, callout_id, _wanted(filled))
    return await directing.show_board(turn, callout_id)


ALSO = register(Form("callout_also", WHO, _add_need, _describe, folder="callout"))


# The word


async def _launch(turn: Turn, filled: Filled) -> Reply:
    found = await declaring.launch(turn.work, filled.subject_id or 0, filled["word"])
    return _declared(found)


def _declared(callout: Callout, *, waits: bool = True) -> Show:
    about = {
        "callout_id": callout.id, "kind": callout.kind.value, "drill": callout.drill,
        "lapses_at": callout.lapses_at if waits else None,
    }  # fmt: skip
    return Show("callouts/declared", about)


CONFIRM = register(Form("callout_word", (Field("word", Text(most=16)),), _launch))


@button("callout.second", urgent=True)
async def second(turn: Turn, callout_id: int) -> Reply:
    return _declared(await declaring.confirm(turn.work, callout_id), waits=False)
