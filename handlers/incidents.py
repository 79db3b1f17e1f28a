"""Incidents: told from a shift in a minute, followed up by coordinators."""

from typing import Any

from handlers import forms
from handlers.fields import Choice, Field, Photos, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from models import Gravity, IncidentKind, IncidentState
from services import incidents
from services.incidents import MOST_PHOTOS, NOTE, TEXT, Case, Told

SHOWN = 10


@command("incident")
@button("incident.report")
async def choose_shift(turn: Turn) -> Reply:
    """Where one shift is at hand, it is that one."""
    await forms.set_aside(turn)
    found = await incidents.at_hand(turn.work)
    if len(found) == 1:
        return await report(turn, found[0][0].id)
    shown = [{"id": shift.id, "title": a.title, "at": shift.starts_at} for shift, a in found]
    return Show("incidents/which", {"shifts": shown})


@button("incident.tell")
async def report(turn: Turn, shift_id: int) -> Reply:
    await incidents.check_may_report(turn.work, shift_id)
    return await start(turn, INCIDENT, subject_id=shift_id)


async def _report(turn: Turn, filled: Filled) -> Reply:
    told = Told(
        IncidentKind(filled["kind"]),
        Gravity(filled["gravity"]),
        filled["text"],
        filled.get("photos", []),
    )
    made = await incidents.report(turn.work, filled.subject_id or 0, told)
    return Show("incidents/reported", {"gravity": made.gravity.value})


INCIDENT = register(
    Form(
        "incident",
        (
            Field("gravity", Choice(tuple(one.value for one in Gravity))),
            Field("kind", Choice(tuple(one.value for one in IncidentKind))),
            Field("text", Text(*TEXT, lines=True)),
            Field("photos", Photos(most=MOST_PHOTOS), optional=True),
        ),
        _report,
    )
)


@button("incidents.mine", reads=True)
async def show_mine(turn: Turn) -> Reply:
    return Show(
        "incidents/mine", {"cases": [_line(one) for one in await incidents.mine(turn.work)]}
    )


def _line(case: Case) -> dict[str, Any]:
    incident = case.incident
    return {
        "incident_id": incident.id,
        "title": case.activity.title,
        "kind": incident.kind.value,
        "gravity": incident.gravity.value,
        "state": incident.state.value,
        "at": incident.reported_at,
    }


# Following up


@command("incidents", menu=Audience.COORDINATORS)
@button("incidents")
async def show_open(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await incidents.page(turn.work, 1)
    shown = [
        {"id": one.id, "title": title, "kind": one.kind.value, "gravity": one.gravity.value,
         "state": one.state.value}
        for one, title, _ in found.rows[:SHOWN]
    ]  # fmt: skip
    return Show("incidents/open", {"cases": shown, "waiting": await incidents.waiting(turn.work)})


@button("incident")
async def look(turn: Turn, incident_id: int) -> Reply:
    return _shown(await incidents.look(turn.work, incident_id), fresh=True)


def _shown(case: Case, *, fresh: bool = False) -> Show:
    """`fresh`: the alert stays, since it is what is corrected when somebody sees to it."""
    return Show(
        "incidents/case",
        {
            **_line(case),
            "text": case.incident.text,
            "reporter": case.reporter,
            "taken_by": case.taken_by,
            "starts_at": case.shift.starts_at,
            "ends_at": case.shift.ends_at,
            "address": case.activity.address,
            "steps": [
                {"at": step.note.at, "name": step.name, "text": step.note.text}
                for step in case.steps
            ],
            "photos": len(case.photos),
            "closed": case.incident.state is IncidentState.CLOSED,
        },
        fresh=fresh,
        private=True,
    )


@button("incident.photos", reads=True)
async def show_photos(turn: Turn, incident_id: int) -> Reply:
    case = await incidents.opened(turn.work, incident_id)
    return [
        Show("incidents/photo", {"place": place, "of": len(case.photos)}, one.telegram_id,
             fresh=True, private=True)
        for place, one in enumerate(case.photos, 1)
    ]  # fmt: skip


@button("incident.take", urgent=True)
async def take(turn: Turn, incident_id: int) -> Reply:
    return _shown(await incidents.take(turn.work, incident_id))


@button("incident.note")
async def ask_what_was_done(turn: Turn, incident_id: int) -> Reply:
    await incidents.opened(turn.work, incident_id)
    return await start(turn, STEP, subject_id=incident_id)


async def _note(turn: Turn, filled: Filled) -> Reply:
    return _shown(await incidents.add_note(turn.work, filled.subject_id or 0, filled["text"]))


STEP = register(Form("incident_step", (Field("text", Text(*NOTE, lines=True)),), _note))


@button("incident.close")
async def ask_how_it_ended(turn: Turn, incident_id: int) -> Reply:
    await incidents.opened(turn.work, incident_id)
    return await start(turn, END, subject_id=incident_id)


async def _close(turn: Turn, filled: Filled) -> Reply:
    key = filled.subject_id or 0
    return _shown(await incidents.add_note(turn.work, key, filled["text"], closes=True))


END = register(Form("incident_end", (Field("text", Text(*NOTE, lines=True)),), _close))
