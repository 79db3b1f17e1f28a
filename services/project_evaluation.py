"""How well a project did: its leader, those whom it served, and reviewers score its indicators.

The score of one voice is the mean of what its people gave each indicator, from 1 to 5, weighted by
how much the indicators count. The score of the project is the mean of the voices that spoke,
weighted by the shares that the city gives them (`project_leader_share` and so on in the policy), so
that a thousand recipients outweigh nobody. Recipients stay nameless.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from models import (
    Indicator,
    Project,
    ProjectEvaluation,
    ProjectScore,
    ProjectState,
    ProjectVoice,
)
from models.sealed import keyring
from services import delivery, lengths, project_review, projects
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.projects import KIND, hold, in_short, led, move, seen
from services.work import Work

BEST = 5
WORDS = (2, 800)
"""Characters of what leader and reviewers say."""
LONGEST_ANSWER = 500
"""Characters of what a recipient may add."""
SIGNATURE = 20
NONCE_BYTES = 6
EVALUATING = (ProjectState.EVALUATING,)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one voice gave."""

    people: int
    scores: Mapping[int, float]
    """Indicator -> mean."""
    score: float


@dataclass(frozen=True, slots=True)
class Outcome:
    voices: dict[ProjectVoice, Opinion] = field(default_factory=dict)
    words: list[tuple[ProjectVoice, str]] = field(default_factory=list)

    def score(self, shares: Mapping[ProjectVoice, int]) -> float | None:
        """Of the whole; None as long as nobody has spoken."""
        total = sum(shares[voice] for voice in self.voices)
        if not total:
            return None
        return sum(shares[voice] * one.score for voice, one in self.voices.items()) / total


def shares(work: Work) -> dict[ProjectVoice, int]:
    return {
        ProjectVoice.LEADER: work.policy.project_leader_share,
        ProjectVoice.RECIPIENT: work.policy.project_recipients_share,
        ProjectVoice.REVIEWER: work.policy.project_reviewers_share,
    }


# Steps


async def begin(work: Work, project_id: int) -> Project:
    """Its leader ends the work; from now on it is evaluated. Raises Gone, NotAllowed, Refusal."""
    project = await led(work, project_id)
    running = (ProjectState.RUNNING,)
    await move(work, project, running, ProjectState.EVALUATING, evaluating_at=work.now)
    projects.note(work, "project.evaluating", project)
    reviewers = await project_review.reviewers_of(work, project)
    post = Post("projects/to_evaluate", in_short(project), kind=KIND)
    await delivery.tell(work, post, reviewers)
    return project


async def check_open(work: Work, project_id: int) -> ProjectVoice:
    """As which voice the actor evaluates it now. Raises Gone, NotAllowed or Refusal."""
    project, rights = await seen(work, project_id)
    if not rights.lead and not rights.review:
        raise NotAllowed
    if project.state is not ProjectState.EVALUATING:
        raise Refusal("project_moved_on", state=project.state.value)
    return ProjectVoice.LEADER if rights.lead else ProjectVoice.REVIEWER


async def evaluate(work: Work, project_id: int, scores: Mapping[int, int], words: str) -> Project:
    """The actor's own opinion, as leader or as reviewer; a later one takes its place.

    The leader's words are the project's results. Raises Gone, NotAllowed or Refusal.
    """
    voice = await check_open(work, project_id)
    lengths.check("words", words, WORDS)
    project = await projects.get(work, project_id)
    leads = voice is ProjectVoice.LEADER
    values = {"results": words} if leads else {}
    await hold(work, project, EVALUATING, **values)
    once = "leader" if leads else f"reviewer:{work.person.id}"
    await projects.drop_opinion(work, project_id, once)
    opinion = ProjectEvaluation(
        project_id=project_id, voice=voice, person_id=work.person.id, once=once, words=words,
        at=work.now,
    )  # fmt: skip
    await _keep(work, opinion, scores)
    return project


async def _keep(work: Work, opinion: ProjectEvaluation, scores: Mapping[int, int]) -> None:
    """Raises Gone for scores that are not of this project, or not all of them."""
    wanted = {one.id for one in await projects.indicators_of(work, opinion.project_id)}
    if set(scores) != wanted or not all(1 <= score <= BEST for score in scores.values()):
        raise Gone
    work.session.add(opinion)
    await work.session.flush()
    work.session.add_all(
        ProjectScore(evaluation_id=opinion.id, indicator_id=key, score=score)
        for key, score in scores.items()
    )
    await work.session.flush()


async def close(work: Work, project_id: int) -> Project:
    """A reviewer ends it, once its leader and a reviewer have evaluated it.

    Raises Gone, NotAllowed or Refusal.
    """
    project = await project_review.to_decide(work, project_id)
    spoke = set(
        await work.session.scalars(
            select(ProjectEvaluation.voice).where(ProjectEvaluation.project_id == project_id)
        )
    )
    for voice in (ProjectVoice.LEADER, ProjectVoice.REVIEWER):
        if project.state is ProjectState.EVALUATING and voice not in spoke:
            raise Refusal("project_not_evaluated", voice=voice.value)
    await move(work, project, EVALUATING, ProjectState.CLOSED, closed_at=work.now)
    projects.note(work, "project.closed", project)
    if project.leader_id is not None:
        post = Post("projects/closed", in_short(project), kind=KIND)
        await delivery.tell(work, post, [project.leader_id])
    return project


# By a link, without a name


def link(project_id: int) -> str:
    """The end of the link, or code on a poster, at which every browser may answer once."""
    return f"{project_id}-{_sign(project_id, '')}"


def personal_link(project_id: int) -> str:
    """The end of a link for one person, which takes one answer, whatever the browser."""
    nonce = secrets.token_hex(NONCE_BYTES)
    return f"{project_id}-{nonce}-{_sign(project_id, nonce)}"


def _sign(project_id: int, nonce: str) -> str:
    return keyring().sign(_signed(project_id, nonce), SIGNATURE)


def _signed(project_id: int, nonce: str) -> str:
    return f"evaluate:{project_id}:{nonce}"


def read(token: str) -> tuple[int, str]:
    """The project, and what tells a personal link from others. Raises Gone for a forged one."""
    number, _, rest = token.partition("-")
    nonce, _, signature = rest.rpartition("-")
    if not number.isascii() or not number.isdecimal() or len(number) > 18:
        raise Gone
    if not keyring().has_signed(_signed(int(number), nonce), SIGNATURE, signature):
        raise Gone
    return int(number), nonce


async def asked(work: Work, token: str, browser: str) -> tuple[Project, list[Indicator]]:
    """What a recipient is asked about. Raises Gone, Refusal once it is over or answered."""
    project_id, nonce = read(token)
    project = await projects.get(work, project_id)
    if project.state is not ProjectState.EVALUATING:
        raise Refusal("project_evaluation_over")
    known = select(ProjectEvaluation.id).where(
        ProjectEvaluation.project_id == project_id,
        ProjectEvaluation.once == _once(nonce, browser),
    )
    if await work.session.scalar(known) is not None:
        raise Refusal("project_evaluated_already")
    return project, await projects.indicators_of(work, project_id)


def _once(nonce: str, browser: str) -> str:
    return keyring().lasting(f"link:{nonce}" if nonce else f"browser:{browser}")


async def answer(
    work: Work, token: str, browser: str, scores: Mapping[int, int], words: str
) -> None:
    """A recipient's opinion: one of each browser or, by a personal link, of each link.

    Raises Gone, Refusal.
    """
    project, _ = await asked(work, token, browser)
    if len(words) > LONGEST_ANSWER:
        raise Refusal("form_too_long", most=LONGEST_ANSWER, length=len(words))
    await hold(work, project, EVALUATING)
    _, nonce = read(token)
    opinion = ProjectEvaluation(
        project_id=project.id,
        voice=ProjectVoice.RECIPIENT,
        once=_once(nonce, browser),
        words=words,
        at=work.now,
    )
    try:
        async with work.session.begin_nested():
            await _keep(work, opinion, scores)
    except IntegrityError:
        raise Refusal("project_evaluated_already") from None


# What came of it


async def outcome(work: Work, project_id: int) -> Outcome:
    """All opinions together."""
    found = Outcome()
    rows = await work.session.execute(
        select(
            ProjectEvaluation.voice,
            ProjectScore.indicator_id,
            func.avg(ProjectScore.score),
            func.count(),
        )
        .join(ProjectScore, ProjectScore.evaluation_id == ProjectEvaluation.id)
        .where(ProjectEvaluation.project_id == project_id)
        .group_by(ProjectEvaluation.voice, ProjectScore.indicator_id)
    )
    weights = {one.id: one.weight for one in await projects.indicators_of(work, project_id)}
    means: dict[ProjectVoice, dict[int, float]] = {}
    people: dict[ProjectVoice, int] = {}
    for voice, indicator_id, mean, count in rows:
        means.setdefault(voice, {})[indicator_id] = float(mean)
        people[voice] = count
    for voice in ProjectVoice:
        if voice in means:
            opinion = Opinion(people[voice], means[voice], weighted(means[voice], weights))
            found.voices[voice] = opinion
    said = await work.session.execute(
        select(ProjectEvaluation.voice, ProjectEvaluation.words)
        .where(ProjectEvaluation.project_id == project_id, ProjectEvaluation.words != "")
        .order_by(ProjectEvaluation.id.desc())
        .limit(50)
    )
    found.words.extend((row[0], row[1]) for row in said)
    return found


async def published(work: Work, project: Project) -> Outcome:
    """What everybody may know of it: nothing until the project is closed."""
    closed = project.state is ProjectState.CLOSED
    return await outcome(work, project.id) if closed else Outcome()


def weighted(means: Mapping[int, float], weights: Mapping[int, int]) -> float:
    """The mean of the indicators' means by their weights."""
    total = sum(weights[key] for key in means)
    return sum(weights[key] * mean for key, mean in means.items()) / total
