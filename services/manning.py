"""The turns on duty of a rescue team by its posts: in which of them a required post is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from models import Duty, Organisation, TeamMember, TeamPost
from services import delivery, duty, mates
from services.crews import posts_of
from services.delivery import Post
from services.duty import Line
from services.fitness import Papers
from services.work import Work


@dataclass(frozen=True, slots=True)
class Gap:
    """A turn in which fewer of a post are on duty than it requires."""

    starts_at: datetime
    ends_at: datetime
    post: TeamPost
    missing: int

    def shown(self) -> dict[str, Any]:
        return {
            "starts_at": self.starts_at,
            "ends_at": self.ends_at,
            "post": self.post.names,
            "missing": self.missing,
        }


async def gaps(work: Work, team_id: int) -> list[Gap]:
    """Of the turns that the rota has for the next days, by time.

    Who counts for a post holds it, can be counted on, and has its documents on that day.
    """
    posts = [one for one in await posts_of(work, team_id) if one.on_duty]
    if not posts:
        return []
    near = await duty.lines(
        work,
        Duty.organisation_id == team_id,
        Duty.ends_at > work.now,
        Duty.starts_at < work.now + duty.AHEAD,
    )
    holders = await work.session.execute(
        select(TeamMember.person_id, TeamMember.post_id).where(
            TeamMember.organisation_id == team_id, mates.STANDS
        )
    )
    held: dict[int, int | None] = dict(holders.all())
    papers = await Papers.of(work, posts, list(held))
    slots = sorted({(line.duty.starts_at, line.duty.ends_at) for line in near})
    return [
        Gap(*slot, post, post.on_duty - there)
        for slot in slots
        for post in posts
        if (there := _there(work, near, held, papers, post, slot=slot)) < post.on_duty
    ]


def _there(
    work: Work,
    near: Sequence[Line],
    held: dict[int, int | None],
    papers: Papers,
    post: TeamPost,
    *,
    slot: tuple[datetime, datetime],
) -> int:
    """How many of a post are there for the whole of a turn."""
    starts_at, ends_at = slot
    day = max(starts_at, work.now).astimezone(work.policy.zone).date()
    counted = {
        line.person.id
        for line in near
        if line.duty.starts_at <= starts_at
        and line.duty.ends_at >= ends_at
        and line.gap(work.now) is None
        and held.get(line.person.id) == post.id
        and not papers.lacks(post, line.person.id, day)
    }
    return len(counted)


async def report(work: Work) -> int:
    """Sweep: the leaders hear once of a turn within a day in which a post is missing."""
    asked = select(TeamPost.organisation_id).where(
        TeamPost.on_duty > 0, TeamPost.removed_at.is_(None)
    )
    found = await work.session.scalars(
        select(Organisation).where(Organisation.id.in_(asked)).order_by(Organisation.id)
    )
    told = 0
    for team in found.all():
        for gap in await gaps(work, team.id):
            if gap.starts_at > work.now + duty.SOON:
                continue
            dedupe = f"post_gap:{gap.post.id}:{gap.starts_at:%Y%m%d%H%M}"
            if await work.session.scalar(delivery.posted(work, dedupe)):
                continue
            about = {"team": team.names, "team_id": team.id, **gap.shown()}
            post = Post(
                "teams/post_gap", about, kind=duty.KIND, expires_at=gap.ends_at, dedupe=dedupe
            )
            await delivery.tell(work, post, await duty.leaders(work, team.id))
            told += 1
    return told
