"""Letting other programs in: an organisation's tokens, webhooks and calendar."""

from typing import Any

from services import access, events, feeds, registers, tokens, webhooks
from services.access import Right
from services.errors import NotAllowed
from services.tokens import Scope
from web.console.framework import Goto, Page, Pages, Visit
from web.keys import PRIVATE_WEBHOOKS, PUBLIC_URL

pages = Pages()


@pages.look("/exchange")
async def choose(visit: Visit) -> Page:
    """For which organisation."""
    found = await access.subtrees_with(visit.work, Right.EXCHANGE)
    if not found:
        raise NotAllowed
    return Page("console/exchange/choose", {"organisations": found})


@pages.look("/organisations/{organisation_id}/exchange")
async def show(visit: Visit, organisation_id: int) -> Page:
    feed = await feeds.of_organisation(visit.work, organisation_id)
    return Page(
        "console/exchange/show",
        {
            "organisation": await registers.organisation(visit.work, organisation_id),
            "tokens": await tokens.listed(visit.work, organisation_id),
            "webhooks": await webhooks.listed(visit.work, organisation_id),
            "calendar": _address(visit, feed.secret) if feed else None,
            "scopes": [scope.value for scope in Scope],
            "kinds": [kind.value for kind in events.SUBSCRIBABLE],
            "days": tokens.DAYS,
            "now": visit.work.now,
        },
    )


def _address(visit: Visit, secret: str) -> str:
    return f"{visit.request.app[PUBLIC_URL]}/calendar/{secret}.ics"


def _back(organisation_id: int, done: str = "saved") -> Goto:
    return Goto(f"/organisations/{organisation_id}/exchange", done=done)


def _texts(visit: Visit, name: str) -> list[str]:
    return [str(value) for value in visit.form.getall(name, [])]


def _text(visit: Visit, name: str) -> str:
    return str(visit.form.get(name, ""))


def _secret(secret: str, organisation_id: int, **shown: Any) -> Page:
    """Shown this once; nobody can look it up later."""
    return Page(
        "console/exchange/secret", {"secret": secret, "organisation_id": organisation_id, **shown}
    )


# Tokens


@pages.act("/organisations/{organisation_id}/exchange/tokens", again=show)
async def make_token(visit: Visit, organisation_id: int) -> Page:
    days = _text(visit, "days")
    token, secret = await tokens.make(
        visit.work,
        organisation_id,
        _text(visit, "name"),
        _texts(visit, "scope"),
        int(days) if days.isdecimal() and len(days) < 5 else 0,
    )
    return _secret(secret, organisation_id, name=token.name, what="token")


@pages.act("/exchange/tokens/{token_id}/revoke")
async def revoke_token(visit: Visit, token_id: int) -> Goto:
    token = await tokens.revoke(visit.work, token_id)
    return _back(token.organisation_id, "revoked")


# Webhooks


@pages.act("/organisations/{organisation_id}/exchange/webhooks", again=show)
async def make_webhook(visit: Visit, organisation_id: int) -> Page:
    webhook, secret = await webhooks.make(
        visit.work,
        organisation_id,
        _text(visit, "webhook_name"),
        _text(visit, "url"),
        _texts(visit, "kind"),
        private=visit.request.app[PRIVATE_WEBHOOKS],
    )
    return _secret(secret, organisation_id, name=webhook.name, what="webhook")


@pages.look("/exchange/webhooks/{webhook_id}")
async def show_webhook(visit: Visit, webhook_id: int) -> Page:
    webhook = await webhooks.managed(visit.work, webhook_id)
    return Page(
        "console/exchange/webhook",
        {
            "webhook": webhook,
            "dispatches": await webhooks.latest(visit.work, webhook_id),
            "kinds": [kind.value for kind in events.SUBSCRIBABLE],
        },
    )


@pages.act("/exchange/webhooks/{webhook_id}/kinds", again=show_webhook)
async def subscribe(visit: Visit, webhook_id: int) -> Goto:
    await webhooks.subscribe(visit.work, webhook_id, _texts(visit, "kind"))
    return Goto(f"/exchange/webhooks/{webhook_id}", done="saved")


@pages.act("/exchange/webhooks/{webhook_id}/rotate", again=show_webhook)
async def rotate(visit: Visit, webhook_id: int) -> Page:
    webhook, secret = await webhooks.rotate(visit.work, webhook_id)
    return _secret(secret, webhook.organisation_id, name=webhook.name, what="rotated")


@pages.act("/exchange/webhooks/{webhook_id}/ping", again=show_webhook)
async def ping(visit: Visit, webhook_id: int) -> Goto:
    await webhooks.ping(visit.work, webhook_id)
    return Goto(f"/exchange/webhooks/{webhook_id}", done="sending")


@pages.act("/exchange/webhooks/{webhook_id}/on", again=show_webhook)
async def switch_on(visit: Visit, webhook_id: int) -> Goto:
    await webhooks.switch(visit.work, webhook_id, on=True)
    return Goto(f"/exchange/webhooks/{webhook_id}", done="saved")


@pages.act("/exchange/webhooks/{webhook_id}/off", again=show_webhook)
async def switch_off(visit: Visit, webhook_id: int) -> Goto:
    await webhooks.switch(visit.work, webhook_id, on=False)
    return Goto(f"/exchange/webhooks/{webhook_id}", done="saved")


@pages.act("/exchange/webhooks/{webhook_id}/remove", again=show_webhook)
async def remove(visit: Visit, webhook_id: int) -> Goto:
    webhook = await webhooks.remove(visit.work, webhook_id)
    return _back(webhook.organisation_id)


@pages.act("/exchange/dispatches/{dispatch_id}/retry")
async def retry(visit: Visit, dispatch_id: int) -> Goto:
    dispatch = await webhooks.retry(visit.work, dispatch_id)
    return Goto(f"/exchange/webhooks/{dispatch.webhook_id}", done="sending")


# The calendar


@pages.act("/organisations/{organisation_id}/exchange/calendar", again=show)
async def renew_calendar(visit: Visit, organisation_id: int) -> Goto:
    await feeds.renew_of_organisation(visit.work, organisation_id)
    return _back(organisation_id)


@pages.act("/organisations/{organisation_id}/exchange/calendar/revoke", again=show)
async def revoke_calendar(visit: Visit, organisation_id: int) -> Goto:
    await feeds.revoke_of_organisation(visit.work, organisation_id)
    return _back(organisation_id, "revoked")
