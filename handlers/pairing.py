"""Pairing for volunteers: invitations, one's recipients, visits and how they were."""

from typing import Any

from handlers import forms
from handlers.fields import Choice, Duration, Field, Note
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import button, command
from handlers.turns import Turn
from models import PairingState, Wellbeing
from services import care, care_alerts, help_requests, pairings, visiting
from services.enclosures import Voice
from services.organisations import area_names
from services.visiting import Report

LENGTHS = (30, 60, 90, 120)
"""Usual minutes of a visit."""


@command("pairing")
@button("pairing")
async def overview(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    found = await pairings.mine(turn.work)
    coming = await visiting.coming(turn.work)
    return Show(
        "pairings/overview",
        {
            "pairings": [
                {
                    "pairing_id": pairing.id,
                    "asked": pairing.state is PairingState.ASKED,
                    "category": recipient.category.value,
                    "name": (recipient.details or {}).get("name", "")
                    if pairing.state is PairingState.ACTIVE
                    else "",
                    "area": area_names(home),
                }
                for pairing, recipient, home in found
            ],
            "visits": [
                {
                    "visit_id": visit.id,
                    "name": (recipient.details or {}).get("name", ""),
                    "starts_at": visit.starts_at,
                    "ends_at": visit.ends_at,
                    "state": visit.state.value,
                }
                for visit, recipient in coming
            ],
            "help": await help_requests.mine(turn.work),
        },
        private=True,
        fresh=True,
        about=care.list_subject(turn.work.person.id),
    )


# Joining and leaving


@button("pair.asked")
async def show_invitation(turn: Turn, pairing_id: int) -> Reply:
    pairing, recipient = await pairings.own(turn.work, pairing_id)
    if pairing.state is PairingState.ACTIVE:
        return await show_card(turn, pairing_id)
    return Show(
        "pairings/invitation",
        {
            **await care.told(turn.work, recipient),
            "rhythm": await pairings.rhythm_told(turn.work, recipient),
            "pairing_id": pairing.id,
            "circle": pairing.circle.value,
        },
    )


@button("pair.yes")
async def accept(turn: Turn, pairing_id: int) -> Reply:
    await pairings.accept(turn.work, pairing_id)
    return [Toast("pairings/welcome"), *parts_of(await show_card(turn, pairing_id))]


@button("pair.no")
async def decline(turn: Turn, pairing_id: int) -> Reply:
    await pairings.decline(turn.work, pairing_id)
    return Show("pairings/declined_thanks")


@button("pair.card")
async def show_card(turn: Turn, pairing_id: int) -> Reply:
    """Who it is and where: on a screen that can't be passed on, and that goes with the pairing."""
    await forms.set_aside(turn)
    card = await pairings.card(turn.work, pairing_id)
    about = care.subject(card["recipient_id"])
    return Show("pairings/card", card, private=True, fresh=True, about=about)


@button("pair.sure")
async def sure_to_leave(turn: Turn, pairing_id: int) -> Reply:
    await pairings.own(turn.work, pairing_id)
    return Show("pairings/sure", {"pairing_id": pairing_id})


@button("pair.leave")
async def leave(turn: Turn, pairing_id: int) -> Reply:
    await pairings.leave(turn.work, pairing_id)
    return Show("pairings/left_thanks")


# A visit


@button("visit")
async def show_visit(turn: Turn, visit_id: int) -> Reply:
    await forms.set_aside(turn)
    shown = await visiting.look(turn.work, visit_id)
    about = care.visit_subject(visit_id)
    return Show("visiting/visit", shown, private=True, fresh=True, about=about)


@button("visit.cannot")
async def cannot_go(turn: Turn, visit_id: int) -> Reply:
    await visiting.cannot_go(turn.work, visit_id)
    return Show("visiting/handed_over", fresh=True)


@button("visit.take", in_order=True)
async def take_over(turn: Turn, visit_id: int) -> Reply:
    await visiting.take_over(turn.work, visit_id)
    return [Toast("visiting/yours"), *parts_of(await show_visit(turn, visit_id))]


@button("visit.note")
async def ask_report(turn: Turn, visit_id: int) -> Reply:
    await visiting.to_note(turn.work, visit_id)
    return await start(turn, REPORT, subject_id=visit_id, answers={})


@button("pair.note")
async def ask_unplanned_report(turn: Turn, pairing_id: int) -> Reply:
    await pairings.own(turn.work, pairing_id)
    return await start(turn, UNPLANNED, subject_id=pairing_id, answers={})


def _report(filled: Filled) -> Report:
    said = filled.get("note") or {}
    voice = Voice(said["voice"], said["seconds"]) if "voice" in said else None
    return Report(Wellbeing(filled["wellbeing"]), filled["minutes"], said.get("text", ""), voice)


def month_title(turn: Turn) -> str:
    """What the month's activity is called, in the city's language."""
    language = turn.work.policy.default_language
    return turn.around.words.plain("visiting/month", language, day=turn.work.today)


async def _noted(turn: Turn, filled: Filled) -> Reply:
    report = _report(filled)
    key = filled.subject_id or 0
    await visiting.note(turn.work, key, report, month_title(turn))
    return _thanks(turn, report)


async def _noted_unplanned(turn: Turn, filled: Filled) -> Reply:
    report = _report(filled)
    key = filled.subject_id or 0
    await visiting.note_unplanned(turn.work, key, report, month_title(turn))
    return _thanks(turn, report)


def _thanks(turn: Turn, report: Report) -> Show:
    return Show(
        "visiting/thanks",
        {
            "wellbeing": report.wellbeing.value,
            "minutes": min(report.minutes, turn.work.policy.care_longest_minutes),
        },
    )


_REPORT = (
    Field("wellbeing", Choice(tuple(how.value for how in Wellbeing))),
    Field("minutes", Duration(LENGTHS)),
    Field("note", Note(), optional=True),
)
REPORT = register(Form("visit_report", _REPORT, _noted))
UNPLANNED = register(Form("visit_unplanned", _REPORT, _noted_unplanned, folder="visit_report"))


# Nobody answers the door


@button("visit.nobody")
async def nobody_answers(turn: Turn, visit_id: int) -> Reply:
    await visiting.to_note(turn.work, visit_id)
    return _ask_whether(f"visit.alarm:{visit_id}")


@button("pair.nobody")
async def nobody_answers_me(turn: Turn, pairing_id: int) -> Reply:
    await pairings.own(turn.work, pairing_id)
    return _ask_whether(f"pair.alarm:{pairing_id}")


def _ask_whether(alarm: str) -> Show:
    action, _, key = alarm.partition(":")
    return Show("care_alerts/sure", {"action": action, "key": key})


@button("visit.alarm")
async def raise_alarm(turn: Turn, visit_id: int) -> Reply:
    return _raised(await care_alerts.raise_for_visit(turn.work, visit_id))


@button("pair.alarm")
async def raise_alarm_for(turn: Turn, pairing_id: int) -> Reply:
    return _raised(await care_alerts.raise_for_pairing(turn.work, pairing_id))


def _raised(alert: Any) -> Show:
    return Show("care_alerts/raised", {"alert_id": alert.id}, fresh=True)
