"""Broadcasts: what a coordinator says to an audience, from the draft to the recall.

Here are the acts of people; what the clock does with a broadcast is `services.broadcasting`'s.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, select

from models import (
    Activity,
    ActivityState,
    Broadcast,
    BroadcastAnswer,
    BroadcastState,
    Lane,
    Organisation,
    Person,
    Role,
)
from services import (
    access,
    activities,
    audiences,
    audit,
    delivery,
    listing,
    markup,
    organisations,
    quiet_hours,
    watchwords,
)
from services.audiences import Audience
from services.delivery import Post
from services.errors import Gone, NotAllowed, Refusal
from services.finding import folded
from services.watchwords import Confirmed
from services.work import Work

KINDS = ("newsletter", "survey", "notice")
"""What a broadcast can be, and what one can opt out of."""
PREVIEW, APPROVAL = "broadcast_preview", "broadcast_approval"
PAGE = 8
TITLE_LENGTH = 40
TEXT_LENGTH = 3500
"""Telegram takes 4096; the rest is for what formatting adds."""
MOST_CHOICES, CHOICE_LENGTH = 8, 40
LABEL_LENGTH = 40
WEB = ("http", "https")
TAGS = re.compile(r"<[^>]*>")
READABLE = (
    BroadcastState.RUNNING,
    BroadcastState.PAUSED,
    BroadcastState.STOPPED,
    BroadcastState.FINISHED,
)
"""Somebody may have it on their phone."""
UNDER_WAY = (BroadcastState.RUNNING, BroadcastState.PAUSED)
WITHDRAWABLE = (BroadcastState.AWAITING_APPROVAL, BroadcastState.SCHEDULED)


def subject(broadcast_id: int) -> str:
    return f"broadcast:{broadcast_id}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the list."""

    id: int
    title: str
    state: BroadcastState
    organisation: dict[str, str]


@dataclass(frozen=True, slots=True)
class Buttons:
    """What stands under a broadcast."""

    activity_id: int | None = None
    link: tuple[str, str] | None = None
    """Its label and address."""
    choices: tuple[str, ...] = ()
    """The answers to the question that the text asks."""


@dataclass(frozen=True, slots=True)
class Content:
    """All that a draft says, and when."""

    kind: str
    versions: Mapping[str, str]
    """Telegram HTML by language; whoever reads another gets the first one."""
    buttons: Buttons = Buttons()
    attachment: Mapping[str, Any] | None = None
    """As `Message.attachment`."""
    urgent: bool = False
    starts_at: datetime | None = None
    """None starts at once."""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What submitting would do."""

    count: audiences.Count
    groups: list[str]
    starts_at: datetime
    waits: bool
    """Whether the quiet hours make it wait."""
    needs_approval: bool


# Drafts


async def opened(work: Work, broadcast_id: int) -> Broadcast:
    """One that the actor may see to. Raises Gone or NotAllowed."""
    found = await work.session.get(Broadcast, broadcast_id)
    if found is None:
        raise Gone
    await access.require(work, access.Right.ANNOUNCE, found.organisation_id)
    return found


async def listed(work: Work, page: int = 0) -> tuple[list[Entry], bool]:
    """The newest first, and whether there are more."""
    reach = await access.within_reach(work, access.Right.ANNOUNCE, Broadcast.organisation_id)
    found = await work.session.execute(
        select(Broadcast.id, Broadcast.title, Broadcast.state, Organisation.names)
        .join(Organisation, Organisation.id == Broadcast.organisation_id)
        .where(reach)
        .order_by(Broadcast.id.desc())
        .offset(page * PAGE)
        .limit(PAGE + 1)
    )
    entries = [Entry(*row) for row in found]
    return entries[:PAGE], len(entries) > PAGE


async def page(
    work: Work, number: int, *, state: BroadcastState | None = None, kind: str = ""
) -> listing.Slice[tuple[Broadcast, dict[str, str]]]:
    """The newest first, each with the names of its organisation. Raises NotAllowed."""
    return await listing.of(work, await every(work, state=state, kind=kind), number)


async def every(work: Work, *, state: BroadcastState | None = None, kind: str = "") -> Any:
    """The statement of all that the actor may see to, as of `page`. Raises NotAllowed."""
    if not await access.organisations_with(work, access.Right.ANNOUNCE):
        raise NotAllowed
    reach = await access.within_reach(work, access.Right.ANNOUNCE, Broadcast.organisation_id)
    wanted = [
        reach,
        *([Broadcast.state == state] if state else []),
        *([Broadcast.kind == kind] if kind else []),
    ]
    return (
        select(Broadcast, Organisation.names)
        .join(Organisation, Organisation.id == Broadcast.organisation_id)
        .where(*wanted)
        .order_by(Broadcast.id.desc())
    )


async def draft(work: Work, organisation_id: int, kind: str, text: str) -> Broadcast:
    """A new one, to the whole subtree for now. `text` is Telegram HTML.

    Raises NotAllowed, Refusal for a text that can't go out.
    """
    await access.require(work, access.Right.ANNOUNCE, organisation_id)
    if kind not in KINDS:
        raise Gone
    text = markup.checked(text, TEXT_LENGTH)
    await organisations.require_open(work, organisation_id)
    made = Broadcast(
        organisation_id=organisation_id,
        author_id=work.person.id,
        kind=kind,
        title=title_of(text),
        versions={work.policy.default_language: text},
        buttons={},
        audience=Audience(organisations=(organisation_id,)).model_dump(mode="json"),
        state=BroadcastState.DRAFT,
        created_at=work.now,
    )
    work.session.add(made)
    await work.session.flush()
    audit.note(work, "broadcast.drafted", subject(made.id), organisation_id=organisation_id)
    return made


def title_of(text: str) -> str:
    """How a text begins, without its formatting."""
    plain = html.unescape(TAGS.sub("", text)).strip()
    first = " ".join(plain.partition("\n")[0].split())
    return first if len(first) <= TITLE_LENGTH else first[: TITLE_LENGTH - 1] + "…"


async def keep(work: Work, broadcast_id: int, content: Content) -> None:
    """All of a draft at once. Raises Gone, NotAllowed, Refusal."""
    await change_kind(work, broadcast_id, content.kind)
    await write(work, broadcast_id, content.versions)
    await attach(work, broadcast_id, content.attachment)
    await put_buttons(work, broadcast_id, content.buttons)
    await mark_urgent(work, broadcast_id, urgent=content.urgent)
    await schedule(work, broadcast_id, content.starts_at, content.expires_at)


async def write(work: Work, broadcast_id: int, versions: Mapping[str, str]) -> None:
    """The text in each of its languages.

    Raises Refusal unless it is a draft, and for a text that can't go out.
    """
    _put_text(await _draft(work, broadcast_id), versions)


def _put_text(found: Broadcast, versions: Mapping[str, str]) -> None:
    if not versions:
        raise Refusal("text_missing")
    found.versions = {code: markup.checked(text, TEXT_LENGTH) for code, text in versions.items()}
    found.title = title_of(next(iter(found.versions.values())))


async def attach(work: Work, broadcast_id: int, attachment: Mapping[str, Any] | None) -> None:
    """As `Message.attachment`."""
    (await _draft(work, broadcast_id)).attachment = dict(attachment) if attachment else None


async def put_buttons(work: Work, broadcast_id: int, buttons: Buttons) -> None:
    """Raises Refusal for an activity that has not been published, or choices that don't fit."""
    found = await _draft(work, broadcast_id)
    kept: dict[str, Any] = {}
    if buttons.activity_id is not None:
        await published(work, buttons.activity_id)
        kept["activity"] = buttons.activity_id
    if buttons.link is not None:
        label, url = checked_link(*buttons.link)
        kept["link"] = {"text": label, "url": url}
    if buttons.choices:
        kept["choices"] = list(checked_choices(buttons.choices))
    found.buttons = kept


def checked_link(label: str, url: str) -> tuple[str, str]:
    """Words for a button, and the web address that it opens. Raises Refusal("broadcast_link")."""
    label, url = " ".join(label.split()), url.strip()
    try:
        known = urlsplit(url)
    except ValueError:
        raise Refusal("broadcast_link", most=LABEL_LENGTH) from None
    fits = 0 < len(label) <= LABEL_LENGTH
    if known.scheme not in WEB or not known.hostname or not fits or len(url.split()) != 1:
        raise Refusal("broadcast_link", most=LABEL_LENGTH)
    return label, url


def checked_choices(choices: Sequence[str]) -> tuple[str, ...]:
    """Raises Refusal("broadcast_choices")."""
    found = tuple(dict.fromkeys(" ".join(choice.split()) for choice in choices if choice.strip()))
    short = all(len(choice) <= CHOICE_LENGTH for choice in found)
    if not (2 <= len(found) <= MOST_CHOICES and short):
        raise Refusal("broadcast_choices", most=MOST_CHOICES, length=CHOICE_LENGTH)
    return found


async def published(work: Work, activity_id: int) -> Activity:
    """An activity that can be linked to. Raises Gone."""
    found = await work.session.get(Activity, activity_id)
    if found is None or found.state is not ActivityState.PUBLISHED:
        raise Gone
    return found


async def address(work: Work, broadcast_id: int, audience: Audience) -> None:
    """Raises NotAllowed for people whom the actor may not write to."""
    found = await _draft(work, broadcast_id)
    found.audience = (await audiences.settled(work, audience)).model_dump(mode="json")


async def schedule(
    work: Work, broadcast_id: int, starts_at: datetime | None, expires_at: datetime | None
) -> None:
    """None starts at once, or never expires. Raises Refusal for what would never be sent."""
    found = await _draft(work, broadcast_id)
    found.starts_at, found.expires_at = starts_at, expires_at
    await _check_times(work, found)


async def change_kind(work: Work, broadcast_id: int, kind: str) -> None:
    if kind not in KINDS:
        raise Gone
    (await _draft(work, broadcast_id)).kind = kind


async def mark_urgent(work: Work, broadcast_id: int, *, urgent: bool) -> None:
    (await _draft(work, broadcast_id)).urgent = urgent


async def discard(work: Work, broadcast_id: int) -> None:
    found = await _draft(work, broadcast_id)
    await work.session.delete(found)
    audit.note(
        work, "broadcast.discarded", subject(found.id), organisation_id=found.organisation_id
    )


async def _draft(work: Work, broadcast_id: int) -> Broadcast:
    found = await opened(work, broadcast_id)
    if found.state is not BroadcastState.DRAFT:
        raise Refusal("broadcast_not_draft")
    return found


async def _check_times(work: Work, found: Broadcast) -> datetime:
    """When the first would be sent. Raises Refusal if it would have expired by then."""
    starts_at = max(found.starts_at or work.now, work.now)
    first = starts_at
    if not found.urgent:
        first = await quiet_hours.of(work, found.organisation_id, starts_at)
    if found.expires_at is not None and found.expires_at <= first:
        raise Refusal("broadcast_expires_first", first=first)
    return first


# Looking before sending


def audience_of(found: Broadcast) -> Audience:
    return Audience.model_validate(found.audience)


async def outlook(work: Work, broadcast_id: int) -> Outlook:
    """Raises NotAllowed; Refusal if it would expire before anybody got it."""
    found = await opened(work, broadcast_id)
    first = await _check_times(work, found)
    audience = audience_of(found)
    count = await audiences.count(work, audience, found.kind)
    return Outlook(
        count=count,
        groups=[group.title for group in await audiences.groups(work, audience)],
        starts_at=first,
        waits=first > max(found.starts_at or work.now, work.now),
        needs_approval=_needs_approval(work, count),
    )


def check_number(number: int, typed: str) -> None:
    """Whoever sends from a page types how many people get it; a hundredth may have changed since.

    Raises Refusal("broadcast_number").
    """
    said = folded(typed).replace(",", "")
    if not said.isdecimal() or abs(int(said) - number) > number // 100:
        raise Refusal("broadcast_number", number=number)


def _needs_approval(work: Work, count: audiences.Count) -> bool:
    return count.reachable > work.policy.broadcast_approval_size


# What is sent


async def post_of(work: Work, found: Broadcast, *, preview: bool = False) -> Post:
    """The message as people get it; a preview goes to its author, at once."""
    return Post(
        "broadcasts/message",
        await parameters_of(work, found, preview=preview),
        kind=PREVIEW if preview else found.kind,
        lane=Lane.TRANSACTIONAL if preview else Lane.BROADCAST,
        subject=None if preview else subject(found.id),
        attachment=found.attachment,
        expires_at=None if preview else found.expires_at,
    )


async def parameters_of(work: Work, found: Broadcast, *, preview: bool = False) -> dict[str, Any]:
    activity_id = found.buttons.get("activity")
    return {
        "broadcast_id": found.id,
        "kind": found.kind,
        "versions": found.versions,
        "activity": await _activity_button(work, activity_id) if activity_id else None,
        "website": found.buttons.get("link"),
        "choices": found.buttons.get("choices", []),
        "preview": preview,
    }


async def _activity_button(work: Work, activity_id: int) -> dict[str, Any]:
    """Where there is one shift to choose from, it can be enrolled for at once."""
    shifts = await activities.shifts_of(work.session, activity_id)
    only = shifts[0].id if len(shifts) == 1 else None
    return {"id": activity_id, "shift_id": only}


async def preview(work: Work, broadcast_id: int) -> None:
    """Sends it to the actor, as it will look."""
    found = await opened(work, broadcast_id)
    await delivery.tell(work, await post_of(work, found, preview=True), [work.person.id])


async def readable(work: Work, broadcast_id: int) -> Broadcast:
    """One that has been sent, for somebody who comes by a link. Raises Gone."""
    found = await work.session.get(Broadcast, broadcast_id)
    if found is None or found.state not in READABLE:
        raise Gone
    if found.expires_at is not None and found.expires_at <= work.now:
        raise Gone
    return found


# Sending it off


async def submit(
    work: Work, broadcast_id: int, opens: str, word: Confirmed | None = None
) -> Broadcast:
    """To those who approve, or straight into the queue. `opens` leads to it from a group.

    Raises Refusal where nobody would get it, nobody else can approve it, or so many take a word.
    """
    found = await _draft(work, broadcast_id)
    shown = await outlook(work, broadcast_id)
    if not shown.count.reachable and not shown.groups:
        raise Refusal("broadcast_reaches_nobody")
    watchwords.require(work, shown.count.reachable, word)
    found.size = shown.count.reachable
    found.submitted_at = work.now
    found.buttons = {**found.buttons, "opens": opens}
    if shown.needs_approval:
        await _ask_for_approval(work, found)
    else:
        _send_off(work, found)
    return found


async def _ask_for_approval(work: Work, found: Broadcast) -> None:
    asked = await _approvers(work, found)
    if not asked:
        raise Refusal("broadcast_nobody_approves", size=work.policy.broadcast_approval_size)
    found.state = BroadcastState.AWAITING_APPROVAL
    post = Post(
        "broadcasts/approval",
        await _asked(work, found),
        kind=APPROVAL,
        subject=f"{subject(found.id)}:approval",
    )
    await delivery.tell(work, post, asked)


async def _asked(work: Work, found: Broadcast) -> dict[str, Any]:
    author = await work.session.get_one(Person, found.author_id)
    return {
        "broadcast_id": found.id,
        "title": found.title,
        "versions": found.versions,
        "size": found.size,
        "author": author.name,
        "urgent": found.urgent,
    }


async def _approvers(work: Work, found: Broadcast) -> list[int]:
    """Those beside its author who may announce in its organisation or above, from near to far."""
    organisation = await work.session.get_one(Organisation, found.organisation_id)
    above = [int(key) for key in organisation.path.split(".") if key]
    rows = await work.session.execute(
        select(Role.person_id, Role.organisation_id)
        .where(
            Role.organisation_id.in_(above),
            Role.kind.in_(access.roles_with(access.Right.ANNOUNCE)),
            Role.person_id != found.author_id,
        )
        .distinct()
    )
    holders = [(above.index(organisation_id), person_id) for person_id, organisation_id in rows]
    nearest = max((depth for depth, _ in holders), default=None)
    return sorted({person_id for depth, person_id in holders if depth == nearest})


async def approve(work: Work, broadcast_id: int, word: Confirmed | None = None) -> Broadcast:
    """Raises Refusal if it was decided before, or by its author, or so many take a word."""
    found = await to_decide(work, broadcast_id)
    watchwords.require(work, found.size or 0, word)
    await _check_times(work, found)
    found.approved_by_id = work.person.id
    _send_off(work, found)
    await _decided(work, found, "approved")
    return found


async def send_back(work: Work, broadcast_id: int, reason: str) -> Broadcast:
    """It is a draft again, and its author is told why."""
    found = await to_decide(work, broadcast_id)
    found.state = BroadcastState.DRAFT
    await _decided(work, found, "sent_back", reason)
    return found


async def to_decide(work: Work, broadcast_id: int) -> Broadcast:
    """One that the actor can approve. Raises Gone, NotAllowed or Refusal."""
    found = await opened(work, broadcast_id)
    if found.state is not BroadcastState.AWAITING_APPROVAL:
        raise Refusal("broadcast_decided")
    if found.author_id == work.person.id:
        raise Refusal("broadcast_own")
    return found


async def _decided(work: Work, found: Broadcast, decision: str, reason: str = "") -> None:
    """The author is told, and the others who were asked see that it is done."""
    told = {"broadcast_id": found.id, "title": found.title, "decision": decision, "reason": reason}
    await delivery.correct(
        work,
        f"{subject(found.id)}:approval",
        Post("broadcasts/decided", told | {"by": work.person.name}, kind=APPROVAL),
    )
    await delivery.tell(
        work, Post("broadcasts/answered_author", told, kind=APPROVAL), [found.author_id]
    )
    audit.note(
        work,
        f"broadcast.{decision}",
        subject(found.id),
        organisation_id=found.organisation_id,
    )


def _send_off(work: Work, found: Broadcast) -> None:
    found.state = BroadcastState.SCHEDULED
    found.starts_at = max(found.starts_at or work.now, work.now)
    audit.note(
        work,
        "broadcast.sent_off",
        subject(found.id),
        organisation_id=found.organisation_id,
        size=found.size,
    )


# While it runs, and afterwards


async def withdraw(work: Work, broadcast_id: int) -> None:
    """Before anybody has got it, it becomes a draft again."""
    await _take_back(work, await _in(work, broadcast_id, WITHDRAWABLE))


async def _take_back(work: Work, found: Broadcast) -> None:
    if found.state is BroadcastState.AWAITING_APPROVAL:
        told = {"broadcast_id": found.id, "title": found.title, "decision": "withdrawn"}
        told |= {"reason": "", "by": work.person.name}
        post = Post("broadcasts/decided", told, kind=APPROVAL)
        await delivery.correct(work, f"{subject(found.id)}:approval", post)
    found.state = BroadcastState.DRAFT
    _note(work, found, "withdrawn")


async def pause(work: Work, broadcast_id: int) -> None:
    found = await _in(work, broadcast_id, (BroadcastState.RUNNING,))
    found.state = BroadcastState.PAUSED
    await delivery.hold(work, _message(found))
    _note(work, found, "paused")


async def resume(work: Work, broadcast_id: int) -> None:
    found = await _in(work, broadcast_id, (BroadcastState.PAUSED,))
    found.state = BroadcastState.RUNNING
    due_at = work.now if found.urgent else await quiet_hours.of(work, found.organisation_id)
    await delivery.release(work, _message(found), due_at)
    _note(work, found, "resumed")


async def stop(work: Work, broadcast_id: int) -> None:
    """Who has not got it yet never will."""
    found = await _in(work, broadcast_id, UNDER_WAY)
    await _stop(work, found, BroadcastState.STOPPED)
    _note(work, found, "stopped")


async def recall(work: Work, broadcast_id: int) -> None:
    """Takes it off the phones; where Telegram refuses, its text says that it was taken back."""
    found = await _in(work, broadcast_id, READABLE)
    if found.state in UNDER_WAY:
        await _stop(work, found, BroadcastState.RECALLED)
    found.state = BroadcastState.RECALLED
    await _put_right(work, found, Post("broadcasts/recalled", {}, kind=found.kind, deletes=True))
    _note(work, found, "recalled")


async def rewrite(
    work: Work, broadcast_id: int, versions: Mapping[str, str], word: Confirmed | None = None
) -> None:
    """Another text, also on the phones that have got it. Raises Refusal."""
    found = await _in(work, broadcast_id, READABLE)
    watchwords.require(work, found.size or 0, word)
    _put_text(found, versions)
    post = await post_of(work, found)
    await delivery.reword(work, _message(found), post)
    await _put_right(work, found, post)
    _note(work, found, "rewritten")


async def end_all_of(work: Work, person_id: int) -> None:
    """What somebody was about to say goes no further, where they may say nothing any more."""
    theirs = await work.session.scalars(
        select(Broadcast)
        .where(Broadcast.author_id == person_id, Broadcast.state.in_((*WITHDRAWABLE, *UNDER_WAY)))
        .order_by(Broadcast.id)
    )
    for found in theirs.all():
        if await access.holds(work, person_id, access.Right.ANNOUNCE, found.organisation_id):
            continue
        if found.state in UNDER_WAY:
            await _stop(work, found, BroadcastState.STOPPED)
            _note(work, found, "stopped")
        else:
            await _take_back(work, found)


async def _put_right(work: Work, found: Broadcast, post: Post) -> None:
    """Corrections are written in portions by the clock; an earlier one need not go out any more."""
    if found.correction_id is not None:
        await delivery.revoke(work, found.correction_id)
    message = await delivery.write(work, replace(post, subject=None))
    found.correction_id, found.correcting, found.corrected_to = message.id, True, 0


async def _stop(work: Work, found: Broadcast, state: BroadcastState) -> None:
    found.state, found.finished_at, found.all_written = state, work.now, True
    await delivery.revoke(work, _message(found))


async def _in(work: Work, broadcast_id: int, states: Sequence[BroadcastState]) -> Broadcast:
    """Raises Refusal where it has gone on meanwhile."""
    found = await opened(work, broadcast_id)
    if found.state not in states:
        raise Refusal("broadcast_gone_on")
    return found


def _message(found: Broadcast) -> int:
    """Its message's key. Raises Gone before there is one."""
    if found.message_id is None:
        raise Gone
    return found.message_id


def _note(work: Work, found: Broadcast, what: str) -> None:
    audit.note(work, f"broadcast.{what}", subject(found.id), organisation_id=found.organisation_id)


# What people answer


async def answer(work: Work, broadcast_id: int, index: int) -> str:
    """Answers its question, or changes the answer; gives the choice in words.

    Raises Gone where it was taken back or has expired, Refusal for a preview.
    """
    found = await work.session.get(Broadcast, broadcast_id)
    if found is not None and found.state not in (*READABLE, BroadcastState.RECALLED):
        raise Refusal("broadcast_preview")
    found = await readable(work, broadcast_id)
    choices = found.buttons.get("choices", [])
    if index >= len(choices):
        raise Gone
    known = await work.session.get(BroadcastAnswer, (broadcast_id, work.person.id))
    if known is None:
        known = BroadcastAnswer(broadcast_id=broadcast_id, person_id=work.person.id)
        work.session.add(known)
    known.choice, known.answered_at = index, work.now
    return str(choices[index])


async def answers(work: Work, found: Broadcast) -> list[tuple[str, int]]:
    """Each choice with how many chose it."""
    rows = await work.session.execute(
        select(BroadcastAnswer.choice, func.count().label("people"))
        .where(BroadcastAnswer.broadcast_id == found.id)
        .group_by(BroadcastAnswer.choice)
    )
    counted = {row.choice: row.people for row in rows}
    choices = found.buttons.get("choices", [])
    return [(choice, counted.get(at, 0)) for at, choice in enumerate(choices)]
