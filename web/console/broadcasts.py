"""Messages to many: the draft, its audience, what people will see, sending it off, its progress."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from models import Activity, Broadcast, BroadcastState
from services import (
    access,
    activities,
    audiences,
    broadcasting,
    broadcasts,
    declaring,
    markup,
    sheets,
    watchwords,
)
from services.access import Right
from services.broadcasts import KINDS, Buttons, Content
from services.errors import Gone, NotAllowed, Refusal
from services.formats import named
from services.sheets import Column, Kind
from services.watchwords import Confirmed
from services.words import LANGUAGES
from services.work import Work
from web.console import asking, fields
from web.console import audiences as describing
from web.console.downloads import spreadsheet
from web.console.framework import Goto, Later, Page, Pages, Visit
from web.keys import BOT_USERNAME

pages = Pages()


@pages.look("/broadcasts")
async def show_all(visit: Visit) -> Page:
    state = asking.one_of(visit.query, "state", [one.value for one in BroadcastState])
    kind = asking.one_of(visit.query, "kind", KINDS) or ""
    found = await broadcasts.page(
        visit.work,
        visit.number("page", 1),
        state=BroadcastState(state) if state else None,
        kind=kind,
    )
    going_on = await broadcasting.told(visit.work, [one.id for one, _ in found.rows])
    states = [one.value for one in BroadcastState]
    return Page(
        "console/broadcasts/list",
        {"found": found, "going_on": going_on, "states": states, "kinds": KINDS},
    )


@pages.act("/broadcasts/list.xlsx")
async def export(visit: Visit) -> Later:
    """All of the filter as a spreadsheet."""
    state = asking.one_of(visit.query, "state", [one.value for one in BroadcastState])
    wanted = BroadcastState(state) if state else None
    kind = asking.one_of(visit.query, "kind", KINDS) or ""
    await broadcasts.every(visit.work)
    cell = asking.cells(visit, "console/broadcasts/cell")

    async def rows(work: Work) -> AsyncIterator[Sequence[Any]]:
        found = await broadcasts.every(work, state=wanted, kind=kind)
        async for one, names in sheets.rows_of(work, found):
            yield (
                one.title, cell("kind", one.kind), cell("state", one.state.value),
                named(names, visit.language), one.starts_at or one.created_at, one.size,
            )  # fmt: skip

    kinds = {"start": Kind.MOMENT, "people": Kind.NUMBER}
    names = ("title", "kind", "state", "organisation", "start", "people")
    columns = [Column(cell("heading", one), kinds.get(one, Kind.TEXT)) for one in names]
    return spreadsheet(visit, "broadcasts.xlsx", columns, rows)


# Writing


@pages.look("/broadcasts/new")
async def begin(visit: Visit) -> Page:
    own = await access.subtrees_with(visit.work, Right.ANNOUNCE)
    if not own:
        raise NotAllowed
    return Page("console/broadcasts/edit", {**await _form(visit, None), "organisations": own})


@pages.act("/broadcasts/new", again=begin)
async def make(visit: Visit) -> Goto:
    content = await _content(visit, None)
    text = next(iter(content.versions.values()), "")
    organisation_id = asking.key(visit.form, "organisation")
    if organisation_id is None:
        raise Gone
    made = await broadcasts.draft(visit.work, organisation_id, content.kind, text)
    await broadcasts.keep(visit.work, made.id, content)
    return Goto(f"/broadcasts/{made.id}/audience", done="saved")


@pages.look("/broadcasts/{broadcast_id}/edit")
async def edit(visit: Visit, broadcast_id: int) -> Page:
    found = await _draft(visit, broadcast_id)
    return Page("console/broadcasts/edit", {**await _form(visit, found), "organisations": []})


@pages.act("/broadcasts/{broadcast_id}/edit", again=edit)
async def change(visit: Visit, broadcast_id: int) -> Goto:
    found = await _draft(visit, broadcast_id)
    await broadcasts.keep(visit.work, broadcast_id, await _content(visit, found))
    return Goto(f"/broadcasts/{broadcast_id}", done="saved")


async def _draft(visit: Visit, broadcast_id: int) -> Broadcast:
    found = await broadcasts.opened(visit.work, broadcast_id)
    if found.state is not BroadcastState.DRAFT:
        raise Refusal("broadcast_not_draft")
    return found


async def _form(visit: Visit, found: Broadcast | None) -> dict[str, Any]:
    """What the form shows at first; what was sent stays where it comes back."""
    work = visit.work
    buttons: Mapping[str, Any] = found.buttons if found else {}
    where = buttons.get("link") or {}
    return {
        "broadcast": found,
        "values": {
            "kind": found.kind if found else KINDS[0],
            "versions": found.versions if found else {},
            "activity": buttons.get("activity") or "",
            "link_text": where.get("text", ""),
            "link_url": where.get("url", ""),
            "choices": "\n".join(buttons.get("choices", [])),
            "urgent": found.urgent if found else False,
            "place": _place_in((found.attachment if found else None) or {}),
            "attachment": found.attachment if found else None,
            **asking.as_moment(work, found.starts_at if found else None, "starts"),
            **asking.as_moment(work, found.expires_at if found else None, "expires"),
        },
        "languages": LANGUAGES,
        "kinds": KINDS,
        "activities": await activities.coming(work),
        "known_places": await declaring.known_places(work, own=True),
        "zone": work.policy.zone.key,
        "most": broadcasts.TEXT_LENGTH,
    }


def _place_in(attachment: Mapping[str, Any]) -> str:
    """The place that goes with it, as one types it."""
    place = attachment.get("venue") or attachment.get("location")
    return f"{place['latitude']:.5f}, {place['longitude']:.5f}" if place else ""


async def _content(visit: Visit, before: Broadcast | None) -> Content:
    """What was sent. Raises Refusal."""
    form, work = visit.form, visit.work
    texts = {code: asking.text(form, f"text_{code}") for code in LANGUAGES}
    link = (asking.text(form, "link_text"), asking.text(form, "link_url"))
    return Content(
        kind=asking.text(form, "kind"),
        versions={code: text for code, text in texts.items() if text},
        buttons=Buttons(
            activity_id=asking.key(form, "activity"),
            link=link if any(link) else None,
            choices=tuple(line for line in asking.text(form, "choices").splitlines() if line),
        ),
        attachment=await _attachment(visit, before),
        urgent=asking.text(form, "urgent") == "1",
        starts_at=asking.moment(work, form, "starts"),
        expires_at=asking.moment(work, form, "expires"),
    )


async def _attachment(visit: Visit, before: Broadcast | None) -> Mapping[str, Any] | None:
    """A place is said here; a picture or a file came from the chat and stays until taken off."""
    typed = asking.text(visit.form, "place")
    if typed:
        place = await declaring.place_said(visit.work, typed)
        return {"location": {"latitude": place.latitude, "longitude": place.longitude}}
    if before is None or asking.text(visit.form, "bare") == "1":
        return None
    kept = before.attachment or {}
    return kept if "photo" in kept or "document" in kept else None


# One of them


@pages.look("/broadcasts/{broadcast_id}")
async def show(visit: Visit, broadcast_id: int) -> Page:
    """A draft as people will see it, or how far it has come."""
    found = await broadcasts.opened(visit.work, broadcast_id)
    shown = {
        "broadcast": found,
        "answers": await _answers(visit, found),
        "bubbles": await _bubbles(visit, found),
        "zone": visit.work.policy.zone.key,
        "takes_word": watchwords.is_wanted(visit.work, found.size or 0),
        **await audiences.described(visit.work, broadcasts.audience_of(found)),
    }
    if found.state is not BroadcastState.DRAFT:
        return Page("console/broadcasts/progress", {**shown, **await _progress(visit, found)})
    count = await audiences.count(visit.work, broadcasts.audience_of(found), found.kind)
    return Page("console/broadcasts/draft", {**shown, "count": count})


async def _answers(visit: Visit, found: Broadcast) -> dict[str, Any]:
    activity_id = found.buttons.get("activity")
    activity = await visit.work.session.get(Activity, activity_id) if activity_id else None
    return {"activity": activity.title if activity else "", **found.buttons}


async def _bubbles(visit: Visit, found: Broadcast) -> list[dict[str, Any]]:
    """The very message in each language in which it was written."""
    parameters = await broadcasts.parameters_of(visit.work, found)
    bubbles = []
    for code in found.versions:
        rendered = visit.words.render("broadcasts/message", code, **parameters)
        bubbles.append(
            {
                "language": code,
                "text": markup.for_page(rendered.text),
                "rows": [[one.label for one in row] for row in rendered.keyboard.buttons],
                "attachment": found.attachment,
            }
        )
    return bubbles


async def _progress(visit: Visit, found: Broadcast) -> dict[str, Any]:
    now = await broadcasting.lately(visit.work, found)
    return {
        "broadcast": found,
        "progress": {**now.shown(), "done": now.done},
        "own": found.author_id == visit.work.person.id,
    }


@pages.live("/broadcasts/{broadcast_id}/live")
async def follow(visit: Visit, broadcast_id: int) -> Page:
    found = await broadcasts.opened(visit.work, broadcast_id)
    return Page("console/broadcasts/_progress", await _progress(visit, found))


@pages.act("/broadcasts/{broadcast_id}/preview")
async def preview(visit: Visit, broadcast_id: int) -> Goto:
    await broadcasts.preview(visit.work, broadcast_id)
    return Goto(f"/broadcasts/{broadcast_id}", done="preview_sent")


@pages.act("/broadcasts/{broadcast_id}/discard")
async def discard(visit: Visit, broadcast_id: int) -> Goto:
    await broadcasts.discard(visit.work, broadcast_id)
    return Goto("/broadcasts", done="discarded")


# Its audience


@pages.look("/broadcasts/{broadcast_id}/audience")
async def describe(visit: Visit, broadcast_id: int) -> Page:
    found = await _draft(visit, broadcast_id)
    stored = broadcasts.audience_of(found)
    chosen = visit.number("saved")
    if stored.people and not (visit.form or visit.query):
        # Nothing of the form says who they are: sending it off would put everybody in their place.
        count = await audiences.count(visit.work, stored, found.kind)
        return Page("console/broadcasts/named", {"broadcast": found, "count": count})
    if chosen:
        _, stored = await audiences.saved_one(visit.work, chosen)
    return Page(
        "console/broadcasts/audience",
        {
            "broadcast": found,
            "kind": found.kind,
            "saved": await audiences.saved(visit.work),
            "saved_id": chosen,
            **await describing.form_of(visit, stored, found.kind),
        },
    )


@pages.act("/broadcasts/{broadcast_id}/audience", again=describe)
async def address(visit: Visit, broadcast_id: int) -> Goto:
    """Takes the audience; where a name was typed, it is kept under it as well."""
    await _draft(visit, broadcast_id)
    audience = await describing.described_in(visit.work, visit.form)
    await broadcasts.address(visit.work, broadcast_id, audience)
    if asking.text(visit.form, "name"):
        await describing.keep(visit, audience)
    return Goto(f"/broadcasts/{broadcast_id}", done="saved")


# Sending it off


@pages.look("/broadcasts/{broadcast_id}/send")
async def ask_to_send(visit: Visit, broadcast_id: int) -> Page:
    found = await _draft(visit, broadcast_id)
    outlook = await broadcasts.outlook(visit.work, broadcast_id)
    shown = {
        "broadcast": found,
        "outlook": outlook,
        "bubbles": await _bubbles(visit, found),
        "takes_word": watchwords.is_wanted(visit.work, outlook.count.reachable),
    }
    return Page("console/broadcasts/send", shown)


async def _word(visit: Visit, people: int) -> Confirmed | None:
    """What was typed as the sender's word, where so many people take it. Raises Refusal."""
    if not watchwords.is_wanted(visit.work, people):
        return None
    return await fields.watchword(visit)


@pages.act("/broadcasts/{broadcast_id}/send", again=ask_to_send)
async def send(visit: Visit, broadcast_id: int) -> Goto:
    """Once, however often it is sent in a hurry."""
    before = await broadcasts.opened(visit.work, broadcast_id)
    if before.state is not BroadcastState.DRAFT:
        return Goto(f"/broadcasts/{broadcast_id}")
    outlook = await broadcasts.outlook(visit.work, broadcast_id)
    broadcasts.check_number(outlook.count.reachable, asking.text(visit.form, "number"))
    opens = f"https://t.me/{visit.request.app[BOT_USERNAME]}?start=b-{broadcast_id}"
    word = await _word(visit, outlook.count.reachable)
    found = await broadcasts.submit(visit.work, broadcast_id, opens, word)
    waits = found.state is BroadcastState.AWAITING_APPROVAL
    return Goto(f"/broadcasts/{broadcast_id}", done="asked_to_approve" if waits else "sent_off")


@pages.act("/broadcasts/{broadcast_id}/approve", again=show)
async def approve(visit: Visit, broadcast_id: int) -> Goto:
    found = await broadcasts.to_decide(visit.work, broadcast_id)
    broadcasts.check_number(found.size, asking.text(visit.form, "number"))
    word = await _word(visit, found.size or 0)
    await broadcasts.approve(visit.work, broadcast_id, word)
    return Goto(f"/broadcasts/{broadcast_id}", done="sent_off")


@pages.act("/broadcasts/{broadcast_id}/send-back", again=show)
async def send_back(visit: Visit, broadcast_id: int) -> Goto:
    await broadcasts.to_decide(visit.work, broadcast_id)
    reason = asking.within(asking.text(visit.form, "reason"), 300)
    if len(reason) < 2:
        raise Refusal("form_too_short", least=2)
    await broadcasts.send_back(visit.work, broadcast_id, reason)
    return Goto(f"/broadcasts/{broadcast_id}", done="sent_back")


# While it runs, and afterwards


@pages.act("/broadcasts/{broadcast_id}/withdraw", again=show)
async def withdraw(visit: Visit, broadcast_id: int) -> Goto:
    await broadcasts.withdraw(visit.work, broadcast_id)
    return Goto(f"/broadcasts/{broadcast_id}", done="withdrawn")


@pages.act("/broadcasts/{broadcast_id}/pause", again=show)
async def pause(visit: Visit, broadcast_id: int) -> Goto:
    await broadcasts.pause(visit.work, broadcast_id)
    return Goto(f"/broadcasts/{broadcast_id}")


@pages.act("/broadcasts/{broadcast_id}/resume", again=show)
async def resume(visit: Visit, broadcast_id: int) -> Goto:
    await broadcasts.resume(visit.work, broadcast_id)
    return Goto(f"/broadcasts/{broadcast_id}")


@pages.act("/broadcasts/{broadcast_id}/stop", again=show)
async def stop(visit: Visit, broadcast_id: int) -> Goto:
    await broadcasts.stop(visit.work, broadcast_id)
    return Goto(f"/broadcasts/{broadcast_id}")


@pages.act("/broadcasts/{broadcast_id}/recall", again=show)
async def recall(visit: Visit, broadcast_id: int) -> Goto:
    await broadcasts.recall(visit.work, broadcast_id)
    return Goto(f"/broadcasts/{broadcast_id}", done="recalled")


@pages.look("/broadcasts/{broadcast_id}/rewrite")
async def ask_to_rewrite(visit: Visit, broadcast_id: int) -> Page:
    found = await broadcasts.opened(visit.work, broadcast_id)
    if found.state not in broadcasts.READABLE:
        raise Refusal("broadcast_gone_on")
    shown = {
        "broadcast": found,
        "languages": LANGUAGES,
        "most": broadcasts.TEXT_LENGTH,
        "takes_word": watchwords.is_wanted(visit.work, found.size or 0),
    }
    return Page("console/broadcasts/rewrite", shown)


@pages.act("/broadcasts/{broadcast_id}/rewrite", again=ask_to_rewrite)
async def rewrite(visit: Visit, broadcast_id: int) -> Goto:
    """Another text for all who have it or will get it, so that the number is typed as well."""
    found = await broadcasts.opened(visit.work, broadcast_id)
    broadcasts.check_number(found.size, asking.text(visit.form, "number"))
    texts = {code: asking.text(visit.form, f"text_{code}") for code in LANGUAGES}
    kept = {code: text for code, text in texts.items() if text}
    word = await _word(visit, found.size or 0)
    await broadcasts.rewrite(visit.work, broadcast_id, kept, word)
    return Goto(f"/broadcasts/{broadcast_id}", done="rewritten")
