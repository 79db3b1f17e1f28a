"""A rescue team by its posts, as a call-out asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from models import Organisation, OrganisationKind, Person, Standing, TeamMember, TeamPost
from services import mates
from services.work import Work


@dataclass(frozen=True, slots=True)
class Crew:
    """So many for a post, with what it requires; without a post, those who hold none."""

    quota: int
    post_id: int | None = None
    skills: Sequence[int] = ()
    qualifications: Sequence[int] = ()


async def posts_of(work: Work, organisation_id: int) -> list[TeamPost]:
    """The posts of a team in the order in which they were made."""
    found = await work.session.scalars(
        select(TeamPost)
        .where(TeamPost.organisation_id == organisation_id, TeamPost.removed_at.is_(None))
        .order_by(TeamPost.id)
    )
    return list(found)


async def of_team(work: Work, organisation_id: int) -> list[Crew]:
    """Its posts, then those without one; nothing for what is no rescue team or has nobody."""
    team = await work.session.get(Organisation, organisation_id)
    if team is None or team.kind is not OrganisationKind.RESCUE_TEAM:
        return []
    held = mates.joined(team.id).where(TeamMember.post_id.is_not(None))
    members = select(func.count(), func.count().filter(Person.id.not_in(held))).where(
        mates.belongs(team), Person.standing == Standing.ACTIVE
    )
    everyone, others = (await work.session.execute(members)).one()
    if not everyone:
        return []
    crews = [
        Crew(post.wanted, post.id, list(post.skills), list(post.qualifications))
        for post in await posts_of(work, organisation_id)
    ]
    return [*crews, Crew(others)] if others else crews
