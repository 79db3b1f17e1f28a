"""Events: what other programs are told of when it happens, written where it becomes true.

An event is kept only if somebody subscribed to it. It names keys, numbers and states; never what a
person is called, wrote, or can be reached by. `services.webhooks` says what becomes of it.
"""

import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import literal, select

from models import (
    Activity,
    Callout,
    Dispatch,
    DispatchState,
    Enrolment,
    Event,
    Organisation,
    Person,
    Webhook,
)
from services.delivery import storable
from services.work import Work

NOTED = "muster_events"
"""Set in the session's info where something is to be sent."""


class Kind(StrEnum):
    VOLUNTEER_REGISTERED = "volunteer.registered"
    VOLUNTEER_CHANGED = "volunteer.changed"
    VOLUNTEER_WITHDRAWN = "volunteer.withdrawn"
    ACTIVITY_PUBLISHED = "activity.published"
    ACTIVITY_CHANGED = "activity.changed"
    ACTIVITY_CANCELLED = "activity.cancelled"
    ENROLMENT_CONFIRMED = "enrolment.confirmed"
    ENROLMENT_CANCELLED = "enrolment.cancelled"
    HOURS_CONFIRMED = "hours.confirmed"
    HOURS_CORRECTED = "hours.corrected"
    CALLOUT_DECLARED = "callout.declared"
    CALLOUT_ENDED = "callout.ended"
    CERTIFICATE_ISSUED = "certificate.issued"
    CERTIFICATE_REVOKED = "certificate.revoked"
    TEST = "webhook.test"
    """Sent on demand to see whether it arrives; nobody subscribes to it."""


SUBSCRIBABLE = tuple(kind for kind in Kind if kind is not Kind.TEST)


async def note(work: Work, kind: str, organisation_id: int, /, **data: Any) -> None:
    """Tells whoever subscribed to `kind` in the organisation or above it."""
    await note_all(work, kind, organisation_id, [data])


async def note_all(
    work: Work, kind: str, organisation_id: int, happened: Sequence[dict[str, Any]]
) -> None:
    """The same for many of one kind in one organisation."""
    if not happened:
        return
    subscribed = await _subscribed(work, kind, organisation_id)
    if subscribed:
        await write(work, kind, organisation_id, happened, subscribed)


async def _subscribed(work: Work, kind: str, organisation_id: int) -> list[int]:
    """Keys of the webhooks that want it."""
    path = select(Organisation.path).where(Organisation.id == organisation_id).scalar_subquery()
    rows = await work.session.execute(
        select(Webhook.id, Webhook.kinds)
        .join(Organisation, Organisation.id == Webhook.organisation_id)
        .where(Webhook.enabled, path.like(Organisation.path + literal("%")))
        .order_by(Webhook.id)
    )
    return [key for key, kinds in rows if kind in kinds]


async def write(
    work: Work,
    kind: str,
    organisation_id: int,
    happened: Sequence[dict[str, Any]],
    webhook_ids: Sequence[int],
) -> list[Dispatch]:
    """Events on their way to these webhooks."""
    events = [
        Event(
            name=f"evt_{secrets.token_hex(12)}",
            kind=kind,
            organisation_id=organisation_id,
            at=work.now,
            data=storable(data),
        )
        for data in happened
    ]
    work.session.add_all(events)
    await work.session.flush()
    written = [
        Dispatch(
            webhook_id=key, event_id=event.id, state=DispatchState.WAITING, due_at=work.now,
            attempts=0,
        )
        for event in events
        for key in webhook_ids
    ]  # fmt: skip
    work.session.add_all(written)
    await work.session.flush()
    work.session.info[NOTED] = True
    return written


# What is said of each thing


async def of_volunteer(work: Work, kind: Kind, person: Person) -> None:
    """Also notes that the registration has changed."""
    person.changed_at = work.now
    await work.session.flush()
    await note(
        work,
        kind,
        person.organisation_id,
        volunteer_id=person.id,
        number=person.number,
        standing=person.standing.value,
        organisation_id=person.organisation_id,
        paused_until=person.paused_until,
    )


async def of_activity(work: Work, kind: Kind, activity: Activity) -> None:
    """Also notes that the activity has changed."""
    activity.changed_at = work.now
    await work.session.flush()
    await note(
        work,
        kind,
        activity.organisation_id,
        activity_id=activity.id,
        state=activity.state.value,
        organisation_id=activity.organisation_id,
    )


async def of_enrolments(
    work: Work, kind: Kind, activity: Activity, enrolments: Sequence[Enrolment]
) -> None:
    await note_all(
        work,
        kind,
        activity.organisation_id,
        [
            {
                "enrolment_id": one.id,
                "volunteer_id": one.person_id,
                "shift_id": one.shift_id,
                "activity_id": activity.id,
                "state": one.state.value,
            }
            for one in enrolments
        ],
    )


async def of_callout(work: Work, kind: Kind, callout: Callout) -> None:
    await note(
        work,
        kind,
        callout.organisation_id,
        callout_id=callout.id,
        organisation_id=callout.organisation_id,
        emergency=callout.kind.value,
        drill=callout.drill,
        state=callout.state.value,
    )
