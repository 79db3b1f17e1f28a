"""Roles: claiming the system with the one-time code, granting, taking away."""

import secrets
from collections.abc import Iterable

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from models import Account, Claim, Organisation, Person, Role, RoleKind
from models.sealed import keyring
from services import access, audit, delivery, leaving, organisations, people
from services.errors import Gone, Refusal
from services.work import Work

MENU_CHANGED = "muster_menu_changed"
"""Chats whose command menu is no longer right, noted on the session."""
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 16
GRANTABLE = (
    RoleKind.TEAM_LEADER,
    RoleKind.COORDINATOR,
    RoleKind.COMMANDER,
    RoleKind.ADMINISTRATOR,
)

MOST_CANDIDATES = 20


def menu_changed(session: AsyncSession, telegram_id: int) -> None:
    session.info.setdefault(MENU_CHANGED, set()).add(telegram_id)


async def new_claim(work: Work, organisation_id: int) -> str:
    """A fresh code that makes its bearer an administrator once; earlier unused ones lapse."""
    await work.session.execute(
        update(Claim).where(Claim.used_at.is_(None)).values(used_at=work.now)
    )
    code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    work.session.add(
        Claim(
            code_hash=keyring().fingerprint(code),
            organisation_id=organisation_id,
            created_at=work.now,
        )
    )
    return code


async def has_administrator(session: AsyncSession) -> bool:
    found = select(Role.id).where(Role.kind == RoleKind.ADMINISTRATOR).limit(1)
    return await session.scalar(found) is not None


async def claim(work: Work, code: str) -> Organisation:
    """Makes the actor administrator by the one-time code. Raises Refusal("claim_wrong")."""
    person = work.person
    tidy = "".join(c for c in code.upper() if c in ALPHABET)
    taken = await work.session.execute(
        update(Claim)
        .where(Claim.code_hash.in_(keyring().fingerprints(tidy)), Claim.used_at.is_(None))
        .values(used_at=work.now, used_by_id=person.id)
        .returning(Claim.organisation_id)
    )
    organisation_id = taken.scalar_one_or_none()
    if organisation_id is None:
        raise Refusal("claim_wrong")
    await add(work, person.id, organisation_id, RoleKind.ADMINISTRATOR)
    audit.note(work, "role.claimed", f"person:{person.id}", organisation_id=organisation_id)
    return await work.session.get_one(Organisation, organisation_id)


async def grant(work: Work, person_id: int, organisation_id: int, kind: RoleKind) -> Role:
    """Raises NotAllowed, or Refusal("role_held") if they hold it already."""
    await access.require(work, access.Right.GRANT_ROLES, organisation_id)
    await organisations.require_open(work, organisation_id)
    held = select(Role.id).where(
        Role.person_id == person_id,
        Role.organisation_id == organisation_id,
        Role.kind == kind,
    )
    if await work.session.scalar(held) is not None:
        raise Refusal("role_held")
    role = await add(work, person_id, organisation_id, kind)
    audit.note(
        work, "role.granted", f"person:{person_id}", organisation_id=organisation_id, kind=kind
    )
    await _tell(work, role, "roles/granted")
    return role


async def revoke(work: Work, role_id: int) -> Role:
    """Raises Gone, NotAllowed, or Refusal("last_administrator")."""
    role = await work.session.get(Role, role_id)
    if role is None:
        raise Gone
    await access.require(work, access.Right.GRANT_ROLES, role.organisation_id)
    if role.kind is RoleKind.ADMINISTRATOR and await is_last_administrator(work, role.person_id):
        raise Refusal("last_administrator")
    await _tell(work, role, "roles/revoked")
    await work.session.delete(role)
    await work.session.flush()
    await menus_changed(work, [role.person_id])
    await leaving.let_go(work, [role.person_id])
    audit.note(
        work,
        "role.revoked",
        f"person:{role.person_id}",
        organisation_id=role.organisation_id,
        kind=role.kind,
    )
    return role


async def is_last_administrator(work: Work, person_id: int) -> bool:
    """Whether nobody else administers the federation."""
    administrators = await work.session.scalars(
        select(Role.person_id)
        .join(Organisation, Organisation.id == Role.organisation_id)
        .where(Role.kind == RoleKind.ADMINISTRATOR, Organisation.parent_id.is_(None))
    )
    return set(administrators) == {person_id}


async def held_in(work: Work, organisation_id: int) -> list[tuple[Role, Person]]:
    """Who holds which role in the organisation. Raises NotAllowed."""
    await access.require(work, access.Right.GRANT_ROLES, organisation_id)
    rows = await work.session.execute(
        select(Role, Person)
        .join(Person, Person.id == Role.person_id)
        .where(Role.organisation_id == organisation_id)
        .order_by(Role.kind, Role.id)
    )
    return [(role, person) for role, person in rows]


async def candidates(
    work: Work, organisation_id: int, typed: str
) -> list[tuple[Person, Organisation]]:
    """Who may be meant: whoever has the number, and those of one's subtrees with such a name.

    Raises NotAllowed.
    """
    await access.require(work, access.Right.GRANT_ROLES, organisation_id)
    numbered = await people.by_number(work, typed)
    if numbered is not None:
        home = await work.session.get_one(Organisation, numbered.organisation_id)
        return [(numbered, home)]
    rows = await work.session.execute(
        people.named_like(typed)
        .join(Organisation, Organisation.id == Person.organisation_id)
        .add_columns(Organisation)
        .where(await people.in_reach(work, access.Right.GRANT_ROLES))
        .order_by(Person.name, Person.id)
        .limit(MOST_CANDIDATES)
    )
    return [(person, home) for person, home in rows]


async def add(work: Work, person_id: int, organisation_id: int, kind: RoleKind) -> Role:
    """For whoever has been asked for their rights already."""
    role = Role(
        person_id=person_id,
        organisation_id=organisation_id,
        kind=kind,
        granted_by_id=work.person.id,
        granted_at=work.now,
    )
    work.session.add(role)
    await work.session.flush()
    await menus_changed(work, [person_id])
    return role


async def menus_changed(work: Work, people: Iterable[int]) -> None:
    """What these may do has changed, and so have the commands that their phones offer."""
    chats = await work.session.scalars(
        select(Account.telegram_id).where(Account.person_id.in_(list(people)))
    )
    for telegram_id in chats:
        menu_changed(work.session, telegram_id)


async def _tell(work: Work, role: Role, template: str) -> None:
    organisation = await work.session.get_one(Organisation, role.organisation_id)
    parameters = {"role": role.kind.value, "organisation": organisation.names}
    await delivery.tell(work, delivery.Post(template, parameters, kind="roles"), [role.person_id])
