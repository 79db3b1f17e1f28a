"""Calendar files: a volunteer's shifts as iCalendar events (RFC 5545). Pure."""

from collections.abc import Iterable
from datetime import datetime

from icalendar import Calendar, Event, vGeo, vText

from models import Activity, Shift

PRODUCT = "-//Muster//Volunteer shifts//EN"


def calendar(entries: Iterable[tuple[Activity, Shift]], now: datetime) -> bytes:
    """One event a shift; its UID never changes, so that importing again corrects it."""
    file = Calendar()
    file.add("prodid", PRODUCT)
    file.add("version", "2.0")
    file.add("method", "PUBLISH")
    for activity, shift in entries:
        file.add_component(_event(activity, shift, now))
    return bytes(file.to_ical())


def _event(activity: Activity, shift: Shift, now: datetime) -> Event:
    event = Event()
    event.add("uid", f"shift-{shift.id}@muster")
    event.add("dtstamp", now)
    event.add("dtstart", shift.starts_at)
    event.add("dtend", shift.ends_at)
    event.add("summary", " · ".join(part for part in (activity.title, shift.title) if part))
    event.add("location", vText(activity.address))
    event.add("geo", vGeo((activity.latitude, activity.longitude)))
    event.add("description", "\n".join(part for part in (activity.description, activity.bring,
                                                         activity.contact) if part))  # fmt: skip
    return event
