"""The forms in which coordinators plan: an activity, a shift, corrections, copies, calling off.

What they may say is `services.planning`'s and `services.shifts`' business.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from handlers import options
from handlers.activities import link_to, manage
from handlers.fields import (
    Answer,
    Asked,
    Choice,
    Field,
    Instant,
    Location,
    Number,
    Option,
    Photo,
    Pick,
    PickMany,
    Span,
    Stay,
    Text,
)
from handlers.forms import SUMMARY, Filled, Form, drafts, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import (
    Activity,
    ActivityState,
    Confirmation,
    MarkKind,
    Organisation,
    Project,
    QualificationKind,
    ServiceField,
    Skill,
    SpokenLanguage,
)
from services import (
    access,
    activities,
    announcements,
    planning,
    project_list,
    projects,
    shifts,
    terms,
)
from services.errors import NotAllowed, Refusal
from services.finding import search_key
from services.planning import Plan
from services.shifts import ShiftPlan

EVERYONE, NEEDS = "everyone", "needs"
DRAFTS, PUBLISHED = "drafts", "published"
RUNNING = "running"
"""What a plan's answers know of where projects run; it is asked of no other organisation."""


# What starts a form


@command("plan", menu=Audience.COORDINATORS)
@button("plan")
async def plan(turn: Turn) -> Reply:
    """Goes on with what was left half way; who plans for one organisation is not asked which."""
    own = await planning.places_to_plan(turn.work)
    if not own:
        raise NotAllowed
    begun = any(
        draft.form == PLAN.name and draft.subject_id is None for draft in await drafts(turn)
    )
    if begun:
        return await start(turn, PLAN)
    running = await project_list.with_running(turn.work)
    known: dict[str, Any] = {RUNNING: running} if running else {}
    if len(own) == 1:
        known["organisation"] = own[0].id
    return await start(turn, PLAN, answers=known or None)


@button("project.plan")
async def plan_for_project(turn: Turn, project_id: int) -> Reply:
    """An activity of a project, which is the plan's subject; its organisation is known."""
    project = await projects.get(turn.work, project_id)
    await projects.check_takes(turn.work, project_id, project.organisation_id)
    await access.require(turn.work, access.Right.PLAN_ACTIVITIES, project.organisation_id)
    begun = any(
        draft.form == PLAN.name and draft.subject_id == project_id for draft in await drafts(turn)
    )
    known = None if begun else {"organisation": project.organisation_id}
    return await start(turn, PLAN, subject_id=project_id, answers=known)


@button("activity.edit")
async def edit(turn: Turn, activity_id: int) -> Reply:
    activity = await activities.planned(turn.work, activity_id)
    return await start(
        turn, REPLAN, subject_id=activity_id, answers=_answers_of(activity), at=SUMMARY
    )


@button("shift.add")
async def add_shift(turn: Turn, activity_id: int) -> Reply:
    await activities.planned(turn.work, activity_id)
    return await start(turn, SHIFT, subject_id=activity_id)


@button("shift.edit")
async def edit_shift(turn: Turn, shift_id: int) -> Reply:
    _, shift = await planning.planned_shift(turn.work, shift_id)
    before = await shifts.plan_of(turn.work.session, shift)
    return await start(
        turn, RESHIFT, subject_id=shift_id, answers=_answers_of_shift(before), at=SUMMARY
    )


@button("activity.calloff")
async def call_off(turn: Turn, activity_id: int) -> Reply:
    activity = await activities.planned(turn.work, activity_id)
    if activity.state is not ActivityState.PUBLISHED:
        raise Refusal("plan_not_published")
    return await start(turn, CALL_OFF, subject_id=activity_id)


@button("activity.copy")
async def copy(turn: Turn, activity_id: int) -> Reply:
    await activities.planned(turn.work, activity_id)
    return await start(turn, COPY, subject_id=activity_id)


@button("activity.repeat")
async def repeat(turn: Turn, activity_id: int) -> Reply:
    await activities.planned(turn.work, activity_id)
    return await start(turn, REPEAT, subject_id=activity_id)


# From answers to plans and back


def _plan_from(filled: Filled) -> Plan:
    deadline = filled.get("deadline")
    place, remote = filled["place"], _remote(filled.answers)
    return Plan(
        field_id=filled["field"],
        title=filled["title"],
        description=filled["description"],
        address="" if remote else filled["address"],
        latitude=place.get("latitude"),
        longitude=place.get("longitude"),
        confirmation=Confirmation(filled["confirmation"]),
        picture=filled.get("picture"),
        enrolment_deadline=datetime.fromisoformat(deadline) if deadline else None,
        bring=filled.get("bring", ""),
        contact=filled.get("contact", ""),
        remote=remote,
    )


def _answers_of(activity: Activity) -> dict[str, Any]:
    answers = {
        "title": activity.title,
        "field": activity.field_id,
        "description": activity.description,
        "picture": activity.picture,
        "place": {"remote": True}
        if activity.remote
        else {"latitude": activity.latitude, "longitude": activity.longitude},
        "address": activity.address,
        "deadline": activity.enrolment_deadline,
        "confirmation": activity.confirmation.value,
        "bring": activity.bring,
        "contact": activity.contact,
    }
    return {name: value for name, value in answers.items() if value}


def _shift_from(filled: Filled) -> ShiftPlan:
    starts_at, ends_at = _moments(filled["span"])
    return ShiftPlan(
        starts_at=starts_at,
        ends_at=ends_at,
        quota=filled["quota"],
        title=filled.get("post", ""),
        least_age=filled.get("least_age", 0),
        skills=tuple(filled.get("skills", ())),
        qualifications=tuple(filled.get("qualifications", ())),
        languages=tuple(filled.get("languages", ())),
        mark=MarkKind(filled["mark"]) if filled.get("mark") else None,
    )


def _answers_of_shift(shift: ShiftPlan) -> dict[str, Any]:
    needs = {
        "skills": list(shift.skills),
        "qualifications": list(shift.qualifications),
        "languages": list(shift.languages),
        "least_age": shift.least_age,
        "mark": shift.mark.value if shift.mark else None,
    }
    answers = {
        "post": shift.title,
        "span": [shift.starts_at, shift.ends_at],
        "quota": shift.quota,
        "open_to": NEEDS if any(needs.values()) else EVERYONE,
        **needs,
    }
    return {name: value for name, value in answers.items() if value}


def _moments(span: Sequence[str]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(span[0]), datetime.fromisoformat(span[1])


# Rules that a single answer already breaks


async def _check_span(asked: Asked, value: list[str]) -> list[str]:
    shifts.check_span(asked.turn.work.now, *_moments(value))
    return value


async def _check_needs(asked: Asked, value: list[int]) -> list[int]:
    shifts.check_needs(value)
    return value


async def _check_deadline(asked: Asked, value: str) -> str:
    work = asked.turn.work
    if asked.subject_id is None or "span" in asked.answers:
        last, _ = _moments(asked.answers["span"])
        shifts.check_deadline(work.now, datetime.fromisoformat(value), last)
    else:
        known = await shifts.last_start(work.session, asked.subject_id)
        shifts.check_deadline(work.now, datetime.fromisoformat(value), known)
    return value


async def _check_start(asked: Asked, value: str) -> str:
    moment = datetime.fromisoformat(value)
    shifts.check_span(asked.turn.work.now, moment, moment + shifts.LONGEST)
    return value


async def _organisations(asked: Asked) -> list[Option]:
    return [
        Option(row.id, row.names, search_key(row.names))
        for row in await planning.places_to_plan(asked.turn.work)
    ]


# What the summaries read back


async def _describe(turn: Turn, filled: Filled) -> dict[str, Any]:
    """The answers by name, for the summary that all planning forms share."""
    session = turn.work.session
    field = filled.get("field")
    organisation = filled.get("organisation")
    return {
        "published": False,
        "project": None,
        "service_field": await session.get(ServiceField, field) if field else None,
        "organisation": await session.get(Organisation, organisation) if organisation else None,
        "skills": await terms.by_keys(session, Skill, filled.get("skills", [])),
        "qualifications": await terms.by_keys(
            session, QualificationKind, filled.get("qualifications", [])
        ),
        "languages": await terms.by_keys(session, SpokenLanguage, filled.get("languages", [])),
    }


async def _describe_plan(turn: Turn, filled: Filled) -> dict[str, Any]:
    key = filled.get("project", filled.subject_id)
    project = await turn.work.session.get(Project, key) if key else None
    return {**await _describe(turn, filled), "task": "plan", "project": project}


async def _describe_change(turn: Turn, filled: Filled) -> dict[str, Any]:
    activity = await activities.planned(turn.work, filled.subject_id or 0)
    published = activity.state is ActivityState.PUBLISHED
    return {**await _describe(turn, filled), "task": "replan", "published": published}


async def _describe_shift(turn: Turn, filled: Filled) -> dict[str, Any]:
    return {"task": "shift", **await _describe(turn, filled)}


async def _describe_shift_change(turn: Turn, filled: Filled) -> dict[str, Any]:
    activity, _ = await planning.planned_shift(turn.work, filled.subject_id or 0)
    published = activity.state is ActivityState.PUBLISHED
    return {**await _describe(turn, filled), "task": "reshift", "published": published}


async def _describe_call_off(turn: Turn, filled: Filled) -> dict[str, Any]:
    activity = await activities.planned(turn.work, filled.subject_id or 0)
    people = await announcements.counting_on(turn.work.session, activity.id)
    return {"title": activity.title, "people": len(people)}


# What happens when a form is sent


async def _submit_plan(turn: Turn, filled: Filled) -> Reply:
    plan = replace(_plan_from(filled), project_id=filled.get("project", filled.subject_id))
    activity = await planning.draft(turn.work, filled["organisation"], plan, _shift_from(filled))
    return await manage(turn, activity.id, news="drafted")


async def _submit_change(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await planning.change(turn.work, key, _plan_from(filled), link_to(turn, key))
    return await manage(turn, key, news="changed")


async def _submit_shift(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    await planning.add_shift(turn.work, key, _shift_from(filled), link_to(turn, key))
    return await manage(turn, key, news="changed")


async def _submit_shift_change(turn: Turn, filled: Filled) -> Reply:
    activity, shift = await planning.planned_shift(turn.work, filled.subject_id or 0)
    link = link_to(turn, activity.id)
    await planning.change_shift(turn.work, shift.id, _shift_from(filled), link)
    return await manage(turn, activity.id, news="changed")


async def _submit_call_off(turn: Turn, filled: Filled) -> Reply:
    activity = await planning.call_off(turn.work, filled.subject_id or 0, filled["reason"])
    return await manage(turn, activity.id, news="called_off")


async def _submit_copy(turn: Turn, filled: Filled) -> Reply:
    first = datetime.fromisoformat(filled["start"])
    activity = await planning.copy(turn.work, filled.subject_id or 0, first)
    return await manage(turn, activity.id, news="copied")


async def _submit_repeat(turn: Turn, filled: Filled) -> Reply:
    published = filled["state"] == PUBLISHED
    made = await planning.repeat(
        turn.work, filled.subject_id or 0, filled["weeks"], publish=published
    )
    return Show("repeat/done", {"count": len(made), "published": published})


# The forms


def _without_projects(answers: dict[str, Any]) -> bool:
    return answers.get("organisation") not in answers.get(RUNNING, [])


async def _projects(asked: Asked) -> list[Option]:
    found = await project_list.running_in(asked.turn.work, asked.answers["organisation"])
    return [Option(row.id, {"zh_Hans": row.title}, row.title) for row in found]


def _without_needs(answers: dict[str, Any]) -> bool:
    return bool(answers.get("open_to") == EVERYONE)


@dataclass(frozen=True, slots=True)
class PlaceOrRemote(Location):
    """A place, or {"remote": True} for what is served from anywhere."""

    async def press(self, asked: Asked, what: str, argument: str) -> Answer | Stay:
        if (what, argument) == ("pick", "remote"):
            return Answer({"remote": True})
        return await Location.press(self, asked, what, argument)


def _remote(answers: dict[str, Any]) -> bool:
    return bool((answers.get("place") or {}).get("remote"))


def _words(name: str, *, lines: bool = False) -> Text:
    least, most = planning.LENGTHS[name]
    return Text(max(1, least), most, lines)


_ABOUT = (
    Field("title", _words("title")),
    Field("field", Pick(options.fields)),
    Field("description", _words("description", lines=True)),
    Field("picture", Photo(), optional=True),
    Field("place", PlaceOrRemote()),
    Field("address", _words("address"), skip_if=_remote),
)
_POST = Field("post", Text(most=shifts.LONGEST_TITLE), optional=True)
_TIME_AND_PEOPLE = (
    Field("span", Span(), check=_check_span),
    Field("quota", Number(1, shifts.MOST_PLACES)),
    Field("open_to", Choice((EVERYONE, NEEDS))),
    Field(
        "skills",
        PickMany(options.skills),
        optional=True,
        skip_if=_without_needs,
        check=_check_needs,
    ),
    Field(
        "qualifications",
        PickMany(options.qualification_kinds),
        optional=True,
        skip_if=_without_needs,
        check=_check_needs,
    ),
    Field(
        "languages",
        PickMany(options.spoken_languages),
        optional=True,
        skip_if=_without_needs,
        check=_check_needs,
    ),
    Field("least_age", Number(0, shifts.OLDEST), optional=True, skip_if=_without_needs),
    Field(
        "mark",
        Choice(tuple(kind.value for kind in MarkKind)),
        optional=True,
        skip_if=_without_needs,
    ),
)
_ENROLMENT = (
    Field("deadline", Instant(), optional=True, check=_check_deadline),
    Field("confirmation", Choice(tuple(way.value for way in Confirmation))),
    Field("bring", _words("bring"), optional=True),
    Field("contact", _words("contact"), optional=True),
)

PLAN = register(
    Form(
        "plan",
        (
            Field("organisation", Pick(_organisations)),
            _ABOUT[0],
            Field("project", Pick(_projects), optional=True, skip_if=_without_projects),
            *_ABOUT[1:],
            *_TIME_AND_PEOPLE,
            *_ENROLMENT,
        ),
        _submit_plan,
        _describe_plan,
    )
)
REPLAN = register(
    Form("replan", (*_ABOUT, *_ENROLMENT), _submit_change, _describe_change, folder="plan")
)
SHIFT = register(
    Form("shift", (_POST, *_TIME_AND_PEOPLE), _submit_shift, _describe_shift, folder="plan")
)
RESHIFT = register(
    Form(
        "reshift",
        (_POST, *_TIME_AND_PEOPLE),
        _submit_shift_change,
        _describe_shift_change,
        folder="plan",
    )
)
CALL_OFF = register(
    Form(
        "calloff",
        (Field("reason", Text(*planning.REASON)),),
        _submit_call_off,
        _describe_call_off,
    )
)
COPY = register(Form("copy", (Field("start", Instant(), check=_check_start),), _submit_copy))
REPEAT = register(
    Form(
        "repeat",
        (
            Field("weeks", Number(1, planning.MOST_WEEKS)),
            Field("state", Choice((DRAFTS, PUBLISHED))),
        ),
        _submit_repeat,
    )
)
