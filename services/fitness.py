"""How ready a rescue team is: for each post who could be called now, and what the others lack."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select

from models import (
    Callout,
    CalloutState,
    Organisation,
    Person,
    PersonSkill,
    Qualification,
    QualificationKind,
    QualificationState,
    Readiness,
    Response,
    ResponseState,
    Skill,
    Standing,
    TeamMember,
    TeamPost,
    Trait,
)
from services import audit, delivery, duty, mates, teams, terms
from services.crews import posts_of
from services.delivery import Post
from services.errors import Gone
from services.readiness import WARNED
from services.work import Work

SHOWN = 500
"""Members that one list reads at most."""
THEIRS_TO_MEND = frozenset(
    {"not_agreed", "paused", "no_place", "document", "expired", "skill", "expires", "unconfirmed"}
)
"""What somebody can put right themselves, so that they are asked to."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What somebody lacks: left, young, not_agreed, paused, unreachable, no_place, resting,
    engaged, document, expired or skill; or what will soon be lacking: expires, unconfirmed."""

    what: str
    names: dict[str, str] | None = None
    """Of a document or a skill."""
    day: date | None = None
    """Until when a document is or was valid."""

    def shown(self) -> dict[str, Any]:
        return {"what": self.what, "names": self.names, "day": self.day}


@dataclass(frozen=True, slots=True)
class Mate:
    """Somebody in a team."""

    person: Person
    post_id: int | None
    lacks: list[Lack]
    """Any of which keeps them from being called now."""
    soon: list[Lack]
    on_duty: bool

    @property
    def ready(self) -> bool:
        return not self.lacks

    def asked_for(self) -> list[Lack]:
        return [one for one in (*self.lacks, *self.soon) if one.what in THEIRS_TO_MEND]

    def shown(self, work: Work, *, whole: bool) -> dict[str, Any]:
        """What they lack is for leaders and themselves."""
        mine = work.actor is not None and self.person.id == work.actor.id
        return {
            "person_id": self.person.id,
            "name": self.person.name,
            "mine": mine,
            "post_id": self.post_id,
            "ready": self.ready,
            "on_duty": self.on_duty,
            "lacks": [one.shown() for one in self.lacks] if whole or mine else [],
            "soon": [one.shown() for one in self.soon] if whole or mine else [],
        }


# Who is ready


async def of_team(work: Work, team: Organisation, *which: ColumnElement[bool]) -> list[Mate]:
    """Everybody in a team, by name."""
    resting, engaged = _is_resting(work), _is_engaged()
    rows = await work.session.execute(
        select(Person, TeamMember.post_id, Trait, Readiness, resting, engaged)
        .outerjoin(
            TeamMember,
            and_(
                TeamMember.person_id == Person.id,
                TeamMember.organisation_id == team.id,
                mates.STANDS,
            ),
        )
        .outerjoin(Trait, Trait.person_id == Person.id)
        .outerjoin(Readiness, Readiness.person_id == Person.id)
        .where(
            mates.belongs(team),
            or_(Person.standing == Standing.ACTIVE, TeamMember.id.is_not(None)),
            *which,
        )
        .order_by(Person.name_search, Person.id)
        .limit(SHOWN)
    )
    found = rows.all()
    posts = {one.id: one for one in await posts_of(work, team.id)}
    papers = await Papers.of(work, posts.values(), [row[0].id for row in found])
    on_duty = await duty.on_duty(work)
    return [
        Mate(
            person,
            post_id,
            [
                *_unfit(work, person, trait, resting=bool(rests), engaged=bool(busy)),
                *papers.lacks(posts.get(post_id or 0), person.id, work.today),
            ],
            [
                *papers.expiring(posts.get(post_id or 0), person.id, work.today),
                *_unconfirmed(readiness),
            ],
            person.id in on_duty,
        )
        for person, post_id, trait, readiness, rests, busy in found
    ]


def _is_resting(work: Work) -> ColumnElement[bool]:
    return exists().where(Response.person_id == Person.id, Response.rests_until > work.now)


def _is_engaged() -> ColumnElement[bool]:
    return exists(
        select(Response.person_id)
        .join(Callout, Callout.id == Response.callout_id)
        .where(
            Response.person_id == Person.id,
            Callout.state == CalloutState.ACTIVE,
            Response.state.in_((ResponseState.COMING, ResponseState.ON_SCENE)),
        )
    )


def _unfit(
    work: Work, person: Person, trait: Trait | None, *, resting: bool, engaged: bool
) -> list[Lack]:
    why = duty.why_unfit(work, person, work.now, belongs=True)
    if why == "left":
        return [Lack(why)]
    found = {
        why: why is not None,
        "unreachable": trait is None or not trait.reachable,
        "no_place": person.latitude is None,
        "resting": resting,
        "engaged": engaged,
    }
    return [Lack(str(what)) for what, lacks in found.items() if lacks]


def _unconfirmed(row: Readiness | None) -> list[Lack]:
    """They were asked twice whether they are still ready, and have not answered."""
    return [Lack("unconfirmed")] if row is not None and row.ask_at is None else []


@dataclass(frozen=True, slots=True)
class Papers:
    """The documents and skills of some people, as far as some posts require them."""

    documents: dict[tuple[int, int], date | None]
    """By person and kind, verified ones: until when they are valid."""
    skills: set[tuple[int, int]]
    kinds: dict[int, dict[str, str]]
    skill_names: dict[int, dict[str, str]]

    @classmethod
    async def of(cls, work: Work, posts: Iterable[TeamPost], people: Sequence[int]) -> "Papers":
        asked = list(posts)
        kinds = sorted({key for one in asked for key in one.qualifications})
        skills = sorted({key for one in asked for key in one.skills})
        documents = await work.session.execute(
            select(Qualification.person_id, Qualification.kind_id, Qualification.expires_on).where(
                Qualification.person_id.in_(people),
                Qualification.kind_id.in_(kinds),
                Qualification.state == QualificationState.VERIFIED,
            )
        )
        able = await work.session.execute(
            select(PersonSkill.person_id, PersonSkill.skill_id).where(
                PersonSkill.person_id.in_(people), PersonSkill.skill_id.in_(skills)
            )
        )
        session = work.session
        return cls(
            {(person, kind): until for person, kind, until in documents},
            {(person, skill) for person, skill in able},
            {one.id: one.names for one in await terms.by_keys(session, QualificationKind, kinds)},
            {one.id: one.names for one in await terms.by_keys(session, Skill, skills)},
        )

    def lacks(self, post: TeamPost | None, person_id: int, day: date) -> list[Lack]:
        """What somebody lacks for a post on a day."""
        if post is None:
            return []
        found = []
        for kind in post.qualifications:
            if (person_id, kind) not in self.documents:
                found.append(Lack("document", self.kinds.get(kind)))
            elif (until := self.documents[person_id, kind]) is not None and until < day:
                found.append(Lack("expired", self.kinds.get(kind), until))
        found += [
            Lack("skill", self.skill_names.get(skill))
            for skill in post.skills
            if (person_id, skill) not in self.skills
        ]
        return found

    def expiring(self, post: TeamPost | None, person_id: int, day: date) -> list[Lack]:
        """Documents that a post requires and that are valid, but not for long."""
        held = [
            (kind, self.documents.get((person_id, kind)))
            for kind in (post.qualifications if post else ())
        ]
        return [
            Lack("expires", self.kinds.get(kind), until)
            for kind, until in held
            if until is not None and day <= until <= day + timedelta(days=max(WARNED))
        ]


# What is shown


async def overview(work: Work, team_id: int) -> dict[str, Any]:
    """A team by its posts, for its leaders and members. Raises Gone, NotAllowed."""
    team, leads = await teams.seen(work, team_id)
    everyone = await of_team(work, team)
    posts = await posts_of(work, team_id)
    papers = await Papers.of(work, posts, [])
    return {
        "team_id": team.id,
        "team": team.names,
        "leads": leads,
        "posts": [
            _post(work, one, papers, [mate for mate in everyone if mate.post_id == one.id], leads)
            for one in posts
        ],
        "others": [mate.shown(work, whole=leads) for mate in everyone if mate.post_id is None],
        "count": len(everyone),
        "ready": sum(mate.ready for mate in everyone),
        "concerned": sum(bool(mate.asked_for()) for mate in everyone),
        "me": next(
            (one.shown(work, whole=True) for one in everyone if one.person.id == work.person.id),
            None,
        ),
    }


def _post(
    work: Work, post: TeamPost, papers: Papers, holders: Sequence[Mate], leads: bool
) -> dict[str, Any]:
    return {
        "id": post.id,
        "names": post.names,
        "wanted": post.wanted,
        "on_duty": post.on_duty,
        "filled": len(holders),
        "ready": sum(mate.ready for mate in holders),
        "requires": [
            *(papers.kinds[key] for key in post.qualifications if key in papers.kinds),
            *(papers.skill_names[key] for key in post.skills if key in papers.skill_names),
        ],
        "people": [mate.shown(work, whole=leads) for mate in holders],
    }


async def member(work: Work, team_id: int, person_id: int) -> dict[str, Any]:
    """Somebody in a team, for its leaders, with the posts that they could fill.

    Raises Gone, NotAllowed.
    """
    team = await teams.led(work, team_id)
    found = await of_team(work, team, Person.id == person_id)
    posts = await posts_of(work, team_id)
    papers = await Papers.of(work, posts, [person_id])
    row = next(iter(found), None)
    names = {one.id: one.names for one in posts}
    about = {"team_id": team.id, "team": team.names, "invited": row is None}
    if row is None:
        waiting = {one.person_id: name for one, name in await teams.invited(work, team_id)}
        if person_id not in waiting:
            raise Gone
        return {**about, "person_id": person_id, "name": waiting[person_id]}
    return {
        **about,
        **row.shown(work, whole=True),
        "post": names.get(row.post_id or 0),
        "posts": [
            {
                "id": one.id,
                "names": one.names,
                "fits": not papers.lacks(one, person_id, work.today),
            }
            for one in posts
            if one.id != row.post_id
        ],
        "at_home": await teams.is_at_home(work, team, row.person),
    }


# Asking to put it right


async def ask(work: Work, team_id: int) -> int:
    """Everybody is asked for what they lack, at most once a day; answers how many.

    Raises Gone, NotAllowed.
    """
    team = await teams.led(work, team_id)
    concerned = [mate for mate in await of_team(work, team) if mate.asked_for()]
    for mate in concerned:
        about = {
            "team": team.names,
            "name": work.person.name,
            "lacks": [one.shown() for one in mate.asked_for()],
        }
        post = Post(
            "teams/asked", about, kind=teams.KIND, dedupe=f"team_ask:{team.id}:{work.today}"
        )
        await delivery.tell(work, post, [mate.person.id])
    audit.note(
        work, "team.asked", f"organisation:{team.id}", organisation_id=team.id,
        count=len(concerned),
    )  # fmt: skip
    return len(concerned)
