"""Methods by which a bot takes its updates."""

from typing import Any

from playground.botapi.registry import Api, method
from playground.errors import bad_request
from playground.updates import Webhook


@method("getUpdates", offset="int?", limit="int?", timeout="int?", allowed_updates="array?")
async def get_updates(
    api: Api,
    offset: int = 0,
    limit: int = 100,
    timeout: int = 0,  # noqa: ASYNC109 - the method's own parameter
    allowed_updates: list[str] | None = None,
) -> Any:
    return await api.updates.poll(api.bot, offset, limit, timeout, allowed_updates)


@method(
    "setWebhook",
    url="str",
    certificate="file?",
    ip_address="str?",
    max_connections="int?",
    allowed_updates="array?",
    drop_pending_updates="bool?",
    secret_token="str?",  # noqa: S106 - a kind, not a secret
)
async def set_webhook(
    api: Api,
    url: str = "",
    secret_token: str = "",
    allowed_updates: list[str] | None = None,
    drop_pending_updates: bool = False,
    **_: Any,
) -> bool:
    if url and not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if drop_pending_updates:
        api.updates.of(api.bot).waiting.clear()
    api.updates.set_webhook(api.bot, Webhook(url, secret_token), allowed_updates)
    return True


@method("deleteWebhook", drop_pending_updates="bool?")
async def delete_webhook(api: Api, drop_pending_updates: bool = False) -> bool:
    if drop_pending_updates:
        api.updates.of(api.bot).waiting.clear()
    api.updates.set_webhook(api.bot, Webhook(), None)
    return True


@method("getWebhookInfo")
async def get_webhook_info(api: Api) -> Any:
    channel = api.updates.of(api.bot)
    info: dict[str, Any] = {
        "url": channel.webhook.url,
        "has_custom_certificate": False,
        "pending_update_count": len(channel.waiting),
    }
    if channel.allowed is not None:
        info["allowed_updates"] = sorted(channel.allowed)
    if channel.webhook.last_error:
        info["last_error_date"] = channel.webhook.last_error_date
        info["last_error_message"] = channel.webhook.last_error
    return info
