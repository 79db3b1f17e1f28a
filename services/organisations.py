"""The tree of organisations: towns, stations, the way up and down, what lies nearest; changes."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from models import Organisation, OrganisationKind
from services import access, audit, geo
from services.access import Right
from services.errors import Gone, Refusal
from services.work import Work

LONGEST_NAME = 80
LONGEST_HEAD = 40
LONGEST_CONTACT = 100
LONGEST_REST = 7 * 24 * 60
"""Minutes."""
OF_THE_FILE = frozenset({"names", "place", "latitude", "longitude"})
"""What the city's file says as well, until people change it."""


async def root(session: AsyncSession) -> Organisation | None:
    """The federation; None before `muster init`."""
    return await session.scalar(select(Organisation).where(Organisation.parent_id.is_(None)))


IS_OPEN = Organisation.closed_at.is_(None)
"""The condition that an organisation still takes something new."""


async def require_open(work: Work, organisation_id: int | None) -> None:
    """For whatever begins something in one; until the transaction ends it can't be closed.

    Raises Refusal("organisation_closed").
    """
    found = await work.session.execute(
        select(Organisation.closed_at, Organisation.names)
        .where(Organisation.id == organisation_id)
        .with_for_update(read=True, key_share=True)
    )
    for closed_at, names in found:
        if closed_at is not None:
            raise Refusal("organisation_closed", organisation=names)


async def of_kind(session: AsyncSession, kind: OrganisationKind) -> list[Organisation]:
    """Open ones, as all that are offered."""
    found = select(Organisation).where(Organisation.kind == kind, IS_OPEN)
    return list(await session.scalars(found.order_by(Organisation.id)))


async def by_keys(session: AsyncSession, keys: Sequence[int]) -> list[Organisation]:
    """Each above those below it."""
    if not keys:
        return []
    found = select(Organisation).where(Organisation.id.in_(keys)).order_by(Organisation.path)
    return list(await session.scalars(found))


async def with_places(session: AsyncSession) -> list[Organisation]:
    """Those whose centre is known, each above those below it."""
    found = select(Organisation).where(Organisation.latitude.is_not(None), IS_OPEN)
    return list(await session.scalars(found.order_by(Organisation.path)))


async def children(
    session: AsyncSession, organisation_id: int, *, closed: bool = False
) -> list[Organisation]:
    """Right below it; the closed ones only where they are asked for."""
    found = select(Organisation).where(Organisation.parent_id == organisation_id)
    if not closed:
        found = found.where(IS_OPEN)
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
        Organisation.kind == kind, Organisation.latitude.is_not(None), IS_OPEN
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


# Looking at one, and changing it


@dataclass(frozen=True, slots=True)
class Described:
    """What an administrator says of an organisation. Degrees WGS-84, both or neither."""

    names: Mapping[str, str]
    place: Mapping[str, str]
    latitude: float | None
    longitude: float | None
    approves_registrations: bool
    asks_id_number: bool
    head: str = ""
    contact: str = ""
    """As `describe_body` takes them."""
    quiet: tuple[int, int] | None = None
    """From and until, minutes of the local day; None: as the level above."""
    rest_minutes: int | None = None
    """None: as the level above."""


def described_as(organisation: Organisation) -> Described:
    """What is said of it now."""
    start, end = organisation.quiet_from, organisation.quiet_until
    return Described(
        names=organisation.names,
        place=organisation.place or {},
        latitude=organisation.latitude,
        longitude=organisation.longitude,
        approves_registrations=organisation.approves_registrations,
        asks_id_number=organisation.asks_id_number,
        head=organisation.head or "",
        contact=organisation.contact or "",
        quiet=(start, end) if start is not None and end is not None else None,
        rest_minutes=organisation.rest_minutes,
    )


async def seen(
    work: Work, organisation_id: int, right: Right = Right.SEE_VOLUNTEERS
) -> Organisation:
    """Raises NotAllowed to whoever does not hold the right there."""
    await access.require(work, right, organisation_id)
    return await work.session.get_one(Organisation, organisation_id)


async def way_to(work: Work, organisation: Organisation) -> list[Organisation]:
    """From the first on the way down that the actor looks after, to the organisation itself."""
    tops = await access.organisations_with(work, Right.SEE_VOLUNTEERS)
    paths = tuple(top.path for top in tops)
    way = await chain(work.session, organisation)
    return [step for step in way if step.path.startswith(paths)]


async def at_hand(work: Work, right: Right, also: int | None = None) -> list[Organisation]:
    """For a short list to choose from: the tops of the actor's subtrees and what is right below.

    `also` one more, if it lies within.
    """
    tops = [top.id for top in await access.organisations_with(work, right)]
    within = await access.within_reach(work, right, Organisation.id)
    near = or_(Organisation.id.in_([*tops, also]), Organisation.parent_id.in_(tops) & IS_OPEN)
    found = select(Organisation).where(within, near).order_by(Organisation.path)
    return list(await work.session.scalars(found))


async def change(work: Work, organisation_id: int, said: Described) -> Organisation:
    """Raises NotAllowed, or Refusal("organisation_name") or ("form_too_long") for its names."""
    organisation = await described(work, organisation_id)
    values = _values(work, said)
    changed = {
        name: value for name, value in values.items() if getattr(organisation, name) != value
    }
    for name, value in changed.items():
        setattr(organisation, name, value)
    organisation.edited = organisation.edited or not OF_THE_FILE.isdisjoint(changed)
    await work.session.flush()
    if changed:
        _note(work, organisation, "changed", changed=sorted(changed), **_switches(changed))
    return organisation


async def create(
    work: Work, parent_id: int, kind: OrganisationKind, said: Described
) -> Organisation:
    """A new one right below another. Raises as `change`, or Refusal("organisation_kind")."""
    return await add_below(work, await described(work, parent_id), kind, said)


async def add_below(
    work: Work, parent: Organisation, kind: OrganisationKind, said: Described
) -> Organisation:
    """As `create`, for whoever has been asked for their rights already."""
    parent = await _held(work, parent.id)
    check_kind(parent, kind)
    organisation = Organisation(
        code=f"console-{secrets.token_hex(6)}",
        kind=kind,
        parent_id=parent.id,
        edited=True,
        **_values(work, said),
    )
    work.session.add(organisation)
    await work.session.flush()
    organisation.path = f"{parent.path}{organisation.id}."
    await work.session.flush()
    _note(work, organisation, "created", kind=kind, **_switches(asdict(said)))
    return organisation


async def _held(work: Work, organisation_id: int) -> Organisation:
    """As it is now, and neither moved nor closed until the transaction ends. Raises Refusal."""
    await require_open(work, organisation_id)
    found = select(Organisation).where(Organisation.id == organisation_id)
    return (await work.session.scalars(found.execution_options(populate_existing=True))).one()


def check_described(work: Work, said: Described) -> None:
    """Raises Refusal for what can't be said of one."""
    _values(work, said)


def check_kind(parent: Organisation, kind: OrganisationKind) -> None:
    """Raises Refusal("organisation_kind")."""
    if kind not in kinds_below(parent.kind):
        raise Refusal("organisation_kind")


ABOVE: Mapping[OrganisationKind, frozenset[OrganisationKind]] = {
    OrganisationKind.FEDERATION: frozenset(),
    OrganisationKind.TOWN_ASSOCIATION: frozenset({OrganisationKind.FEDERATION}),
    OrganisationKind.COMMUNITY_STATION: frozenset(
        {
            OrganisationKind.FEDERATION,
            OrganisationKind.TOWN_ASSOCIATION,
            OrganisationKind.COMMUNITY_STATION,
        }
    ),
}
"""Right below what a kind may stand; those not named below everything but a service base."""


def kinds_below(parent: OrganisationKind) -> list[OrganisationKind]:
    """There is one federation, towns stand right below it, and nothing below a service base."""
    if parent is OrganisationKind.SERVICE_BASE:
        return []
    return [kind for kind in OrganisationKind if parent in ABOVE.get(kind, {parent})]


def _values(work: Work, said: Described) -> dict[str, object]:
    """The columns; names that were left empty are none. Raises Refusal."""
    names, place = _named(said.names), _named(said.place)
    if work.policy.default_language not in names:
        raise Refusal("organisation_name")
    if said.rest_minutes is not None and not 0 <= said.rest_minutes <= LONGEST_REST:
        raise Refusal("form_number_range", least=0, most=LONGEST_REST)
    start, end = said.quiet or (None, None)
    columns = {name: value for name, value in asdict(said).items() if name != "quiet"}
    return {
        **columns,
        "quiet_from": start,
        "quiet_until": end,
        "names": names,
        "place": place or None,
        "head": _tidy(said.head, LONGEST_HEAD) or None,
        "contact": _tidy(said.contact, LONGEST_CONTACT) or None,
    }


def _named(said: Mapping[str, str]) -> dict[str, str]:
    return {language: _tidy(name, LONGEST_NAME) for language, name in said.items() if name.strip()}


def _tidy(text: str, most: int) -> str:
    """Raises Refusal."""
    text = " ".join(text.split())
    if len(text) > most:
        raise Refusal("form_too_long", most=most, length=len(text))
    return text


def _switches(values: Mapping[str, object]) -> dict[str, object]:
    """What the log says of them by value: names and places are on the organisation's page."""
    return {name: value for name, value in values.items() if isinstance(value, bool)}


def _note(work: Work, organisation: Organisation, what: str, **details: object) -> None:
    subject = f"organisation:{organisation.id}"
    audit.note(work, f"organisation.{what}", subject, organisation_id=organisation.id, **details)


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
