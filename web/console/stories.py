"""Stories at the desk: what was sent in, read whole, published or sent back."""

from models import StoryState
from services import access, stories
from services.errors import Gone
from web.console.fields import lines
from web.console.framework import Download, Goto, Page, Pages, Visit
from web.keys import PUBLIC_URL

pages = Pages()


@pages.look("/stories")
async def show_all(visit: Visit) -> Page:
    state = visit.query.get("state", "")
    if state and state not in set(StoryState):
        raise Gone
    chosen = StoryState(state) if state else None
    found = await stories.page(visit.work, visit.number("page", 1), chosen)
    return Page("console/stories/list", {"slice": found, "state": state})


@pages.look("/stories/{story_id}")
async def show(visit: Visit, story_id: int) -> Page:
    found = await stories.seen_to(visit.work, story_id)
    return Page(
        "console/stories/one",
        {
            "found": found,
            "story": found.story,
            "groups": await stories.channels(visit.work, found.story),
            "address": f"{_address(visit)}/{found.story.code}",
            "may": await access.rights_in(visit.work, found.story.organisation_id),
        },
    )


@pages.look("/stories/{story_id}/photos/{story_photo_id}")
async def show_photo(visit: Visit, story_id: int, story_photo_id: int) -> Download:
    photo = await stories.photo_to_review(visit.work, story_id, story_photo_id)

    async def make() -> bytes:
        return photo.content

    return Download(f"{story_photo_id}.jpg", photo.content_type, make, inline=True)


@pages.act("/stories/{story_id}/publish", again=show)
async def publish(visit: Visit, story_id: int) -> Goto:
    await stories.put_channels(visit.work, story_id, visit.keys("group"))
    await stories.publish(visit.work, story_id, _address(visit))
    return Goto(f"/stories/{story_id}", done="saved")


@pages.act("/stories/{story_id}/send-back", again=show)
async def send_back(visit: Visit, story_id: int) -> Goto:
    await stories.send_back(visit.work, story_id, stories.reason(lines(visit, "reason")))
    return Goto(f"/stories/{story_id}", done="saved")


@pages.act("/stories/{story_id}/decline", again=show)
async def decline(visit: Visit, story_id: int) -> Goto:
    await stories.decline(visit.work, story_id, stories.reason(lines(visit, "reason")))
    return Goto(f"/stories/{story_id}", done="saved")


@pages.act("/stories/{story_id}/take-back", again=show)
async def take_back(visit: Visit, story_id: int) -> Goto:
    await stories.seen_to(visit.work, story_id)
    await stories.take_back(visit.work, story_id)
    return Goto("/stories", done="removed")


def _address(visit: Visit) -> str:
    return f"{visit.request.app[PUBLIC_URL]}/stories"
