"""Calendar files: a volunteer's shifts as iCalendar events (RFC 5545). Pure."""

from collections.abc import Iterable
from datetime import datetime

from icalendar import Calendar, Event, vGeo, vText

from models import Activity, Duty, Shift

PRODUCT = "-//Muster//Volunteer shifts//EN"


def calendar(entries: Iterable[tuple[Activity, Shift]], now: datetime) -> bytes:
    """One event a shift; its UID never changes, so that importing again corrects it."""
    return _file(_event(activity, shift, now) for activity, shift in entries)


def duty_calendar(entries: Iterable[tuple[Duty, str]], now: datetime) -> bytes:
    """One event a turn on duty, each with its heading."""
    return _file(_turn(turn, heading, now) for turn, heading in entries)


def _file(events: Iterable[Event]) -> bytes:
    file = Calendar()
    file.add("prodid", PRODUCT)
    file.add("version", "2.0")
    file.add("method", "PUBLISH")
    for event in events:
        file.add_component(event)
    return bytes(file.to_ical())


def _turn(turn: Duty, heading: str, now: datetime) -> Event:
    event = _span(f"duty-{turn.id}", turn.starts_at, turn.ends_at, now)
    event.add("summary", heading)
    return event


def _span(name: str, starts_at: datetime, ends_at: datetime, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"{name}@muster")
    event.add("dtstamp", now)
    event.add("dtstart", starts_at)
    event.add("dtend", ends_at)
    return event


def _event(activity: Activity, shift: Shift, now: datetime) -> Event:
    event = _span(f"shift-{shift.id}", shift.starts_at, shift.ends_at, now)
    event.add("summary", " · ".join(part for part in (activity.title, shift.title) if part))
    event.add("location", vText(activity.address))
    event.add("geo", vGeo((activity.latitude, activity.longitude)))
    event.add("description", "\n".join(part for part in (activity.description, activity.bring,
                                                         activity.contact) if part))  # fmt: skip
    return event
