"""Stories of volunteers: sent in, looked at by a coordinator, published, taken back."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, literal, select, update

from models import (
    Credit,
    Enclosure,
    EnclosureKind,
    Group,
    Lane,
    Organisation,
    Person,
    Story,
    StoryState,
)
from services import access, audit, delivery, enclosures, listing
from services.access import Right
from services.delivery import Post
from services.enclosures import Content
from services.errors import Gone, NotAllowed, Refusal
from services.measuring import Measure
from services.work import Work

KIND = "story"
TITLE, TEXT, REASON = (2, 40), (20, 3000), (2, 500)
"""Characters, at least and at most."""
MOST_PHOTOS = 9
MOST_WAITING = 3
"""Stories of one volunteer that wait to be looked at."""
SHOWN = 10
PUBLIC_PAGE = 12
CODE_BYTES = 9
HIDDEN_NAME = "**"

MEASURES = (
    Measure(
        "stories_published",
        "culture",
        lambda: select(Story.organisation_id, Story.published_at, literal(1)).where(
            Story.state == StoryState.PUBLISHED
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What an author says; photos by Telegram's file id."""

    title: str
    text: str
    credit: Credit
    photos: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A story with its photos, as it is read."""

    story: Story
    signed: str
    photos: list[Enclosure]
    organisation: dict[str, str]

    @property
    def pictures(self) -> list[Enclosure]:
        """The photos that a page can show already."""
        return [one for one in self.photos if enclosures.is_here(one)]


def subject(story_id: int) -> str:
    return f"story:{story_id}"


def signature(name: str, credit: Credit) -> str:
    """How an author is named; empty for no name."""
    if credit is Credit.NONE:
        return ""
    return name if credit is Credit.NAME else name[:1] + HIDDEN_NAME


# Authors


async def submit(work: Work, told: Told) -> Story:
    """A new story of the actor. Raises Refusal("stories_waiting") for too many at once."""
    author = work.person
    waiting = await work.session.scalar(
        select(func.count())
        .select_from(Story)
        .where(Story.author_id == author.id, Story.state == StoryState.SUBMITTED)
    )
    if (waiting or 0) >= MOST_WAITING:
        raise Refusal("stories_waiting", most=MOST_WAITING)
    story = Story(
        organisation_id=author.organisation_id,
        author_id=author.id,
        code=secrets.token_urlsafe(CODE_BYTES),
        **_told(work, told),
    )
    work.session.add(story)
    await work.session.flush()
    await enclosures.add(work, subject(story.id), told.photos)
    await _ask_to_review(work, story)
    return story


async def tell_anew(work: Work, story_id: int, told: Told) -> Story:
    """The author has changed what was sent back. Raises Gone, or Refusal("story_decided")."""
    story = await own(work, story_id)
    changed = await _move(work, story, (StoryState.SENT_BACK,), **_told(work, told))
    if not changed:
        raise Refusal("story_decided")
    await enclosures.remove(work, subject(story.id))
    await enclosures.add(work, subject(story.id), told.photos)
    await _ask_to_review(work, story)
    return story


def _told(work: Work, told: Told) -> dict[str, Any]:
    return {
        "title": told.title,
        "text": told.text,
        "credit": told.credit,
        "state": StoryState.SUBMITTED,
        "submitted_at": work.now,
    }


async def mine(work: Work) -> list[Story]:
    """The actor's, the newest first."""
    found = await work.session.scalars(
        select(Story)
        .where(Story.author_id == work.person.id, Story.state != StoryState.TAKEN_BACK)
        .order_by(Story.id.desc())
        .limit(SHOWN)
    )
    return list(found)


async def own(work: Work, story_id: int) -> Story:
    """One of the actor's. Raises Gone."""
    story = await work.session.get(Story, story_id)
    if story is None or story.author_id != work.person.id:
        raise Gone
    return story


async def take_back(work: Work, story_id: int) -> Story:
    """Off the page and the channels, by its author, or by whoever may publish it; then its author
    is told, too.

    Raises Gone, NotAllowed.
    """
    story = await work.session.get(Story, story_id, with_for_update=True, populate_existing=True)
    if story is None:
        raise Gone
    if story.author_id != work.person.id:
        await access.require(work, Right.ANNOUNCE, story.organisation_id)
    waited = story.state is StoryState.SUBMITTED
    states = tuple(state for state in StoryState if state is not StoryState.TAKEN_BACK)
    if not await _move(work, story, states, state=StoryState.TAKEN_BACK):
        raise Gone
    await _clear(work, story)
    if waited:
        over = Post("stories/withdrawn", {"title": story.title}, kind=KIND)
        await delivery.correct(work, _asking(story), over)
    if story.author_id != work.person.id:
        told = Post("stories/taken_down", {"title": story.title}, kind=KIND)
        await delivery.tell(work, told, [story.author_id])
    _note(work, story, "taken_back")
    return story


async def _clear(work: Work, story: Story) -> None:
    taken = Post("stories/taken_back", {"title": story.title}, kind=KIND, deletes=True)
    await delivery.correct(work, subject(story.id), taken)
    await enclosures.remove(work, subject(story.id))


# Reviewers


async def waiting(work: Work) -> int:
    found = await _to_review(work)
    return await work.session.scalar(select(func.count()).select_from(found.subquery())) or 0


async def pending(work: Work, limit: int) -> list[tuple[Story, str]]:
    """What waits for the actor, the earliest first, each with its author's name."""
    rows = await work.session.execute((await _to_review(work)).order_by(Story.id).limit(limit))
    return [(row[0], row[1]) for row in rows]


async def _to_review(work: Work) -> Any:
    reach = await access.within_reach(work, Right.ANNOUNCE, Story.organisation_id)
    return (
        select(Story, Person.name)
        .join(Person, Person.id == Story.author_id)
        .where(reach, Story.state == StoryState.SUBMITTED, Story.author_id != work.person.id)
    )


async def page(
    work: Work, number: int, state: StoryState | None = None
) -> listing.Slice[tuple[Story, str, dict[str, str]]]:
    """All that the actor may see to, the newest first, with author and organisation.

    Raises NotAllowed.
    """
    await access.require_anywhere(work, Right.ANNOUNCE)
    reach = await access.within_reach(work, Right.ANNOUNCE, Story.organisation_id)
    rows: Any = (
        select(Story, Person.name, Organisation.names)
        .join(Person, Person.id == Story.author_id)
        .join(Organisation, Organisation.id == Story.organisation_id)
        .where(reach, Story.state == state if state else Story.state != StoryState.TAKEN_BACK)
        .order_by(Story.id.desc())
    )
    return await listing.of(work, rows, number)


async def seen_to(work: Work, story_id: int) -> Shown:
    """One that the actor may decide on; nobody decides on their own. Raises Gone, NotAllowed."""
    story = await work.session.get(Story, story_id)
    if story is None or story.state is StoryState.TAKEN_BACK:
        raise Gone
    await access.require(work, Right.ANNOUNCE, story.organisation_id)
    if story.author_id == work.person.id:
        raise NotAllowed
    return await shown(work, story)


async def shown(work: Work, story: Story) -> Shown:
    """As it is read; before publication, as it would be."""
    organisation = await work.session.get_one(Organisation, story.organisation_id)
    signed = story.signed
    if story.state is not StoryState.PUBLISHED:
        author = await work.session.get_one(Person, story.author_id)
        signed = signature(author.name, story.credit)
    photos = await enclosures.of(work, subject(story.id))
    return Shown(story, signed, photos, organisation.names)


async def channels(work: Work, story: Story) -> list[Group]:
    """Where the actor may publish: groups of organisations in which they may announce."""
    reach = await access.within_reach(work, Right.ANNOUNCE, Group.organisation_id)
    found = await work.session.scalars(
        select(Group).where(reach, Group.left_at.is_(None)).order_by(Group.title, Group.id)
    )
    return list(found)


async def choose_channel(work: Work, story_id: int, group_id: int) -> Shown:
    """Puts a channel in, or out where it was in. Raises Gone, NotAllowed."""
    found = await seen_to(work, story_id)
    story = found.story
    if group_id not in {group.id for group in await channels(work, story)}:
        raise Gone
    kept = [key for key in story.channels if key != group_id]
    story.channels = kept if len(kept) < len(story.channels) else [*kept, group_id]
    await work.session.flush()
    return found


async def put_channels(work: Work, story_id: int, groups: Sequence[int]) -> None:
    """All channels at once. Raises Gone, NotAllowed."""
    story = (await seen_to(work, story_id)).story
    if not {group.id for group in await channels(work, story)}.issuperset(groups):
        raise Gone
    story.channels = list(dict.fromkeys(groups))
    await work.session.flush()


def reason(text: str) -> str:
    """Why something is not published. Raises Refusal."""
    least, most = REASON
    if len(text) < least:
        raise Refusal("form_too_short", least=least)
    if len(text) > most:
        raise Refusal("form_too_long", most=most, length=len(text))
    return text


async def publish(work: Work, story_id: int, address: str) -> Story:
    """On the public page, and in the channels that were chosen. `address` of the page of stories.

    Raises Gone, NotAllowed, or Refusal("story_decided").
    """
    found = await seen_to(work, story_id)
    story = found.story
    author = await work.session.get_one(Person, story.author_id)
    signed = signature(author.name, story.credit)
    published = {"state": StoryState.PUBLISHED, "signed": signed, "published_at": work.now}
    await _decide(work, story, (StoryState.SUBMITTED, StoryState.SENT_BACK), **published)
    link = f"{address}/{story.code}"
    await _to_channels(work, story, link)
    told = Post(
        "stories/published",
        {"title": story.title, "address": link, "story_id": story.id},
        kind=KIND,
    )
    await delivery.tell(work, told, [story.author_id])
    _note(work, story, "published")
    return story


async def _to_channels(work: Work, story: Story, link: str) -> None:
    """Only those in which the actor may announce at this moment."""
    allowed = {group.id for group in await channels(work, story)}
    chosen = [key for key in story.channels if key in allowed]
    if not chosen:
        return
    photos = await enclosures.of(work, subject(story.id))
    first = next((one.telegram_id for one in photos if one.kind is EnclosureKind.PHOTO), None)
    post = Post(
        "stories/in_channel",
        {"title": story.title, "text": story.text, "signed": story.signed, "address": link},
        kind=KIND,
        lane=Lane.BROADCAST,
        subject=subject(story.id),
        attachment=delivery.photo(first),
        due_at=delivery.after_quiet_hours(work, work.now),
        dedupe=f"story:{story.id}",
    )
    await delivery.tell_all(
        work, post, delivery.in_groups(select(Group.id).where(Group.id.in_(chosen)))
    )


async def send_back(work: Work, story_id: int, reason: str) -> Story:
    """The author is told what to change. Raises Gone, NotAllowed, Refusal("story_decided")."""
    return await _refuse(work, story_id, StoryState.SENT_BACK, reason)


async def decline(work: Work, story_id: int, reason: str) -> Story:
    """It is not published, and the author told why. Raises as `send_back`."""
    return await _refuse(work, story_id, StoryState.DECLINED, reason)


async def _refuse(work: Work, story_id: int, state: StoryState, reason: str) -> Story:
    story = (await seen_to(work, story_id)).story
    await _decide(work, story, (StoryState.SUBMITTED,), state=state, reason=reason)
    told = {"title": story.title, "story_id": story.id, "reason": reason, "state": state.value}
    await delivery.tell(work, Post("stories/refused", told, kind=KIND), [story.author_id])
    _note(work, story, state.value)
    return story


async def _decide(work: Work, story: Story, since: tuple[StoryState, ...], **values: Any) -> None:
    """Once: whoever decides second is told so. The others who were asked see that it is done."""
    decided = {"decided_at": work.now, "decided_by_id": work.person.id}
    if not await _move(work, story, since, **decided, **values):
        raise Refusal("story_decided")
    closed = {"title": story.title, "by": work.person.name, "state": story.state.value}
    await delivery.correct(work, _asking(story), Post("stories/decided", closed, kind=KIND))


async def _move(work: Work, story: Story, since: tuple[StoryState, ...], **values: Any) -> bool:
    done = await work.session.scalars(
        update(Story)
        .where(Story.id == story.id, Story.state.in_(since))
        .values(**values)
        .returning(Story.id)
        .execution_options(synchronize_session=False)
    )
    moved = done.one_or_none() is not None
    await work.session.refresh(story)
    return moved


async def _ask_to_review(work: Work, story: Story) -> None:
    reviewers = await access.holders(work, Right.ANNOUNCE, story.organisation_id)
    author = work.person
    post = Post(
        "stories/asked",
        {"story_id": story.id, "title": story.title, "name": author.name},
        kind=KIND,
        subject=_asking(story),
    )
    await delivery.tell(work, post, [key for key in reviewers if key != author.id])


def _asking(story: Story) -> str:
    return f"{subject(story.id)}:review"


def _note(work: Work, story: Story, what: str) -> None:
    audit.note(work, f"story.{what}", subject(story.id), organisation_id=story.organisation_id)


# Everybody


async def published(work: Work, number: int) -> listing.Slice[tuple[Story, dict[str, str]]]:
    """What anybody may read, the newest first, with the organisation's names."""
    rows: Any = (
        select(Story, Organisation.names)
        .join(Organisation, Organisation.id == Story.organisation_id)
        .where(_is_public())
        .order_by(Story.published_at.desc(), Story.id.desc())
    )
    return await listing.of(work, rows, number, per_page=PUBLIC_PAGE)


async def by_code(work: Work, code: str) -> Shown:
    """Raises Gone."""
    story = await work.session.scalar(select(Story).where(Story.code == code, _is_public()))
    if story is None:
        raise Gone
    return await shown(work, story)


async def photo(work: Work, code: str, enclosure_id: int) -> Content:
    """One of a published story. Raises Gone."""
    story_id = await work.session.scalar(select(Story.id).where(Story.code == code, _is_public()))
    return await enclosures.content(work, subject(story_id or 0), enclosure_id)


async def photo_to_review(work: Work, story_id: int, enclosure_id: int) -> Content:
    """Raises Gone, NotAllowed."""
    found = await seen_to(work, story_id)
    return await enclosures.content(work, subject(found.story.id), enclosure_id)


async def latest(work: Work) -> list[Story]:
    found = await work.session.scalars(
        select(Story).where(_is_public()).order_by(Story.published_at.desc()).limit(SHOWN)
    )
    return list(found)


async def first_photos(work: Work, stories: Sequence[Story]) -> dict[int, int]:
    """Story -> the enclosure that stands for it in lists."""
    rows = await enclosures.of_all(work, [subject(story.id) for story in stories])
    here = {
        story.id: [one.id for one in rows[subject(story.id)] if enclosures.is_here(one)]
        for story in stories
    }
    return {key: photos[0] for key, photos in here.items() if photos}


def _is_public() -> ColumnElement[bool]:
    return Story.state == StoryState.PUBLISHED


# Personal data


def rows_about(person_id: int) -> dict[str, Any]:
    """As `services.personal_data` asks every topic."""
    return {"stories": select(Story).where(Story.author_id == person_id)}


async def forget_person(work: Work, person_id: int) -> None:
    """Stories go with their author, also from the channels."""
    for story in await work.session.scalars(select(Story).where(Story.author_id == person_id)):
        await _clear(work, story)
        story.state, story.title, story.text, story.signed = StoryState.TAKEN_BACK, "", "", ""
        story.reason = None
    await work.session.flush()
