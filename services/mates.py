"""Who is in a rescue team: those registered in it, and those who joined it beside their home."""

from typing import Any

from sqlalchemy import ColumnElement, Select, exists, or_, select

from models import MemberState, Need, Organisation, OrganisationKind, Person, TeamMember
from services import organisations
from services.work import Work

STANDS = TeamMember.state == MemberState.ACTIVE


def joined(organisation_id: Any) -> Select[int]:
    """Keys of those who are in a team by joining it, or who have a post in it."""
    return select(TeamMember.person_id).where(TeamMember.organisation_id == organisation_id, STANDS)


def belongs(team: Organisation) -> ColumnElement[bool]:
    """Whether a `Person` is in a team, or registered below the organisation that stands for one."""
    inside = select(Organisation.id).where(organisations.within(team.path))
    return or_(Person.organisation_id.in_(inside), Person.id.in_(joined(team.id)))


async def teams_of(work: Work) -> list[Organisation]:
    """The rescue teams to which the actor belongs."""
    mine = select(TeamMember.organisation_id).where(TeamMember.person_id == work.person.id, STANDS)
    found = await work.session.scalars(
        select(Organisation)
        .where(
            Organisation.kind == OrganisationKind.RESCUE_TEAM,
            or_(Organisation.id == work.person.organisation_id, Organisation.id.in_(mine)),
        )
        .order_by(Organisation.path)
    )
    return list(found)


async def called(work: Work, need: Need) -> list[int]:
    """Keys of those whom a team is called by this need: holders of its post, or who hold none."""
    team = await work.session.get_one(Organisation, need.team_id)
    holders = select(TeamMember.person_id).where(TeamMember.organisation_id == team.id, STANDS)
    if need.post_id is not None:
        found = holders.where(TeamMember.post_id == need.post_id)
    else:
        found = select(Person.id).where(
            belongs(team), Person.id.not_in(holders.where(TeamMember.post_id.is_not(None)))
        )
    return list(await work.session.scalars(found))


def is_in(person_id: Any, organisation_id: Any) -> ColumnElement[bool]:
    """Whether somebody has joined a team; both are columns."""
    return exists().where(
        TeamMember.person_id == person_id, TeamMember.organisation_id == organisation_id, STANDS
    )
