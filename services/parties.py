"""Groups that go together: families, classes, company teams, friends. Who belongs, and who agreed.

The head invites by a link or by a number, and each says yes in their own chat; whoever joins agrees
that the head enrols them. A guardian registers their own child. Enrolling is `services.together`'s.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, delete, func, literal, select, update

from models import (
    Account,
    Block,
    Organisation,
    Party,
    PartyKind,
    PartyMember,
    PartyState,
    Person,
    Standing,
)
from services import (
    access,
    accounts,
    approvals,
    audit,
    delivery,
    guardians,
    lengths,
    listing,
    organisations,
    people,
    signup,
)
from services.access import Right
from services.errors import Gone, NotAllowed, Refusal
from services.listing import Slice
from services.measuring import Measure
from services.work import Work

KIND = "parties"
NAME = (2, 30)
"""Characters."""
MOST_MEMBERS = 60
"""A class; more do not fit a message."""
MOST_LED = 5
"""By one person."""
MOST_WARDS = 6
"""Children whom one person registers."""
KEY_BYTES = 9


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group; a name only of those who have agreed."""

    person_id: int
    name: str | None
    number: str | None
    state: PartyState
    ward: bool
    active: bool
    """Their registration is, so that they can be enrolled."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A group as a member sees it; the head first."""

    party: Party
    head: str
    members: list[Member]
    leads: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A group in a list; `count` have agreed."""

    party: Party
    head: str
    organisation: dict[str, str]
    count: int


# Founding, changing, ending


async def found(work: Work, kind: PartyKind, name: str) -> Party:
    """The actor is its head and first member. Raises NotAllowed or Refusal."""
    if not accounts.is_volunteer(work.actor):
        raise NotAllowed
    name = _checked_name(name)
    head = work.person
    await organisations.require_open(work, head.organisation_id)
    await _lock(work, head.id)
    led = select(func.count()).where(Party.head_id == head.id, Party.dissolved_at.is_(None))
    if (await work.session.scalar(led) or 0) >= MOST_LED:
        raise Refusal("party_most_led", most=MOST_LED)
    party = Party(
        kind=kind,
        name=name,
        head_id=head.id,
        organisation_id=head.organisation_id,
        key=_new_key(),
        founded_at=work.now,
    )
    work.session.add(party)
    await work.session.flush()
    await _enter(work, party, head.id, PartyState.ACTIVE)
    _note(work, "party.founded", party)
    return party


async def rename(work: Work, party_id: int, name: str) -> Party:
    """Raises Gone or Refusal."""
    party = await led(work, party_id)
    party.name = _checked_name(name)
    return party


async def dissolve(work: Work, party_id: int) -> Party:
    """The members are told; places that they have stay theirs. Raises Gone."""
    party = await led(work, party_id)
    party.dissolved_at = work.now
    told = await _keys(work, party.id, PartyState.ACTIVE)
    await _tell(work, party, "dissolved", [key for key in told if key != work.person.id])
    _note(work, "party.dissolved", party)
    return party


def _checked_name(name: str) -> str:
    name = " ".join(name.split())
    lengths.check("party_name", name, NAME)
    return name


def _new_key() -> str:
    """No dash, which parts a link; nothing that makes it look like another."""
    return secrets.token_hex(KEY_BYTES)[:16]


async def _lock(work: Work, person_id: int) -> None:
    await work.session.execute(select(Person.id).where(Person.id == person_id).with_for_update())


# Inviting and joining


def payload(party: Party) -> str:
    """Of the link that invites: whoever opens it is asked whether they join."""
    return f"j-{party.id}-{party.key}"


async def renew_link(work: Work, party_id: int) -> Party:
    """The link so far opens nothing any more. Raises Gone."""
    party = await led(work, party_id)
    party.key = _new_key()
    return party


async def invited_by(work: Work, party_id: int, key: str) -> Line:
    """Whose link it is. Raises Refusal("party_link")."""
    found = await _line(work, Party.id == party_id, Party.key == key, Party.dissolved_at.is_(None))
    if found is None:
        raise Refusal("party_link")
    return found


async def join(work: Work, party_id: int, key: str) -> Party:
    """By the link. Raises NotAllowed or Refusal."""
    if not accounts.is_volunteer(work.actor):
        raise NotAllowed
    party = (await invited_by(work, party_id, key)).party
    member = await work.session.get(PartyMember, (party.id, work.person.id))
    if member is not None and member.state is PartyState.ACTIVE:
        raise Refusal("party_member_already")
    await _check_room(work, party)
    return await _joined(work, party)


async def invite(work: Work, party_id: int, typed: str) -> None:
    """Asks the volunteer with that number, who learns nothing of it but who invites them.

    Whoever said no is not asked again. Raises Gone or Refusal.
    """
    party = await led(work, party_id)
    person = await people.by_number(work, typed)
    if person is None:
        raise Refusal("nobody_with_number", typed=typed)
    known = await work.session.get(PartyMember, (party.id, person.id))
    if known is not None and known.state is not PartyState.LEFT:
        raise Refusal("party_member_already")
    if known is not None:
        raise Refusal("party_said_no")
    await _check_room(work, party)
    await _enter(work, party, person.id, PartyState.INVITED)
    await _tell(work, party, "invited", [person.id], by=work.person.name)


async def accept(work: Work, party_id: int) -> Party:
    """Raises Gone or Refusal."""
    party, _ = await _invitation(work, party_id)
    await _check_room(work, party, already=1)
    return await _joined(work, party)


async def decline(work: Work, party_id: int) -> Party:
    """Raises Gone."""
    party, member = await _invitation(work, party_id)
    member.state, member.since = PartyState.LEFT, work.now
    return party


async def _invitation(work: Work, party_id: int) -> tuple[Party, PartyMember]:
    party = await _standing(work, party_id)
    member = await work.session.get(PartyMember, (party_id, work.person.id))
    if member is None or member.state is not PartyState.INVITED:
        raise Gone
    return party, member


async def _joined(work: Work, party: Party) -> Party:
    await _enter(work, party, work.person.id, PartyState.ACTIVE)
    await _tell(work, party, "joined", [party.head_id], name=work.person.name)
    return party


async def _check_room(work: Work, party: Party, *, already: int = 0) -> None:
    """Under a lock of the group. Raises Refusal("party_full")."""
    await work.session.execute(select(Party.id).where(Party.id == party.id).with_for_update())
    counted = select(func.count()).where(
        PartyMember.party_id == party.id, PartyMember.state != PartyState.LEFT
    )
    if (await work.session.scalar(counted) or 0) - already >= MOST_MEMBERS:
        raise Refusal("party_full", most=MOST_MEMBERS)


async def _enter(
    work: Work, party: Party, person_id: int, state: PartyState, *, ward: bool = False
) -> None:
    member = await work.session.get(PartyMember, (party.id, person_id))
    if member is None:
        member = PartyMember(party_id=party.id, person_id=person_id, ward=ward)
        work.session.add(member)
    member.state, member.since = state, work.now
    await work.session.flush()


# Going


async def leave(work: Work, party_id: int) -> Party:
    """The head hears of it. Raises Gone, or Refusal("party_head_stays")."""
    party = await _standing(work, party_id)
    member = await work.session.get(PartyMember, (party_id, work.person.id))
    if member is None or member.state is not PartyState.ACTIVE:
        raise Gone
    if party.head_id == work.person.id:
        raise Refusal("party_head_stays")
    member.state, member.since = PartyState.LEFT, work.now
    await _tell(work, party, "left", [party.head_id], name=work.person.name)
    return party


async def take_off(work: Work, party_id: int, person_id: int) -> Party:
    """By the head; who had agreed is told. Raises Gone, or Refusal("party_head_stays")."""
    party = await led(work, party_id)
    member = await work.session.get(PartyMember, (party_id, person_id))
    if member is None or member.state is PartyState.LEFT:
        raise Gone
    if person_id == party.head_id:
        raise Refusal("party_head_stays")
    agreed = member.state is PartyState.ACTIVE
    if not agreed:
        await work.session.delete(member)  # who has not answered may be asked again
    else:
        member.state, member.since = PartyState.LEFT, work.now
        await _tell(work, party, "taken_off", [person_id])
    return party


# Children


async def register_child(work: Work, party_id: int, name: str, birth_date: date) -> Person:
    """A child of the actor's who has no phone of their own; the actor consents as the guardian.

    Regulation on Voluntary Service (State Council order 685): minors serve with their guardian's
    consent. Raises Gone or Refusal.
    """
    party = await led(work, party_id)
    if party.kind is not PartyKind.FAMILY:
        raise Refusal("ward_family")
    parent = work.person
    if parent.birth_date is None or signup.is_minor(work, parent.birth_date):
        raise Refusal("ward_parent_age", age=work.policy.adult_age)
    await check_child(work, name, birth_date)
    await _check_room(work, party)
    await _check_wards(work, name, birth_date)
    child = Person(
        standing=Standing.AWAITING_APPROVAL,
        organisation_id=parent.organisation_id,
        language=parent.language,
        name=name,
        name_search=signup.search_of(name),
        birth_date=birth_date,
        latitude=parent.latitude,
        longitude=parent.longitude,
        availability=parent.availability,
        applied_at=work.now,
    )
    work.session.add(child)
    await work.session.flush()
    await _enter(work, party, child.id, PartyState.ACTIVE, ward=True)
    account = await _account_of(work, parent.id)
    await guardians.agree_for_own(work, child, account.telegram_id)
    audit.note(
        work, "person.registered_child", f"person:{child.id}",
        organisation_id=child.organisation_id,
    )  # fmt: skip
    await approvals.let_in(work.acting_as(child), child)
    return child


async def check_child(work: Work, name: str, birth_date: date) -> None:
    """Raises Refusal for what is no name, or not the age of a child who may serve."""
    signup.checked_name(name)
    signup.checked_birth_date(work, birth_date)
    if not signup.is_minor(work, birth_date):
        raise Refusal("ward_grown_up", age=work.policy.adult_age)


async def ward(work: Work, person_id: int) -> Person:
    """A child whom the actor registered. Raises Gone."""
    found = await work.session.scalar(_wards(work).where(Person.id == person_id))
    if found is None:
        raise Gone
    return found


async def _check_wards(work: Work, name: str, birth_date: date) -> None:
    await _lock(work, work.person.id)
    known = list(await work.session.scalars(_wards(work)))
    if len(known) >= MOST_WARDS:
        raise Refusal("ward_most", most=MOST_WARDS)
    if any(one.name == name and one.birth_date == birth_date for one in known):
        raise Refusal("ward_known", name=name)


def _wards(work: Work) -> Select[Person]:
    return (
        select(Person)
        .join(PartyMember, PartyMember.person_id == Person.id)
        .join(Party, Party.id == PartyMember.party_id)
        .where(
            PartyMember.ward,
            Party.head_id == work.person.id,
            Person.standing != Standing.ERASED,
        )
    )


async def _account_of(work: Work, person_id: int) -> Account:
    found = await work.session.scalar(select(Account).where(Account.person_id == person_id))
    if found is None:
        raise NotAllowed
    return found


# Looking


async def led(work: Work, party_id: int) -> Party:
    """A group whose head the actor is. Raises Gone."""
    party = await _standing(work, party_id)
    if work.actor is None or party.head_id != work.actor.id:
        raise Gone
    return party


async def _standing(work: Work, party_id: int) -> Party:
    party = await work.session.get(Party, party_id)
    if party is None or party.dissolved_at is not None:
        raise Gone
    return party


async def own(work: Work) -> list[tuple[Line, PartyState]]:
    """The groups that the actor belongs to or is invited to."""
    rows = await work.session.execute(
        _lines()
        .join(PartyMember, PartyMember.party_id == Party.id)
        .add_columns(PartyMember.state)
        .where(
            PartyMember.person_id == work.person.id,
            PartyMember.state != PartyState.LEFT,
            Party.dissolved_at.is_(None),
        )
        .order_by(Party.id)
    )
    return [(Line(*row[:-1]), row[-1]) for row in rows]


async def own_led(work: Work) -> list[Line]:
    """Those whose head the actor is."""
    rows = await work.session.execute(
        _lines().where(Party.head_id == work.person.id, Party.dissolved_at.is_(None))
    )
    return [Line(*row) for row in rows]


async def seen(work: Work, party_id: int) -> Seen:
    """For members. Raises Gone."""
    party = await _standing(work, party_id)
    leads = party.head_id == work.person.id
    members = await members_of(work, party)
    mine = [one for one in members if one.person_id == work.person.id]
    if not mine or mine[0].state is not PartyState.ACTIVE:
        raise Gone
    if not leads:
        members = [one for one in members if one.state is PartyState.ACTIVE]
    head = await work.session.get_one(Person, party.head_id)
    return Seen(party, head.name, members, leads)


async def members_of(work: Work, party: Party) -> list[Member]:
    """Everyone but those who went; checks no rights."""
    rows = await work.session.execute(
        select(PartyMember, Person)
        .join(Person, Person.id == PartyMember.person_id)
        .where(PartyMember.party_id == party.id, PartyMember.state != PartyState.LEFT)
        .order_by((PartyMember.person_id == party.head_id).desc(), Person.name_search, Person.id)
    )
    return [
        Member(
            person.id,
            person.name if member.state is PartyState.ACTIVE else None,
            person.number,
            member.state,
            member.ward,
            person.standing is Standing.ACTIVE,
        )
        for member, person in rows
    ]


async def of_person(work: Work, person_id: int) -> list[Line]:
    """For the page of a volunteer that was asked for its rights."""
    rows = await work.session.execute(
        _lines()
        .join(PartyMember, PartyMember.party_id == Party.id)
        .where(
            PartyMember.person_id == person_id,
            PartyMember.state == PartyState.ACTIVE,
            Party.dissolved_at.is_(None),
        )
        .order_by(Party.id)
    )
    return [Line(*row) for row in rows]


async def listed(work: Work, number: int) -> Slice[Line]:
    """Of the organisations whose volunteers the actor sees, the newest first. Raises NotAllowed."""
    if not await access.organisations_with(work, Right.SEE_VOLUNTEERS):
        raise NotAllowed
    reach = await access.within_reach(work, Right.SEE_VOLUNTEERS, Party.organisation_id)
    page = await listing.of(
        work,
        _lines().where(reach, Party.dissolved_at.is_(None)).order_by(Party.id.desc()),
        number,
    )
    return Slice([Line(*row) for row in page.rows], page.number, page.more)


def _lines() -> Select[Any]:
    agreed = (
        select(func.count())
        .where(PartyMember.party_id == Party.id, PartyMember.state == PartyState.ACTIVE)
        .correlate(Party)
        .scalar_subquery()
    )
    head = select(Person.name).where(Person.id == Party.head_id).correlate(Party).scalar_subquery()
    return select(Party, head, Organisation.names, agreed).join(
        Organisation, Organisation.id == Party.organisation_id
    )


async def _line(work: Work, *conditions: Any) -> Line | None:
    row = (await work.session.execute(_lines().where(*conditions))).one_or_none()
    return None if row is None else Line(*row)


async def _keys(work: Work, party_id: int, state: PartyState) -> Sequence[int]:
    found = select(PartyMember.person_id).where(
        PartyMember.party_id == party_id, PartyMember.state == state
    )
    return (await work.session.scalars(found)).all()


async def _tell(work: Work, party: Party, template: str, told: Sequence[int], **more: Any) -> None:
    parameters = {"party_id": party.id, "group": party.name, "kind": party.kind.value, **more}
    post = delivery.Post(f"parties/{template}", parameters, kind=KIND, subject=f"party:{party.id}")
    await delivery.tell(work, post, told)


def _note(work: Work, action: str, party: Party) -> None:
    audit.note(work, action, f"party:{party.id}", organisation_id=party.organisation_id)


# Personal data and statistics


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    return {
        "groups_led": select(Party).where(Party.head_id == person_id),
        "groups_joined": select(PartyMember).where(PartyMember.person_id == person_id),
        "enrolments_of_groups": select(Block).where(Block.head_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """They are in no group any more, and those that they led have ended and lost their names."""
    session = work.session
    await session.execute(delete(PartyMember).where(PartyMember.person_id == person_id))
    await session.execute(
        update(Party)
        .where(Party.head_id == person_id)
        .values(name="", dissolved_at=func.coalesce(Party.dissolved_at, work.now))
    )
    await session.execute(update(Block).where(Block.head_id == person_id).values(name=""))


def _founded() -> Any:
    return select(Party.organisation_id, Party.founded_at, literal(1))


MEASURES = (Measure("groups_founded", "kinds", _founded),)
