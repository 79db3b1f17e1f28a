"""Calendar feeds: secret addresses of what a volunteer has before them, or an organisation offers.

An address shows what its owner could see; an organisation's names no people. It is revoked and
renewed, and after that leads nowhere, like one that never was.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update

from models import (
    Activity,
    ActivityState,
    Duty,
    Enrolment,
    EnrolmentState,
    Feed,
    Organisation,
    Person,
    Shift,
    Standing,
)
from models.sealed import keyring
from services import access, audit, organisations
from services.access import Right
from services.calendars import Entry, Status
from services.errors import Gone
from services.work import Work

LOOKS_BACK = timedelta(days=60)
"""What ended longer ago is left out."""
MOST = 1000
"""Events of a feed; more than that no calendar shows."""
SHOWN_AS = {
    EnrolmentState.APPLIED: Status.TENTATIVE,
    EnrolmentState.OFFERED: Status.TENTATIVE,
    EnrolmentState.CONFIRMED: Status.CONFIRMED,
    EnrolmentState.ATTENDED: Status.CONFIRMED,
}
"""Other places, cancelled by the volunteer themself among them, are not in the calendar."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a feed has to say; `turns` are on duty for the organisation of those names."""

    language: str
    owner: dict[str, str] | None
    """The names of the organisation whose feed it is; None for a volunteer's own."""
    entries: Sequence[Entry]
    turns: Sequence[tuple[Duty, dict[str, str]]] = ()


# Addresses


async def own(work: Work) -> Feed | None:
    """The actor's feed, if they have one."""
    return await _in_use(work, Feed.person_id == work.person.id)


async def of_organisation(work: Work, organisation_id: int) -> Feed | None:
    """Raises NotAllowed."""
    await access.require(work, Right.EXCHANGE, organisation_id)
    return await _in_use(work, Feed.organisation_id == organisation_id)


async def renew_own(work: Work) -> Feed:
    """A new address for the actor; the one before leads nowhere."""
    await revoke_own(work)
    return await _add(work, person_id=work.person.id)


async def renew_of_organisation(work: Work, organisation_id: int) -> Feed:
    """A new address for the organisation; the one before leads nowhere. Raises NotAllowed."""
    await revoke_of_organisation(work, organisation_id)
    audit.note(
        work, "feed.made", f"organisation:{organisation_id}", organisation_id=organisation_id
    )
    return await _add(work, organisation_id=organisation_id)


async def revoke_own(work: Work) -> None:
    await revoke_of_person(work, work.person.id)


async def revoke_of_person(work: Work, person_id: int) -> None:
    """Whoever holds the address of their calendar sees nothing of it any more."""
    await _revoke(work, Feed.person_id == person_id)


async def revoke_of_organisation(work: Work, organisation_id: int) -> None:
    """Raises NotAllowed."""
    await access.require(work, Right.EXCHANGE, organisation_id)
    await leave_off(work, organisation_id)


async def leave_off(work: Work, organisation_id: int) -> None:
    """Its address leads nowhere from now on; whether it may be revoked is not asked here."""
    if await _revoke(work, Feed.organisation_id == organisation_id):
        subject = f"organisation:{organisation_id}"
        audit.note(work, "feed.revoked", subject, organisation_id=organisation_id)


async def _in_use(work: Work, whose: ColumnElement[bool]) -> Feed | None:
    return await work.session.scalar(select(Feed).where(whose, Feed.revoked_at.is_(None)))


async def _add(
    work: Work, *, person_id: int | None = None, organisation_id: int | None = None
) -> Feed:
    secret = secrets.token_urlsafe(24)
    feed = Feed(
        person_id=person_id,
        organisation_id=organisation_id,
        secret=secret,
        secret_hash=keyring().fingerprint(secret),
        made_by_id=work.person.id,
        made_at=work.now,
        changed_at=work.now,
    )
    work.session.add(feed)
    await work.session.flush()
    return feed


async def _revoke(work: Work, whose: ColumnElement[bool]) -> int:
    done = await work.session.execute(
        update(Feed).where(whose, Feed.revoked_at.is_(None)).values(revoked_at=work.now)
    )
    return int(getattr(done, "rowcount", 0))


# Looking


async def find(work: Work, secret: str) -> Feed:
    """Raises Gone for an address that leads nowhere (any more)."""
    feed = await _in_use(work, Feed.secret_hash.in_(keyring().fingerprints(secret)))
    if feed is None:
        raise Gone
    return feed


async def content(work: Work, feed: Feed) -> Content:
    """Raises Gone for somebody who is no volunteer any more."""
    if feed.person_id is None:
        return await _of_organisation(work, feed.organisation_id or 0)
    person = await work.session.get_one(Person, feed.person_id)
    if person.standing is not Standing.ACTIVE:
        raise Gone
    return Content(
        person.language, None, await _places(work, person.id), await _turns(work, person.id)
    )


async def _of_organisation(work: Work, organisation_id: int) -> Content:
    organisation = await work.session.get_one(Organisation, organisation_id)
    rows = await work.session.execute(
        select(Activity, Shift)
        .join(Shift, Shift.activity_id == Activity.id)
        .join(Organisation, Organisation.id == Activity.organisation_id)
        .where(
            organisations.within(organisation.path),
            Activity.published_at.is_not(None),
            Activity.state != ActivityState.DRAFT,
            Shift.ends_at > work.now - LOOKS_BACK,
        )
        .order_by(Shift.starts_at, Shift.id)
        .limit(MOST)
    )
    entries = [Entry(activity, shift, _status(activity), contact=False) for activity, shift in rows]
    return Content(work.policy.default_language, organisation.names, entries)


def _status(activity: Activity) -> Status:
    return Status.CANCELLED if activity.state is ActivityState.CANCELLED else Status.CONFIRMED


async def _places(work: Work, person_id: int) -> list[Entry]:
    """Places that are held, and those that ended with their activity."""
    called_off = and_(
        Activity.state == ActivityState.CANCELLED,
        Enrolment.state == EnrolmentState.CANCELLED,
        Enrolment.cancelled_at >= Activity.cancelled_at,
    )
    rows = await work.session.execute(
        select(Activity, Shift, Enrolment.state)
        .join(Shift, Shift.activity_id == Activity.id)
        .join(Enrolment, Enrolment.shift_id == Shift.id)
        .where(
            Enrolment.person_id == person_id,
            or_(Enrolment.state.in_(SHOWN_AS), called_off),
            Shift.ends_at > work.now - LOOKS_BACK,
        )
        .order_by(Shift.starts_at, Shift.id)
        .limit(MOST)
    )
    return [
        Entry(activity, shift, SHOWN_AS.get(state, Status.CANCELLED))
        for activity, shift, state in rows
    ]


async def _turns(work: Work, person_id: int) -> list[tuple[Duty, dict[str, str]]]:
    rows = await work.session.execute(
        select(Duty, Organisation.names)
        .join(Organisation, Organisation.id == Duty.organisation_id)
        .where(Duty.person_id == person_id, Duty.ends_at > work.now - LOOKS_BACK)
        .order_by(Duty.starts_at, Duty.id)
        .limit(MOST)
    )
    return [(row[0], row[1]) for row in rows]


def digest(file: bytes) -> str:
    return hashlib.sha256(file).hexdigest()


async def says(work: Work, feed_id: int, digested: str) -> None:
    """Notes that from now on the feed says something else."""
    await work.session.execute(
        update(Feed)
        .where(Feed.id == feed_id, Feed.digest != digested)
        .values(digest=digested, changed_at=work.now)
        .execution_options(synchronize_session=False)
    )
