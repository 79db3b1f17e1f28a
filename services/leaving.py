"""What an administrator leaves behind: nothing of what they let out goes on without somebody else.

Roles, sessions and tokens end with the right itself (`access`, `sessions.current`,
`tokens.present`); webhooks and calendars of an organisation would go on, so they are ended here.
"""

from collections.abc import Iterable

from sqlalchemy import select

from models import Feed, Webhook
from services import access, delivery, feeds, webhooks
from services.access import Right
from services.work import Work


async def let_go(work: Work, people: Iterable[int]) -> None:
    """Ends what these made where they may no longer let programs in; who still may is told."""
    for person_id in people:
        made = await work.session.scalars(
            select(Webhook)
            .where(Webhook.made_by_id == person_id, Webhook.enabled)
            .order_by(Webhook.id)
        )
        for webhook in made.all():
            if not await access.holds(work, person_id, Right.EXCHANGE, webhook.organisation_id):
                await webhooks.leave_off(work, webhook)
                await _tell(work, webhook.organisation_id, "webhook", webhook.name)
        shown = await work.session.scalars(
            select(Feed.organisation_id).where(
                Feed.made_by_id == person_id,
                Feed.organisation_id.is_not(None),
                Feed.revoked_at.is_(None),
            )
        )
        for organisation_id in shown.all():
            if organisation_id is not None and not await access.holds(
                work, person_id, Right.EXCHANGE, organisation_id
            ):
                await feeds.leave_off(work, organisation_id)
                await _tell(work, organisation_id, "calendar", "")


async def _tell(work: Work, organisation_id: int, what: str, name: str) -> None:
    post = delivery.Post("exchange/maker_left", {"what": what, "name": name}, kind="exchange")
    await delivery.tell(work, post, await access.holders(work, Right.EXCHANGE, organisation_id))
