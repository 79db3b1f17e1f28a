"""Calendar files and feeds: shifts and duties as iCalendar events (RFC 5545). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from icalendar import Calendar, Event, vGeo, vText

from models import Activity, Duty, Shift

PRODUCT = "-//Muster//Volunteer shifts//EN"
ASK_AGAIN = timedelta(hours=1)
"""After which a program that subscribed is asked to look again."""


class Status(StrEnum):
    CONFIRMED = "CONFIRMED"
    TENTATIVE = "TENTATIVE"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Entry:
    """A shift in a feed; its `contact` is a person, and left out where anybody reads it."""

    activity: Activity
    shift: Shift
    status: Status
    contact: bool = True


def calendar(entries: Iterable[tuple[Activity, Shift]], now: datetime) -> bytes:
    """One event a shift; its UID never changes, so that importing again corrects it."""
    return _file(_event(activity, shift, now) for activity, shift in entries)


def duty_calendar(entries: Iterable[tuple[Duty, str]], now: datetime) -> bytes:
    """One event a turn on duty, each with its heading."""
    return _file(_turn(turn, heading, now) for turn, heading in entries)


def feed(name: str, entries: Iterable[Entry], turns: Iterable[tuple[Duty, str]] = ()) -> bytes:
    """A calendar to subscribe to: the same content gives the same bytes."""
    file = _calendar()
    file.add("x-wr-calname", name)
    file.add("refresh-interval", ASK_AGAIN, parameters={"VALUE": "DURATION"})
    file.add("x-published-ttl", f"PT{ASK_AGAIN // timedelta(hours=1)}H")
    for entry in entries:
        file.add_component(_entry(entry))
    for turn, heading in turns:
        file.add_component(_turn(turn, heading, turn.given_at))
    return bytes(file.to_ical())


def _entry(entry: Entry) -> Event:
    activity = entry.activity
    event = _event(
        activity, entry.shift, activity.changed_at or activity.created_at, contact=entry.contact
    )
    event.add("status", entry.status.value)
    return event


def _file(events: Iterable[Event]) -> bytes:
    file = _calendar()
    for event in events:
        file.add_component(event)
    return bytes(file.to_ical())


def _calendar() -> Calendar:
    file = Calendar()
    file.add("prodid", PRODUCT)
    file.add("version", "2.0")
    file.add("method", "PUBLISH")
    return file


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


def _event(activity: Activity, shift: Shift, now: datetime, *, contact: bool = True) -> Event:
    event = _span(f"shift-{shift.id}", shift.starts_at, shift.ends_at, now)
    event.add("summary", " · ".join(part for part in (activity.title, shift.title) if part))
    if activity.latitude is not None and activity.longitude is not None:
        event.add("location", vText(activity.address))
        event.add("geo", vGeo((activity.latitude, activity.longitude)))
    said = (activity.description, activity.bring, activity.contact if contact else "")
    event.add("description", "\n".join(part for part in said if part))
    return event
