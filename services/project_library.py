"""What the library is for: a catalogue for everybody, projects that spread, and their sponsors."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, case, func, select, update
from sqlalchemy.exc import IntegrityError

from models import (
    Account,
    Organisation,
    OrganisationKind,
    Person,
    Project,
    ProjectState,
    Role,
    ServiceField,
    Sponsorship,
    SponsorshipState,
)
from services import access, delivery, lengths, listing, project_list, projects
from services.access import Right
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.listing import Slice
from services.project_list import Wanted
from services.projects import KIND, PUBLIC, hold, in_short, led
from services.work import Work

SEEKS = (2, 300)
OFFER = (2, 500)
NAME = (1, 60)
CONTACT = (5, 100)
ANSWER = (2, 500)
"""Characters of what is sought, offered and answered."""
PER_PAGE = 12
MOST_OPEN = 50
"""Offers to one project that wait for an answer; more is a flood."""


# The catalogue


async def catalogue(work: Work, wanted: Wanted, page: int, per_page: int = PER_PAGE) -> Slice[Any]:
    """Rows (project, organisation, field) of what anybody may read, brand projects first."""
    found = (
        select(Project, Organisation, ServiceField)
        .join(Organisation, Organisation.id == Project.organisation_id)
        .join(ServiceField, ServiceField.id == Project.field_id)
        .where(Project.state.in_(PUBLIC))
        .order_by(Project.brand_at.is_(None), Project.approved_at.desc(), Project.id.desc())
    )
    narrowed = await project_list.narrowed(work, found, wanted)
    return await listing.of(work, narrowed, page, per_page=per_page)


async def by_code(work: Work, code: str) -> Project:
    """A project of the catalogue. Raises Gone for any other."""
    return _public(await work.session.scalar(select(Project).where(Project.code == code)))


async def public(work: Work, project_id: int) -> Project:
    """The same by its key. Raises Gone."""
    return _public(await projects.get(work, project_id))


def _public(project: Project | None) -> Project:
    if project is None or project.state not in PUBLIC:
        raise Gone
    return project


# Of the federation


async def brand(work: Work, project_id: int, *, on: bool) -> Project:
    """Marks a brand project, or takes the mark back. Raises Gone, NotAllowed or Refusal."""
    project = await _kept(work, project_id)
    if (project.brand_at is not None) != on:
        values = {"brand_at": work.now if on else None}
        await hold(work, project, PUBLIC, **values)
        projects.note(work, "project.branded" if on else "project.unbranded", project)
        if on and project.leader_id is not None:
            post = Post("projects/branded", in_short(project), kind=KIND)
            await delivery.tell(work, post, [project.leader_id])
    return project


async def _kept(work: Work, project_id: int) -> Project:
    project = await public(work, project_id)
    if not await projects.may_keep_library(work):
        raise NotAllowed
    return project


async def promote(work: Work, project_id: int) -> int:
    """Recommends a project to all towns; answers how many of their coordinators are told.

    Raises Gone, NotAllowed or Refusal("project_promoted").
    """
    project = await _kept(work, project_id)
    done = await work.session.scalar(
        update(Project)
        .where(Project.id == project_id, Project.promoted_at.is_(None), Project.state.in_(PUBLIC))
        .values(promoted_at=work.now)
        .returning(Project.id)
        .execution_options(synchronize_session=False)
    )
    await work.session.refresh(project)
    if done is None:
        raise Refusal("project_promoted")
    projects.note(work, "project.promoted", project)
    home = await work.session.get_one(Organisation, project.organisation_id)
    told = {**in_short(project), "organisation": home.names, "serves": project.serves}
    post = Post("projects/promoted", told, kind=KIND, dedupe=f"project_promoted:{project.id}")
    coordinators = (
        select(Person.id, Account.telegram_id, Person.language, delivery.NO_PARAMETERS)
        .outerjoin(Account, Account.person_id == Person.id)
        .where(
            Person.id.in_(
                select(Role.person_id)
                .join(Organisation, Organisation.id == Role.organisation_id)
                .where(
                    Organisation.kind == OrganisationKind.TOWN_ASSOCIATION,
                    Organisation.id != project.organisation_id,
                    Role.kind.in_(access.roles_with(Right.PLAN_ACTIVITIES)),
                )
            )
        )
    )
    return await delivery.tell_all(work, post, coordinators)


async def places_to_adopt(work: Work, project_id: int) -> list[Organisation]:
    """Towns of the actor that may adopt a copy and have none. Raises Gone."""
    project = await public(work, project_id)
    if project.promoted_at is None:
        raise Gone
    reach = await access.within_reach(work, Right.PLAN_ACTIVITIES, Organisation.id)
    have = select(Project.organisation_id).where(Project.adopted_from_id == project_id)
    found = select(Organisation).where(
        reach,
        Organisation.kind == OrganisationKind.TOWN_ASSOCIATION,
        Organisation.id != project.organisation_id,
        Organisation.id.not_in(have),
    )
    return list(await work.session.scalars(found.order_by(Organisation.path)))


async def adopt(work: Work, project_id: int, organisation_id: int) -> Project:
    """A town's own copy, as a draft of the actor's. Raises Gone, NotAllowed or Refusal."""
    await access.require(work, Right.PLAN_ACTIVITIES, organisation_id)
    places = await places_to_adopt(work, project_id)
    if organisation_id not in {one.id for one in places}:
        raise Refusal("project_adopted")
    original = await projects.get(work, project_id)
    try:
        async with work.session.begin_nested():
            copied = await projects.copy_for(work, original, organisation_id)
    except IntegrityError:
        raise Refusal("project_adopted") from None
    projects.note(work, "project.adopted", copied, origin=project_id)
    return copied


# Sponsors


async def seek(work: Work, project_id: int, what: str) -> Project:
    """Its leader says what sponsors are sought for; empty for none any more.

    Raises Gone, NotAllowed or Refusal.
    """
    project = await led(work, project_id)
    if what:
        lengths.check("seeks", what, SEEKS)
    await hold(work, project, projects.UNDER_WAY, seeks=what)
    return project


async def offer(work: Work, project_id: int, name: str, what: str, contact: str) -> Sponsorship:
    """Somebody would support a project; by the actor, or by a stranger on the public page.

    Its leader is told that there is an offer; what it says is read by them only, in the chat.
    Raises Gone or Refusal.
    """
    project = await public(work, project_id)
    if not project.seeks or project.state is ProjectState.CLOSED:
        raise Refusal("project_seeks_nothing")
    for field, words, length in (("name", name, NAME), ("offer", what, OFFER)):
        lengths.check(field, words, length)
    lengths.check("contact", contact, CONTACT)
    if work.actor is not None and await _has_offered(work, project_id):
        raise Refusal("project_offered_already")
    if await _waiting(work, project_id) >= MOST_OPEN:
        raise Refusal("project_offers_many")
    offered = Sponsorship(
        project_id=project_id,
        person_id=work.actor.id if work.actor else None,
        state=SponsorshipState.OFFERED,
        name=name,
        offer=what,
        contact=contact,
        words="",
        offered_at=work.now,
    )
    work.session.add(offered)
    await work.session.flush()
    if project.leader_id is not None:
        told = {**in_short(project), "offer_id": offered.id}
        await delivery.tell(work, Post("projects/offered", told, kind=KIND), [project.leader_id])
    return offered


async def _waiting(work: Work, project_id: int) -> int:
    waiting = select(func.count()).where(
        Sponsorship.project_id == project_id, Sponsorship.state == SponsorshipState.OFFERED
    )
    return await work.session.scalar(waiting) or 0


async def _has_offered(work: Work, project_id: int) -> bool:
    found = select(Sponsorship.id).where(
        Sponsorship.project_id == project_id,
        Sponsorship.person_id == work.person.id,
        Sponsorship.state == SponsorshipState.OFFERED,
    )
    return await work.session.scalar(found) is not None


async def offers(work: Work, project_id: int) -> tuple[Project, list[Sponsorship]]:
    """The latest first, to its leader and nobody else. Raises Gone, NotAllowed."""
    project = await led(work, project_id)
    found = select(Sponsorship).where(Sponsorship.project_id == project_id)
    rows = await work.session.scalars(found.order_by(Sponsorship.id.desc()).limit(50))
    return project, list(rows)


async def offered(work: Work, offer_id: int) -> tuple[Project, Sponsorship]:
    """One offer, to the project's leader. Raises Gone, NotAllowed."""
    found = await work.session.get(Sponsorship, offer_id, populate_existing=True)
    if found is None:
        raise Gone
    return await led(work, found.project_id), found


async def answer_offer(work: Work, offer_id: int, words: str, *, accept: bool) -> Project:
    """Accepts an offer or declines it with thanks; of a declined one the contact is forgotten.

    Raises Gone, NotAllowed or Refusal.
    """
    project, found = await offered(work, offer_id)
    lengths.check("answer", words, ANSWER)
    state = SponsorshipState.ACCEPTED if accept else SponsorshipState.DECLINED
    forgotten = {} if accept else {"contact": ""}
    done = await work.session.scalar(
        update(Sponsorship)
        .where(Sponsorship.id == offer_id, Sponsorship.state == SponsorshipState.OFFERED)
        .values(state=state, words=words, decided_at=work.now, **forgotten)
        .returning(Sponsorship.id)
        .execution_options(synchronize_session=False)
    )
    if done is None:
        raise Refusal("project_offer_answered")
    await work.session.refresh(found)
    projects.note(work, "project.sponsored" if accept else "project.sponsor_declined", project)
    if found.person_id is not None:
        told = {**in_short(project), "accepted": accept, "words": words}
        post = Post("projects/offer_answered", told, kind=KIND)
        await delivery.tell(work, post, [found.person_id])
    return project


async def to_forget(work: Work) -> list[int]:
    """Offers that have been over for long and still say who made them."""
    before = work.now - timedelta(days=work.policy.sponsor_keep_days)
    over = case(
        (Sponsorship.state == SponsorshipState.OFFERED, Sponsorship.offered_at),
        (Sponsorship.state == SponsorshipState.DECLINED, Sponsorship.decided_at),
        else_=Project.closed_at,
    )
    rows = await work.session.execute(
        select(Sponsorship.id, Sponsorship.name)
        .join(Project, Project.id == Sponsorship.project_id)
        .where(over <= before)
    )
    return [key for key, name in rows if name]


async def forget(work: Work, offers: Sequence[int]) -> int:
    """Sweep: nobody needs to reach these any more; one that nobody answered is declined by it."""
    some = Sponsorship.id.in_(offers)
    nobody = {"name": "", "offer": "", "contact": ""}
    waiting = {"state": SponsorshipState.DECLINED, "decided_at": work.now}
    for which, values in (
        (and_(some, Sponsorship.state == SponsorshipState.OFFERED), waiting),
        (some, nobody),
    ):
        forgotten = update(Sponsorship).where(which).values(values)
        await work.session.execute(forgotten.execution_options(synchronize_session=False))
    return len(offers)
