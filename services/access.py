"""Who may do what where: roles and the rights they carry in an organisation's subtree."""

from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, String, false, literal, or_, select, true, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from models import Account, Organisation, Role, RoleKind
from services.errors import NotAllowed
from services.work import Work


class Right(StrEnum):
    APPROVE_VOLUNTEERS = "approve_volunteers"
    VERIFY_QUALIFICATIONS = "verify_qualifications"
    PLAN_ACTIVITIES = "plan_activities"
    TAKE_ROLL = "take_roll"
    CONFIRM_HOURS = "confirm_hours"
    REGISTER_GROUPS = "register_groups"
    ANNOUNCE = "announce"
    GRANT_ROLES = "grant_roles"
    LAUNCH_CALLOUTS = "launch_callouts"
    PLAN_DUTY = "plan_duty"
    SEE_STATISTICS = "see_statistics"
    IMPORT = "import"
    ISSUE_CERTIFICATES = "issue_certificates"
    RECOGNISE = "recognise"
    """Stars, awards, letters of thanks."""
    SEE_VOLUNTEERS = "see_volunteers"
    SEE_CONTACTS = "see_contacts"
    """Phone, e-mail and emergency contact, one at a time."""
    SEE_SENSITIVE = "see_sensitive"
    """ID number and home, one at a time."""
    CARE = "care"
    """To open care files and see to requests for help; who sees inside a file is decided apart."""
    MANAGE_ORGANISATIONS = "manage_organisations"
    SEE_AUDIT = "see_audit"
    REVIEW_PROJECTS = "review_projects"
    """Read and decide on projects of the organisations below."""
    HANDLE_COMPLAINTS = "handle_complaints"
    EXCHANGE = "exchange"
    """To let other programs in: tokens, webhooks, calendars of the organisation."""


_COORDINATES = frozenset(
    {
        Right.APPROVE_VOLUNTEERS,
        Right.VERIFY_QUALIFICATIONS,
        Right.PLAN_ACTIVITIES,
        Right.TAKE_ROLL,
        Right.CONFIRM_HOURS,
        Right.REGISTER_GROUPS,
        Right.ANNOUNCE,
        Right.PLAN_DUTY,
        Right.SEE_STATISTICS,
        Right.IMPORT,
        Right.ISSUE_CERTIFICATES,
        Right.RECOGNISE,
        Right.SEE_VOLUNTEERS,
        Right.SEE_CONTACTS,
        Right.REVIEW_PROJECTS,
        Right.HANDLE_COMPLAINTS,
        Right.CARE,
    }
)

RIGHTS: dict[RoleKind, frozenset[Right]] = {
    RoleKind.CORE_VOLUNTEER: frozenset(),
    RoleKind.TEAM_LEADER: frozenset({Right.TAKE_ROLL, Right.PLAN_DUTY, Right.SEE_STATISTICS}),
    RoleKind.COORDINATOR: _COORDINATES,
    RoleKind.COMMANDER: _COORDINATES | {Right.LAUNCH_CALLOUTS},
    RoleKind.ADMINISTRATOR: frozenset(Right),
}


def roles_with(right: Right) -> tuple[RoleKind, ...]:
    return tuple(kind for kind, rights in RIGHTS.items() if right in rights)


async def may(work: Work, right: Right, organisation_id: int) -> bool:
    """Whether the actor holds `right` in the organisation or anywhere above it."""
    if work.actor is None:
        return False
    target = select(Organisation.path).where(Organisation.id == organisation_id).scalar_subquery()
    held = (
        select(Role.id)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(
            Role.person_id == work.actor.id,
            Role.kind.in_(roles_with(right)),
            target.like(Organisation.path + literal("%")),
            _in_bounds(work, target),
        )
        .limit(1)
    )
    return await work.session.scalar(held) is not None


def _in_bounds(work: Work, path: Any) -> ColumnElement[bool]:
    """Whether a path lies where the actor may act now."""
    if work.bounds is None:
        return true()
    return type_coerce(path, String).startswith(work.bounds.path, autoescape=True)


async def holds(work: Work, person_id: int, right: Right, organisation_id: int) -> bool:
    """As `may`, of anybody, whoever acts."""
    target = select(Organisation.path).where(Organisation.id == organisation_id).scalar_subquery()
    held = (
        select(Role.id)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(
            Role.person_id == person_id,
            Role.kind.in_(roles_with(right)),
            target.like(Organisation.path + literal("%")),
        )
        .limit(1)
    )
    return await work.session.scalar(held) is not None


async def require(work: Work, right: Right, organisation_id: int) -> None:
    """Raises NotAllowed."""
    if not await may(work, right, organisation_id):
        raise NotAllowed


async def require_anywhere(work: Work, right: Right) -> None:
    """Raises NotAllowed to whoever holds the right nowhere."""
    if not await organisations_with(work, right):
        raise NotAllowed


async def rights(work: Work) -> frozenset[Right]:
    """What the actor may do anywhere; where, the services ask for each thing."""
    if work.actor is None:
        return frozenset()
    kinds = await work.session.scalars(select(Role.kind).where(Role.person_id == work.actor.id))
    return frozenset(right for kind in kinds.all() for right in RIGHTS[kind])


async def rights_in(work: Work, organisation_id: int) -> frozenset[Right]:
    """What the actor may do in one organisation."""
    if work.actor is None:
        return frozenset()
    target = select(Organisation.path).where(Organisation.id == organisation_id).scalar_subquery()
    kinds = await work.session.scalars(
        select(Role.kind)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(
            Role.person_id == work.actor.id,
            target.like(Organisation.path + literal("%")),
            _in_bounds(work, target),
        )
    )
    return frozenset(right for kind in kinds.all() for right in RIGHTS[kind])


async def organisations_with(work: Work, right: Right) -> list[Organisation]:
    """The organisations in which the actor holds a role with `right` (the tops of subtrees)."""
    if work.actor is None:
        return []
    found = await work.session.scalars(
        select(Organisation)
        .join(Role, Role.organisation_id == Organisation.id)
        .where(Role.person_id == work.actor.id, Role.kind.in_(roles_with(right)))
        .order_by(Organisation.path)
        .distinct()
    )
    return await _bounded(work, list(found))


async def _bounded(work: Work, tops: list[Organisation]) -> list[Organisation]:
    """The tops within the actor's bounds; the bounds' own where one lies above them."""
    if work.bounds is None:
        return tops
    path = work.bounds.path
    if any(path.startswith(top.path) for top in tops):
        return list(
            await work.session.scalars(select(Organisation).where(Organisation.path == path))
        )
    return [top for top in tops if top.path.startswith(path)]


async def subtrees_with(work: Work, right: Right, *, closed: bool = False) -> list[Organisation]:
    """All organisations in which the actor holds `right`, each above those below it.

    Those that were closed only where they are asked for.
    """
    tops = await organisations_with(work, right)
    found = select(Organisation).where(_below(tops)).order_by(Organisation.path)
    if not closed:
        found = found.where(Organisation.closed_at.is_(None))
    return list(await work.session.scalars(found))


async def within_reach(
    work: Work,
    right: Right,
    organisation_key: InstrumentedAttribute[int] | InstrumentedAttribute[int | None],
) -> ColumnElement[bool]:
    """The condition that a key names an organisation in which the actor holds `right`."""
    tops = await organisations_with(work, right)
    if not tops:
        return false()
    return organisation_key.in_(select(Organisation.id).where(_below(tops)))


def _below(tops: list[Organisation]) -> ColumnElement[bool]:
    return or_(false(), *(Organisation.path.startswith(top.path, autoescape=True) for top in tops))


async def may_above(work: Work, right: Right, organisation_id: int) -> bool:
    """Whether the actor holds `right` in an organisation above this one; for the top, in it."""
    return await may(work, right, await above(work, organisation_id))


async def require_above(work: Work, right: Right, organisation_id: int) -> None:
    """For what the level above decides. Raises NotAllowed."""
    await require(work, right, await above(work, organisation_id))


async def above(work: Work, organisation_id: int) -> int:
    """The key of the organisation right above; the top is above itself."""
    parent = await work.session.scalar(
        select(Organisation.parent_id).where(Organisation.id == organisation_id)
    )
    return parent or organisation_id


async def holders_above(work: Work, right: Right, organisation_id: int) -> list[int]:
    """As `holders`, from the level above up."""
    return await holders(work, right, await above(work, organisation_id))


async def holders(work: Work, right: Right, organisation_id: int) -> list[int]:
    """Keys of the people nearest above who hold `right` for the organisation.

    The organisation's own holders; if it has none, those of the level above, and so on up.
    """
    path = await work.session.scalar(
        select(Organisation.path).where(Organisation.id == organisation_id)
    )
    for ancestor_id in reversed([int(key) for key in (path or "").split(".") if key]):
        found = await work.session.scalars(
            select(Role.person_id)
            .join(Account, Account.person_id == Role.person_id)
            .where(Role.organisation_id == ancestor_id, Role.kind.in_(roles_with(right)))
            .distinct()
        )
        people = list(found)
        if people:
            return people
    return []
