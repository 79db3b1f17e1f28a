"""The coordinator's activities: the list, the screen of each, publishing, taking away.

What a volunteer sees and does with an activity is elsewhere.
"""

from handlers import forms, giving_word
from handlers.replies import Reply, Show
from handlers.routes import Audience, button, command
from handlers.turns import Turn
from services import activities, announcements, courses, planning
from services.activities import Heading
from services.errors import Gone
from services.watchwords import Confirmed


def link_to(turn: Turn, activity_id: int) -> str:
    """What opens an activity in the bot from outside of it."""
    return turn.around.link(f"a-{activity_id}")


@command("activities", menu=Audience.COORDINATORS)
@button("activities")
async def list_activities(turn: Turn) -> Reply:
    await forms.set_aside(turn)
    return await turn_to(turn, Heading.COMING.value)


@button("activities.list", reads=True)
async def turn_to(turn: Turn, heading: str, page: int = 0) -> Reply:
    if heading not in set(Heading):
        raise Gone
    return Show(
        "activities/list",
        {"listing": await activities.listed(turn.work, Heading(heading), page)},
    )


@button("activity.manage", reads=True)
async def open_activity(turn: Turn, activity_id: int) -> Reply:
    return await manage(turn, activity_id)


async def manage(turn: Turn, activity_id: int, news: str | None = None) -> Reply:
    """The screen of an activity; `news` names what has just been done with it."""
    activity = await activities.planned(turn.work, activity_id)
    about = await activities.describe(turn.work.session, activity)
    shifts = await activities.shifts_of(turn.work.session, activity_id)
    begun = bool(shifts) and shifts[0].starts_at <= turn.work.now
    course = await courses.course_of(turn.work, activity_id)
    shown = {"about": about, "course": course, "news": news, "begun": begun}
    return Show("activities/manage", shown)


@button("shift.manage", reads=True)
async def open_shift(turn: Turn, shift_id: int) -> Reply:
    activity, shift = await planning.planned_shift(turn.work, shift_id)
    (described,) = await activities.describe_shifts(turn.work.session, [shift])
    return Show("activities/shift", {"activity": activity, "shift": described})


@button("shift.remove", reads=True)
async def ask_to_remove_shift(turn: Turn, shift_id: int) -> Reply:
    _, shift = await planning.planned_shift(turn.work, shift_id)
    return Show("activities/remove_shift", {"shift": shift})


@button("shift.drop")
async def remove_shift(turn: Turn, shift_id: int) -> Reply:
    activity, _ = await planning.planned_shift(turn.work, shift_id)
    await planning.remove_shift(turn.work, shift_id, link_to(turn, activity.id))
    return await manage(turn, activity.id, news="changed")


@button("activity.discard", reads=True)
async def ask_to_discard(turn: Turn, activity_id: int) -> Reply:
    return Show(
        "activities/discard", {"activity": await activities.planned(turn.work, activity_id)}
    )


@button("activity.drop")
async def discard(turn: Turn, activity_id: int) -> Reply:
    await planning.discard(turn.work, activity_id)
    return await turn_to(turn, Heading.DRAFTS.value)


@button("activity.preview", reads=True)
async def preview(turn: Turn, activity_id: int) -> Reply:
    activity = await planning.ready(turn.work, activity_id)
    shown = await announcements.preview(turn.work, activity)
    return Show("activities/preview", {"preview": shown}, picture=activity.picture)


@button("activity.publish")
async def publish(turn: Turn, activity_id: int) -> Reply:
    """Where many are told only after their coordinator's word."""
    activity = await planning.ready(turn.work, activity_id)
    if (await announcements.preview(turn.work, activity)).takes_word:
        return await giving_word.ask(turn, GIVE_TO_PUBLISH, activity_id)
    return await _publish(turn, activity_id, None)


async def _publish(turn: Turn, activity_id: int, word: Confirmed | None) -> Reply:
    told = await planning.publish(turn.work, activity_id, link_to(turn, activity_id), word)
    return Show("activities/published", {"activity_id": activity_id, "told": told})


GIVE_TO_PUBLISH = giving_word.form("give_to_publish", _publish)
