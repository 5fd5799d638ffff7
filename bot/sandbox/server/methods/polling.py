"""How the bot receives updates: getUpdates, and the state of a webhook."""

from __future__ import annotations

from typing import Any

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.methods.call import Call, method
from bot.sandbox.server.updates import wanted_kinds

_MOST_UPDATES = 100


@method("getUpdates")
async def get_updates(call: Call) -> list[dict[str, Any]]:
    """Waiting updates from `offset` on; waits up to `timeout` seconds for the first."""
    params, updates = call.params, call.world.updates
    if params.has("allowed_updates"):
        updates.allow(wanted_kinds(params.json("allowed_updates")))
    limit = min(max(params.integer("limit", _MOST_UPDATES), 1), _MOST_UPDATES)
    return await updates.poll(params.integer("offset"), limit, params.integer("timeout"))


@method("setWebhook")
def set_webhook(call: Call) -> bool:
    """Remember a webhook. The sandbox never calls it, but `getUpdates` then answers 409."""
    url = call.params.text("url")
    if url and not url.lower().startswith("https://"):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if call.params.has("allowed_updates"):
        call.world.updates.allow(wanted_kinds(call.params.json("allowed_updates")))
    if call.params.flag("drop_pending_updates"):
        call.world.updates.drop_all()
    limit = call.params.integer("max_connections", 40)
    call.world.history.remember("webhook", {"url": url, "max_connections": limit} if url else None)
    return True


@method("deleteWebhook")
def delete_webhook(call: Call) -> bool:
    """Forget the webhook."""
    if call.params.flag("drop_pending_updates"):
        call.world.updates.drop_all()
    call.world.history.remember("webhook", None)
    return True


@method("getWebhookInfo")
def get_webhook_info(call: Call) -> dict[str, Any]:
    """The webhook's state."""
    webhook = call.world.history.setting("webhook", {"url": ""})
    info = {
        **webhook, "has_custom_certificate": False, "pending_update_count": call.world.updates.count(),
    }  # fmt: skip
    kinds = call.world.history.setting("allowed_updates")
    return {**info, "allowed_updates": kinds} if kinds else info
