"""Rescue teams: their posts, who may fill them, inviting, joining and leaving.

The list of who is ready is in `services.fitness`, the team's turns on duty by post in `manning`,
its equipment in `stores`, its drills in `drills`.
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from models import (
    DrillTask,
    EquipmentCheck,
    MemberState,
    Organisation,
    OrganisationKind,
    Person,
    PersonSkill,
    Qualification,
    QualificationKind,
    QualificationState,
    Skill,
    Standing,
    TeamLink,
    TeamMember,
    TeamPost,
)
from models.sealed import keyring
from services import access, audit, delivery, mates, organisations, people, terms
from services.access import Right
from services.crews import posts_of
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.finding import folded
from services.work import Work

KIND = "team"
"""The kind of all messages about a team but those about its duty."""
NAME_LENGTH = 40
MOST_POSTS, MOST_WANTED = 30, 100
CODE_BYTES = 9
LINK_LASTS = timedelta(days=7)
CANDIDATES = 8
"""People whom a search for somebody to invite shows."""
STANDS = (MemberState.INVITED, MemberState.ACTIVE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A post as it is asked for; keys of qualifications and skills."""

    name: str
    wanted: int
    on_duty: int = 0
    qualifications: Sequence[int] = ()
    skills: Sequence[int] = ()


# Which team


async def led(work: Work, team_id: int) -> Organisation:
    """A rescue team that the actor leads. Raises Gone, NotAllowed."""
    team = await _team(work, team_id)
    await access.require(work, Right.PLAN_DUTY, team_id)
    return team


async def seen(work: Work, team_id: int) -> tuple[Organisation, bool]:
    """A rescue team that the actor leads or belongs to, and whether they lead it.

    Raises Gone, NotAllowed.
    """
    team = await _team(work, team_id)
    if await access.may(work, Right.PLAN_DUTY, team_id):
        return team, True
    if await _belongs(work, team, work.person.id):
        return team, False
    raise NotAllowed


async def _team(work: Work, team_id: int) -> Organisation:
    team = await work.session.get(Organisation, team_id)
    if team is None or team.kind is not OrganisationKind.RESCUE_TEAM:
        raise Gone
    return team


async def _belongs(work: Work, team: Organisation, person_id: int) -> bool:
    found = select(Person.id).where(Person.id == person_id, mates.belongs(team))
    return await work.session.scalar(found) is not None


async def led_ones(work: Work) -> list[Organisation]:
    """The rescue teams that the actor leads, in the order of the tree."""
    within = await access.within_reach(work, Right.PLAN_DUTY, Organisation.id)
    found = await work.session.scalars(
        select(Organisation)
        .where(Organisation.kind == OrganisationKind.RESCUE_TEAM, within)
        .order_by(Organisation.path)
    )
    return list(found)


async def concerns(work: Work) -> bool:
    """Whether the actor is in a team, for the menu."""
    return bool(await mates.teams_of(work))


# Posts


async def post(work: Work, post_id: int) -> tuple[TeamPost, Organisation]:
    """A post of a team that the actor leads. Raises Gone, NotAllowed."""
    found = await work.session.get(TeamPost, post_id)
    if found is None or found.removed_at is not None:
        raise Gone
    return found, await led(work, found.organisation_id)


async def add_post(work: Work, team_id: int, said: Wanted) -> TeamPost:
    """Raises Gone, NotAllowed, Refusal."""
    await led(work, team_id)
    await organisations.require_open(work, team_id)
    if len(await posts_of(work, team_id)) >= MOST_POSTS:
        raise Refusal("team_posts", most=MOST_POSTS)
    values = await _post_values(work, team_id, said, None)
    made = TeamPost(organisation_id=team_id, names={"": said.name}, **values)
    work.session.add(made)
    await work.session.flush()
    _note(work, "team.post_added", made)
    return made


async def change_post(work: Work, post_id: int, said: Wanted) -> TeamPost:
    """Who holds it stays in it; whatever they lack from now on is shown. Raises as `add_post`."""
    found, _ = await post(work, post_id)
    await organisations.require_open(work, found.organisation_id)
    values = await _post_values(work, found.organisation_id, said, found)
    if said.name not in found.names.values():
        found.names = {"": said.name}
    for name, value in values.items():
        setattr(found, name, value)
    await work.session.flush()
    _note(work, "team.post_changed", found)
    return found


async def remove_post(work: Work, post_id: int) -> int:
    """Who held it stays in the team; answers the team's key. Raises Gone, NotAllowed."""
    found, _ = await post(work, post_id)
    found.removed_at = work.now
    await work.session.execute(
        update(TeamMember).where(TeamMember.post_id == found.id).values(post_id=None)
    )
    _note(work, "team.post_removed", found)
    return found.organisation_id


async def _post_values(
    work: Work, team_id: int, said: Wanted, now: TeamPost | None
) -> dict[str, Any]:
    key = folded(said.name)
    if not key or len(said.name) > NAME_LENGTH:
        raise Refusal("team_name", most=NAME_LENGTH)
    if not 1 <= said.wanted <= MOST_WANTED:
        raise Refusal("form_number_range", least=1, most=MOST_WANTED)
    if not 0 <= said.on_duty <= MOST_WANTED:
        raise Refusal("form_number_range", least=0, most=MOST_WANTED)
    others = [one for one in await posts_of(work, team_id) if one is not now]
    if key in {one.key for one in others}:
        raise Refusal("team_post_taken", name=said.name)
    await terms.check(work.session, QualificationKind, said.qualifications)
    await terms.check(work.session, Skill, said.skills)
    return {
        "key": key,
        "wanted": said.wanted,
        "on_duty": said.on_duty,
        "qualifications": list(said.qualifications),
        "skills": list(said.skills),
    }


def _note(work: Work, action: str, found: TeamPost) -> None:
    audit.note(work, action, f"team_post:{found.id}", organisation_id=found.organisation_id)


async def lacking(work: Work, found: TeamPost, person_id: int) -> list[dict[str, str]]:
    """Names of what somebody lacks for a post: documents that are valid today, and skills."""
    valid = select(Qualification.kind_id).where(
        Qualification.person_id == person_id,
        Qualification.state == QualificationState.VERIFIED,
        or_(Qualification.expires_on.is_(None), Qualification.expires_on >= work.today),
    )
    able = select(PersonSkill.skill_id).where(PersonSkill.person_id == person_id)
    documents = set(await work.session.scalars(valid))
    skills = set(await work.session.scalars(able))
    kinds = [one for one in found.qualifications if one not in documents]
    missing = [one for one in found.skills if one not in skills]
    return [
        *(one.names for one in await terms.by_keys(work.session, QualificationKind, kinds)),
        *(one.names for one in await terms.by_keys(work.session, Skill, missing)),
    ]


# Inviting


async def candidates(work: Work, team_id: int, typed: str) -> list[Person]:
    """Who may be meant: whoever has the number or phone, and the actor's own with such a name.

    Raises Gone, NotAllowed.
    """
    team = await led(work, team_id)
    reach = await people.in_reach(work, Right.PLAN_DUTY)
    known = or_(
        Person.id.in_(people.exactly(work, typed)), and_(reach, people.is_named_like(typed))
    )
    standing = select(TeamMember.person_id).where(
        TeamMember.organisation_id == team_id, TeamMember.state.in_(STANDS)
    )
    found = await work.session.scalars(
        select(Person)
        .where(Person.standing == Standing.ACTIVE, known)
        .where(~mates.belongs(team), Person.id.not_in(standing))
        .order_by(Person.name_search, Person.id)
        .limit(CANDIDATES)
    )
    return list(found)


async def invite(
    work: Work, team_id: int, person_id: int, typed: str = "", *, known: bool = False
) -> TeamMember:
    """They are asked whether they join. The actor themselves are in at once.

    `typed` is how the actor found them, unless it is `known` already that they did. Raises Gone,
    NotAllowed, Refusal("team_member").
    """
    team = await led(work, team_id)
    await organisations.require_open(work, team_id)
    if person_id != work.person.id and not known:
        await people.check_known(work, Right.PLAN_DUTY, person_id, typed)
    row = await _row(work, team_id, person_id)
    if row is not None or await _belongs(work, team, person_id):
        raise Refusal("team_member")
    row = await _add(work, team_id, person_id, MemberState.INVITED)
    audit.note(work, "team.invited", f"person:{person_id}", organisation_id=team_id)
    if person_id == work.person.id:
        return await _join(work, row)
    about = {"member_id": row.id, "team": team.names, "name": work.person.name}
    message = Post("teams/invited", about, kind=KIND, subject=_invitation(row))
    await delivery.tell(work, message, [person_id])
    return row


def _invitation(row: TeamMember) -> str:
    return f"team_member:{row.id}"


async def _add(work: Work, team_id: int, person_id: int, state: MemberState) -> TeamMember:
    active = state is MemberState.ACTIVE
    row = TeamMember(
        organisation_id=team_id,
        person_id=person_id,
        state=state,
        invited_by_id=work.person.id,
        invited_at=work.now,
        since=work.now if active else None,
    )
    work.session.add(row)
    await work.session.flush()
    return row


async def _row(work: Work, team_id: int, person_id: int) -> TeamMember | None:
    return await work.session.scalar(
        select(TeamMember).where(
            TeamMember.organisation_id == team_id,
            TeamMember.person_id == person_id,
            TeamMember.state.in_(STANDS),
        )
    )


async def new_link(work: Work, team_id: int) -> tuple[str, Organisation]:
    """The code of a link by which one joins; the one before opens nothing any more.

    Raises Gone, NotAllowed.
    """
    team = await led(work, team_id)
    code = secrets.token_hex(CODE_BYTES)
    await organisations.require_open(work, team_id)
    await _drop_link(work, team_id)
    work.session.add(
        TeamLink(
            organisation_id=team_id,
            code_hash=_hash(code),
            made_by_id=work.person.id,
            made_at=work.now,
            expires_at=work.now + LINK_LASTS,
        )
    )
    await work.session.flush()
    audit.note(work, "team.linked", f"organisation:{team_id}", organisation_id=team_id)
    return code, team


async def _drop_link(work: Work, team_id: int) -> None:
    await work.session.execute(delete(TeamLink).where(TeamLink.organisation_id == team_id))


def _hash(code: str) -> str:
    return _hashes(code)[0]


def _hashes(code: str) -> list[str]:
    """By which it may be kept."""
    return keyring().fingerprints(f"team:{code}")


async def behind(work: Work, code: str) -> Organisation:
    """The team that a link invites to. Raises Refusal("team_link")."""
    link = await work.session.scalar(select(TeamLink).where(TeamLink.code_hash.in_(_hashes(code))))
    if link is None or link.expires_at <= work.now:
        raise Refusal("team_link")
    return await work.session.get_one(Organisation, link.organisation_id)


async def join_by_link(work: Work, code: str) -> TeamMember:
    """Raises Refusal("team_link"), Refusal("team_member") for whoever is in it."""
    team = await behind(work, code)
    row = await _row(work, team.id, work.person.id)
    if await _belongs(work, team, work.person.id):
        raise Refusal("team_member")
    return await _join(work, row or await _add(work, team.id, work.person.id, MemberState.INVITED))


async def accept(work: Work, member_id: int) -> TeamMember:
    """The actor joins the team that invited them. Raises Gone."""
    return await _join(work, await _own(work, member_id))


async def _join(work: Work, row: TeamMember) -> TeamMember:
    await organisations.require_open(work, row.organisation_id)
    await _become(work, row, MemberState.INVITED, state=MemberState.ACTIVE, since=work.now)
    audit.note(work, "team.joined", f"person:{row.person_id}", organisation_id=row.organisation_id)
    await _tell_leaders(work, row, "teams/joined")
    return row


async def decline(work: Work, member_id: int) -> None:
    """Raises Gone."""
    row = await _own(work, member_id)
    await _become(work, row, MemberState.INVITED, state=MemberState.LEFT, until=work.now)
    await _tell_leaders(work, row, "teams/declined")


async def _own(work: Work, member_id: int) -> TeamMember:
    row = await work.session.get(TeamMember, member_id)
    if row is None or row.person_id != work.person.id:
        raise Gone
    return row


async def _become(work: Work, row: TeamMember, before: MemberState, **values: Any) -> None:
    """Once, whoever presses at the same time. Raises Gone."""
    done = await work.session.scalar(
        update(TeamMember)
        .where(TeamMember.id == row.id, TeamMember.state == before)
        .values(**values)
        .returning(TeamMember.id)
        .execution_options(synchronize_session=False)
    )
    if done is None:
        raise Gone
    await work.session.refresh(row)


async def _tell_leaders(work: Work, row: TeamMember, template: str) -> None:
    team = await work.session.get_one(Organisation, row.organisation_id)
    person = await work.session.get_one(Person, row.person_id)
    about = {"team": team.names, "team_id": team.id, "name": person.name, "person_id": person.id}
    leaders = await access.holders(work, Right.PLAN_DUTY, team.id)
    told = {*leaders, row.invited_by_id or 0} - {work.person.id, 0}
    await delivery.tell(work, Post(template, about, kind=KIND), told)


# Posts and people


async def give_post(work: Work, team_id: int, person_id: int, post_id: int | None) -> None:
    """Puts a member on a post, or with None on no post any more.

    Raises Gone, NotAllowed, Refusal("team_lacks") for somebody without what the post requires.
    """
    team = await led(work, team_id)
    await organisations.require_open(work, team_id)
    if not await _belongs(work, team, person_id):
        raise Gone
    row = await _row(work, team_id, person_id)
    found = None
    if post_id is not None:
        found, _ = await post(work, post_id)
        if found.organisation_id != team_id:
            raise Gone
        missing = await lacking(work, found, person_id)
        if missing:
            person = await work.session.get_one(Person, person_id)
            raise Refusal("team_lacks", name=person.name, post=found.names, missing=missing)
    if row is None:
        row = await _add(work, team_id, person_id, MemberState.ACTIVE)
    elif row.state is MemberState.INVITED:
        row.state, row.since = MemberState.ACTIVE, work.now
    if row.post_id == post_id:
        return
    row.post_id = post_id
    await work.session.flush()
    audit.note(work, "team.posted", f"person:{person_id}", organisation_id=team_id, post=post_id)
    about = {"team": team.names, "team_id": team_id, "post": found.names if found else None}
    if person_id != work.person.id:
        await delivery.tell(work, Post("teams/posted", about, kind=KIND), [person_id])


async def remove(work: Work, team_id: int, person_id: int) -> None:
    """A leader takes somebody off the team, or their invitation back; its link opens nothing more.

    Raises Gone, NotAllowed, Refusal("team_home") for who is registered in it.
    """
    team = await led(work, team_id)
    row = await _leave(work, team, person_id)
    await _drop_link(work, team_id)
    audit.note(work, "team.removed", f"person:{person_id}", organisation_id=team_id)
    if person_id != work.person.id and row.since is not None:
        about = {"team": team.names}
        await delivery.tell(work, Post("teams/removed", about, kind=KIND), [person_id])


async def leave(work: Work, team_id: int) -> Organisation:
    """The actor leaves on their own; turns on duty that they had show as gaps.

    Raises Gone, Refusal("team_home").
    """
    team = await _team(work, team_id)
    row = await _leave(work, team, work.person.id)
    audit.note(work, "team.left", f"person:{work.person.id}", organisation_id=team_id)
    await _tell_leaders(work, row, "teams/left")
    return team


async def _leave(work: Work, team: Organisation, person_id: int) -> TeamMember:
    person = await work.session.get(Person, person_id)
    row = await _row(work, team.id, person_id)
    if person is not None and await is_at_home(work, team, person):
        raise Refusal("team_home")
    if row is None:
        raise Gone
    await _become(work, row, row.state, state=MemberState.LEFT, until=work.now, post_id=None)
    return row


async def dissolve(work: Work, team: Organisation) -> None:
    """Nobody is in a team that was closed, or can join it any more; who was is told."""
    await _drop_link(work, team.id)
    left = await work.session.execute(
        update(TeamMember)
        .where(TeamMember.organisation_id == team.id, TeamMember.state.in_(STANDS))
        .values(state=MemberState.LEFT, until=work.now, post_id=None)
        .returning(TeamMember.person_id, TeamMember.since)
        .execution_options(synchronize_session=False)
    )
    people = {person_id for person_id, since in left if since is not None}
    message = Post("teams/removed", {"team": team.names}, kind=KIND)
    await delivery.tell(work, message, people - {work.person.id})


async def is_at_home(work: Work, team: Organisation, person: Person) -> bool:
    """Whether they are registered in the team itself, which they leave by moving."""
    inside = select(Organisation.id).where(
        Organisation.id == person.organisation_id, organisations.within(team.path)
    )
    return await work.session.scalar(inside) is not None


async def invited(work: Work, team_id: int) -> list[tuple[TeamMember, str]]:
    """Who has been invited and has not answered, with their names; for leaders."""
    rows = await work.session.execute(
        select(TeamMember, Person.name)
        .join(Person, Person.id == TeamMember.person_id)
        .where(TeamMember.organisation_id == team_id, TeamMember.state == MemberState.INVITED)
        .order_by(TeamMember.invited_at)
    )
    return [(row, name) for row, name in rows]


async def sizes(work: Work, teams: Iterable[int]) -> dict[int, tuple[int, int]]:
    """For each team how many posts are to be filled, and how many people hold one."""
    keys = list(teams)
    wanted = await work.session.execute(
        select(TeamPost.organisation_id, func.sum(TeamPost.wanted))
        .where(TeamPost.organisation_id.in_(keys), TeamPost.removed_at.is_(None))
        .group_by(TeamPost.organisation_id)
    )
    filled = await work.session.execute(
        select(TeamMember.organisation_id, func.count())
        .where(TeamMember.organisation_id.in_(keys), mates.STANDS, _HOLDS)
        .group_by(TeamMember.organisation_id)
    )
    held: dict[int, int] = dict(filled.all())
    needed: dict[int, int] = {key: int(number) for key, number in wanted}
    return {key: (needed.get(key, 0), held.get(key, 0)) for key in keys}


_HOLDS: ColumnElement[bool] = TeamMember.post_id.is_not(None)


# Personal data


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    return {
        "teams": select(TeamMember).where(TeamMember.person_id == person_id),
        "drill_tasks": select(DrillTask).where(DrillTask.person_id == person_id),
        "equipment_checks": select(EquipmentCheck).where(EquipmentCheck.person_id == person_id),
    }


async def forget_person(work: Work, person_id: int) -> None:
    """They are in no team any more; what they were to mend is the leaders'."""
    session = work.session
    await session.execute(delete(TeamMember).where(TeamMember.person_id == person_id))
    await session.execute(
        update(DrillTask).where(DrillTask.person_id == person_id).values(person_id=None)
    )
    await session.execute(
        update(EquipmentCheck).where(EquipmentCheck.person_id == person_id).values(person_id=None)
    )
