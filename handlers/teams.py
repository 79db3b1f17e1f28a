"""Rescue teams: who is ready, posts, members, inviting, joining and leaving; calling one out."""

from typing import Any

from handlers import declaring, forms, options
from handlers.fields import Asked, Field, Number, Option, Pick, PickMany, Text
from handlers.forms import Filled, Form, register, start
from handlers.replies import Reply, Show, Toast, parts_of
from handlers.routes import Audience, button, command, link
from handlers.turns import Turn
from models import Organisation, QualificationKind, Skill
from services import access, codes, drills, fitness, manning, mates, stores, teams, terms
from services.access import Right
from services.errors import Refusal
from services.finding import search_key
from services.formats import named
from services.teams import Wanted

PAGE = 10


@command("team", menu=Audience.EVERYONE)
@button("team")
async def show_teams(turn: Turn, page: int = 0) -> Reply:
    """The teams of theirs, and those that they lead; the only one at once."""
    await forms.set_aside(turn)
    mine, led = await mates.teams_of(turn.work), await teams.led_ones(turn.work)
    every = {one.id: one for one in (*mine, *led)}
    if len(every) == 1:
        return await show_team(turn, next(iter(every)))
    found = list(every.values())
    pages = max(1, -(-len(found) // PAGE))
    page = min(page, pages - 1)
    return Show(
        "teams/all",
        {
            "teams": [
                {"id": one.id, "names": one.names} for one in found[page * PAGE : (page + 1) * PAGE]
            ],
            "page": page,
            "pages": pages,
        },
    )


@button("team.show")
async def show_team(turn: Turn, team_id: int) -> Reply:
    await forms.set_aside(turn)
    return await _team(turn, team_id)


async def _team(turn: Turn, team_id: int) -> Show:
    """What needs somebody's eye, and for members what is theirs."""
    work = turn.work
    shown = await fitness.overview(work, team_id)
    tasks = await drills.tasks(work, team_id, drills.OPEN)
    return Show(
        "teams/team",
        {
            **shown,
            "tasks": [one for one in tasks if shown["leads"] or one["mine"]],
            "due": await stores.due_count(work, team_id),
            "gaps": [one.shown() for one in await manning.gaps(work, team_id)],
            "invited": len(await teams.invited(work, team_id)),
            "commands": Right.LAUNCH_CALLOUTS in await access.rights(work),
        },
    )


@button("team.ready", reads=True)
async def show_ready(turn: Turn, team_id: int, page: int = 0) -> Reply:
    """Everybody by posts, with what they lack."""
    shown = await fitness.overview(turn.work, team_id)
    people = [one for post in shown["posts"] for one in post["people"]] + shown["others"]
    pages = max(1, -(-len(people) // PAGE))
    page = min(page, pages - 1)
    return Show(
        "teams/ready",
        {
            **shown,
            "page": page,
            "pages": pages,
            "people": people[page * PAGE : (page + 1) * PAGE],
            "names": {one["id"]: one["names"] for one in shown["posts"]},
            "invited": [
                {"person_id": row.person_id, "name": name}
                for row, name in await teams.invited(turn.work, team_id)
                if shown["leads"]
            ],
        },
    )


@button("team.ask")
async def ask(turn: Turn, team_id: int) -> Reply:
    count = await fitness.ask(turn.work, team_id)
    return [Toast("teams/asked_them", {"count": count}), *parts_of(await _team(turn, team_id))]


# Members


@button("team.member", reads=True)
async def show_member(turn: Turn, team_id: int, person_id: int) -> Reply:
    return await _member(turn, team_id, person_id)


async def _member(turn: Turn, team_id: int, person_id: int) -> Show:
    return Show("teams/member", await fitness.member(turn.work, team_id, person_id))


@button("team.give")
async def give_post(turn: Turn, team_id: int, person_id: int, post_id: int) -> Reply:
    await teams.give_post(turn.work, team_id, person_id, post_id or None)
    return [Toast("teams/given"), *parts_of(await _member(turn, team_id, person_id))]


@button("team.off", reads=True)
async def ask_remove(turn: Turn, team_id: int, person_id: int) -> Reply:
    return Show("teams/remove", await fitness.member(turn.work, team_id, person_id))


@button("team.off.yes")
async def remove(turn: Turn, team_id: int, person_id: int) -> Reply:
    await teams.remove(turn.work, team_id, person_id)
    return await show_ready(turn, team_id)


# Inviting and joining


@button("team.invite")
async def ask_whom(turn: Turn, team_id: int) -> Reply:
    await teams.led(turn.work, team_id)
    return await start(turn, INVITE, subject_id=team_id, answers={})


async def _candidates(turn: Turn, filled: Filled) -> Reply:
    """Each button carries a proof that its person was found by somebody who may know of them."""
    team_id = filled.subject_id or 0
    found = await teams.candidates(turn.work, team_id, filled["typed"])
    if not found:
        raise Refusal("team_nobody_found", typed=filled["typed"])
    keys = {one.id: codes.found(team_id, one.id) for one in found}
    return Show("teams/candidates", {"people": found, "team_id": team_id, "keys": keys})


INVITE = register(Form("team_invite", (Field("typed", Text(most=40)),), _candidates))


@button("team.ask_in")
async def invite(turn: Turn, team_id: int, person_id: int, key: str) -> Reply:
    known = codes.is_found(team_id, person_id, key)
    row = await teams.invite(turn.work, team_id, person_id, known=known)
    shown = await show_ready(turn, team_id)
    about = {"joined": row.since is not None}
    return [Toast("teams/invitation_sent", about), *parts_of(shown)]


@button("team.link")
async def make_link(turn: Turn, team_id: int) -> Reply:
    code, team = await teams.new_link(turn.work, team_id)
    about = {
        "team": team.names,
        "team_id": team.id,
        "link": turn.around.link(f"team-{code}"),
        "days": teams.LINK_LASTS.days,
    }
    return Show("teams/link", about)


@link("team")
async def open_link(turn: Turn, code: str) -> Reply:
    team = await teams.behind(turn.work, code)
    return Show("teams/by_link", {"team": team.names, "code": code})


@button("team.by_link")
async def join_by_link(turn: Turn, code: str) -> Reply:
    row = await teams.join_by_link(turn.work, code)
    return [Toast("teams/welcome"), *parts_of(await _team(turn, row.organisation_id))]


@button("team.join")
async def join(turn: Turn, member_id: int) -> Reply:
    row = await teams.accept(turn.work, member_id)
    return [Toast("teams/welcome"), *parts_of(await _team(turn, row.organisation_id))]


@button("team.decline")
async def decline(turn: Turn, member_id: int) -> Reply:
    await teams.decline(turn.work, member_id)
    return Show("teams/declined_thanks")


@button("team.leave", reads=True)
async def ask_leave(turn: Turn, team_id: int) -> Reply:
    team, _ = await teams.seen(turn.work, team_id)
    return Show("teams/leave", {"team": team.names, "team_id": team.id})


@button("team.leave.yes")
async def leave(turn: Turn, team_id: int) -> Reply:
    team = await teams.leave(turn.work, team_id)
    return Show("teams/left_now", {"team": team.names})


# Posts


async def own_teams(asked: Asked) -> list[Option]:
    """Those that the person leads; the forms about a team begin with it answered."""
    found = await teams.led_ones(asked.turn.work)
    return [Option(one.id, one.names, search_key(one.names)) for one in found]


@button("team.posts")
async def show_posts(turn: Turn, team_id: int) -> Reply:
    await forms.set_aside(turn)
    return await _posts(turn, team_id)


async def _posts(turn: Turn, team_id: int) -> Show:
    await teams.led(turn.work, team_id)
    return Show("teams/posts", await fitness.overview(turn.work, team_id))


@button("team.post_new")
async def new_post(turn: Turn, team_id: int) -> Reply:
    await teams.led(turn.work, team_id)
    return await start(turn, POST, answers={"team": team_id})


@button("team.post")
async def change_post(turn: Turn, post_id: int) -> Reply:
    found, team = await teams.post(turn.work, post_id)
    answers = {
        "team": team.id,
        "name": named(found.names, turn.language),
        "wanted": found.wanted,
        "on_duty": found.on_duty,
        "qualifications": found.qualifications,
        "skills": found.skills,
    }
    return await start(turn, POST, subject_id=post_id, answers=answers, at=forms.SUMMARY)


@button("team.post_off")
async def remove_post(turn: Turn, post_id: int) -> Reply:
    team_id = await teams.remove_post(turn.work, post_id)
    return await _posts(turn, team_id)


def _wanted(filled: Filled) -> Wanted:
    return Wanted(
        filled["name"],
        filled["wanted"],
        filled.get("on_duty") or 0,
        filled.get("qualifications") or [],
        filled.get("skills") or [],
    )


async def _describe_post(turn: Turn, filled: Filled) -> dict[str, Any]:
    session = turn.work.session
    team = await session.get_one(Organisation, filled["team"])
    kinds = await terms.by_keys(session, QualificationKind, filled.get("qualifications") or [])
    skills = await terms.by_keys(session, Skill, filled.get("skills") or [])
    return {
        "team": team.names,
        "requires": [*(one.names for one in kinds), *(one.names for one in skills)],
        "post_id": filled.subject_id,
    }


async def _keep_post(turn: Turn, filled: Filled) -> Reply:
    if filled.subject_id is None:
        await teams.add_post(turn.work, filled["team"], _wanted(filled))
    else:
        await teams.change_post(turn.work, filled.subject_id, _wanted(filled))
    return [Toast("teams/kept"), *parts_of(await _posts(turn, filled["team"]))]


POST = register(
    Form(
        "team_post",
        (
            Field("team", Pick(own_teams)),
            Field("name", Text(most=teams.NAME_LENGTH)),
            Field("wanted", Number(1, teams.MOST_WANTED)),
            Field("qualifications", PickMany(options.qualification_kinds), optional=True),
            Field("skills", PickMany(options.skills), optional=True),
            Field("on_duty", Number(0, teams.MOST_WANTED), optional=True),
        ),
        _keep_post,
        _describe_post,
    )
)


# Calling it out


@button("team.call")
async def call_out(turn: Turn, team_id: int) -> Reply:
    """The form of a call-out, which asks this team by its posts."""
    return await declaring.begin_for(turn, team_id)
