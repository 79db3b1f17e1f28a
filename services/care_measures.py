"""What statistics say of care and of help: numbers, and the names of nobody."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import literal, select

from models import CareAlert, HelpRequest, HelpState, Recipient, Visit, VisitState
from services.measuring import Measure, Unit


def _files() -> Any:
    return select(Recipient.organisation_id, Recipient.opened_at, literal(1))


def _visits(state: VisitState) -> Callable[[], Any]:
    return lambda: (
        select(Recipient.organisation_id, Visit.starts_at, literal(1))
        .join(Visit, Visit.recipient_id == Recipient.id)
        .where(Visit.state == state)
    )


def _minutes() -> Any:
    return (
        select(Recipient.organisation_id, Visit.starts_at, Visit.minutes)
        .join(Visit, Visit.recipient_id == Recipient.id)
        .where(Visit.state == VisitState.DONE)
    )


def _alerts() -> Any:
    return select(Recipient.organisation_id, CareAlert.raised_at, literal(1)).join(
        CareAlert, CareAlert.recipient_id == Recipient.id
    )


def _requests() -> Any:
    return select(HelpRequest.organisation_id, HelpRequest.asked_at, literal(1))


def _done() -> Any:
    return select(HelpRequest.organisation_id, HelpRequest.done_at, literal(1)).where(
        HelpRequest.state.in_((HelpState.DONE, HelpState.THANKED))
    )


MEASURES = (
    Measure(
        "care_files",
        "care",
        _files,
    ),
    Measure("visits_done", "care", _visits(VisitState.DONE)),
    Measure("visit_minutes", "care", _minutes, Unit.MINUTES),
    Measure("visits_missed", "care", _visits(VisitState.MISSED)),
    Measure("care_alerts", "care", _alerts),
    Measure(
        "help_requests",
        "help",
        _requests,
    ),
    Measure("help_done", "help", _done),
)
