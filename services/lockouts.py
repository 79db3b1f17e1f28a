"""A lost or stolen phone: another ends by one press all that it could do, or gives it back."""

from sqlalchemy import select

from models import Organisation, Person, Role, RoleKind, SuspendedRole
from services import access, audit, broadcasts, delivery, feeds, leaving, roles, sessions, tokens
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.work import Work

KIND = "roles"


async def of(work: Work, person_id: int) -> tuple[Person, list[Role], list[SuspendedRole]]:
    """Somebody with the roles that the actor can suspend, and those that can be given back.

    Raises NotAllowed where it is neither.
    """
    person = await work.session.get(Person, person_id)
    held = await _within_reach(work, person_id)
    suspended = await _suspended(work, person_id)
    if person is None or not (held or suspended):
        raise NotAllowed
    return person, held, suspended


async def suspended_in(work: Work, organisation_id: int) -> list[tuple[SuspendedRole, Person]]:
    """Roles in the organisation that wait for their holders' phones. Raises NotAllowed."""
    await access.require(work, Right.GRANT_ROLES, organisation_id)
    rows = await work.session.execute(
        select(SuspendedRole, Person)
        .join(Person, Person.id == SuspendedRole.person_id)
        .where(SuspendedRole.organisation_id == organisation_id)
        .order_by(SuspendedRole.id)
    )
    return [(row[0], row[1]) for row in rows]


async def lock_out(work: Work, person_id: int) -> Person:
    """Suspends their roles, logs them out, revokes their tokens, stops their messages to many.

    May be done by whoever gives roles there, or coordinates above. Raises NotAllowed, or Refusal
    for oneself and for the federation's last administrator.
    """
    if person_id == work.person.id:
        raise Refusal("lockout_own")
    held = await _within_reach(work, person_id)
    if not held:
        raise NotAllowed
    administers = any(role.kind is RoleKind.ADMINISTRATOR for role in held)
    if administers and await roles.is_last_administrator(work, person_id):
        raise Refusal("last_administrator")
    for role in held:
        await _suspend(work, role)
    await work.session.flush()
    await roles.menus_changed(work, [person_id])
    await sessions.end_all(work, person_id)
    await tokens.revoke_orphaned(work, person_id)
    await feeds.revoke_of_person(work, person_id)
    await broadcasts.end_all_of(work, person_id)
    await leaving.let_go(work, [person_id])
    for role in held:
        audit.note(
            work, "access.locked", f"person:{person_id}",
            organisation_id=role.organisation_id, kind=role.kind,
        )  # fmt: skip
    await _tell(work, person_id, "lockouts/locked")
    return await work.session.get_one(Person, person_id)


async def give_back(work: Work, person_id: int) -> Person:
    """Roles that were suspended hold again. Raises NotAllowed, or Gone where there are none."""
    found = await _suspended(work, person_id)
    if not found:
        raise Gone
    for one in found:
        held = select(Role.id).where(
            Role.person_id == person_id,
            Role.organisation_id == one.organisation_id,
            Role.kind == one.kind,
        )
        if await work.session.scalar(held) is None:
            await roles.add(work, person_id, one.organisation_id, one.kind)
        await work.session.delete(one)
        audit.note(
            work, "access.restored", f"person:{person_id}",
            organisation_id=one.organisation_id, kind=one.kind,
        )  # fmt: skip
    await work.session.flush()
    await _tell(work, person_id, "lockouts/restored")
    return await work.session.get_one(Person, person_id)


async def _within_reach(work: Work, person_id: int) -> list[Role]:
    held = await work.session.scalars(
        select(Role).where(Role.person_id == person_id).order_by(Role.id)
    )
    return [role for role in held.all() if await _may(work, role.organisation_id)]


async def _may(work: Work, organisation_id: int) -> bool:
    if await access.may(work, Right.GRANT_ROLES, organisation_id):
        return True
    above = await access.above(work, organisation_id)
    return above != organisation_id and await access.may(work, Right.ANNOUNCE, above)


async def _suspended(work: Work, person_id: int) -> list[SuspendedRole]:
    """Those that the actor may give; nobody gives back their own."""
    if person_id == work.person.id:
        raise NotAllowed
    found = await work.session.scalars(
        select(SuspendedRole)
        .join(Organisation, Organisation.id == SuspendedRole.organisation_id)
        .where(SuspendedRole.person_id == person_id, Organisation.closed_at.is_(None))
        .order_by(SuspendedRole.id)
    )
    return [
        one for one in found.all() if await access.may(work, Right.GRANT_ROLES, one.organisation_id)
    ]


async def _suspend(work: Work, role: Role) -> None:
    work.session.add(
        SuspendedRole(
            person_id=role.person_id,
            organisation_id=role.organisation_id,
            kind=role.kind,
            granted_by_id=role.granted_by_id,
            granted_at=role.granted_at,
            suspended_by_id=work.person.id,
            suspended_at=work.now,
        )
    )
    await work.session.delete(role)


async def _tell(work: Work, person_id: int, template: str) -> None:
    post = delivery.Post(template, {"by": work.person.name}, KIND)
    await delivery.tell(work, post, [person_id])
