"""The tree of organisations: towns, stations, the way up and down, and what lies nearest."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import Organisation, OrganisationKind
from services import access, audit, geo
from services.errors import Gone
from services.work import Work


async def root(session: AsyncSession) -> Organisation | None:
    """The federation; None before `muster init`."""
    return await session.scalar(select(Organisation).where(Organisation.parent_id.is_(None)))


async def of_kind(session: AsyncSession, kind: OrganisationKind) -> list[Organisation]:
    found = select(Organisation).where(Organisation.kind == kind).order_by(Organisation.id)
    return list(await session.scalars(found))


async def by_keys(session: AsyncSession, keys: Sequence[int]) -> list[Organisation]:
    """Each above those below it."""
    if not keys:
        return []
    found = select(Organisation).where(Organisation.id.in_(keys)).order_by(Organisation.path)
    return list(await session.scalars(found))


async def with_places(session: AsyncSession) -> list[Organisation]:
    """Those whose centre is known, each above those below it."""
    found = select(Organisation).where(Organisation.latitude.is_not(None))
    return list(await session.scalars(found.order_by(Organisation.path)))


async def children(session: AsyncSession, organisation_id: int) -> list[Organisation]:
    found = select(Organisation).where(Organisation.parent_id == organisation_id)
    return list(await session.scalars(found.order_by(Organisation.id)))


async def chain(session: AsyncSession, organisation: Organisation) -> list[Organisation]:
    """From the root down to the organisation itself."""
    keys = [int(key) for key in organisation.path.split(".") if key]
    found = {
        row.id: row
        for row in await session.scalars(select(Organisation).where(Organisation.id.in_(keys)))
    }
    return [found[key] for key in keys]


async def town_of(session: AsyncSession, organisation: Organisation) -> Organisation:
    """The town association that it is or lies under; the organisation itself above that level."""
    for step in await chain(session, organisation):
        if step.kind is OrganisationKind.TOWN_ASSOCIATION:
            return step
    return organisation


def within(path: str) -> ColumnElement[bool]:
    """The condition that an organisation lies in the subtree of `path`."""
    return Organisation.path.startswith(path, autoescape=True)


async def nearest(
    session: AsyncSession,
    kind: OrganisationKind,
    latitude: float,
    longitude: float,
    *,
    under: int | None = None,
) -> tuple[Organisation, float] | None:
    """The nearest of a kind that has a place, with its distance in metres."""
    candidates = select(Organisation).where(
        Organisation.kind == kind, Organisation.latitude.is_not(None)
    )
    if under is not None:
        candidates = candidates.where(Organisation.parent_id == under)
    measured = [
        (geo.distance(latitude, longitude, row.latitude or 0.0, row.longitude or 0.0), row.id, row)
        for row in await session.scalars(candidates)
    ]
    if not measured:
        return None
    metres, _, organisation = min(measured)
    return organisation, metres


def area_names(organisation: Organisation) -> dict[str, str]:
    """What people call the area: its place, else the organisation's own name."""
    return organisation.place or organisation.names


# The issuing body


async def described(work: Work, organisation_id: int) -> Organisation:
    """One that the actor may describe. Raises Gone or NotAllowed."""
    organisation = await work.session.get(Organisation, organisation_id)
    if organisation is None:
        raise Gone
    await access.require(work, access.Right.MANAGE_ORGANISATIONS, organisation.id)
    return organisation


async def describe_body(
    work: Work, organisation_id: int, *, head: str | None = None, contact: str | None = None
) -> Organisation:
    """Who heads it and how it is reached, as its certificates say from now on; None: as it was.

    Raises Gone or NotAllowed.
    """
    organisation = await described(work, organisation_id)
    for name, value in (("head", head), ("contact", contact)):
        if value is not None:
            setattr(organisation, name, " ".join(value.split()) or None)
    await work.session.flush()
    audit.note(
        work,
        "organisation.described",
        f"organisation:{organisation.id}",
        organisation_id=organisation.id,
    )
    return organisation
