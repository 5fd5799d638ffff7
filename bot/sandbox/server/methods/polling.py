"""How the bot receives updates: getUpdates, or a webhook."""

from __future__ import annotations

from typing import Any

from bot.sandbox.server.errors import bad_request
from bot.sandbox.server.methods.call import Call, method
from bot.sandbox.server.updates import wanted_kinds
from bot.sandbox.server.webhook import is_secret

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
    """Deliver updates there from now on; `getUpdates` then answers 409. This computer itself may do without TLS."""
    url, secret = call.params.text("url"), call.params.text("secret_token")
    if url and not url.lower().startswith(("https://", "http://127.0.0.1:")):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if secret and not is_secret(secret):
        raise bad_request("secret token contains unallowed characters")
    if call.params.has("allowed_updates"):
        call.world.updates.allow(wanted_kinds(call.params.json("allowed_updates")))
    if call.params.flag("drop_pending_updates"):
        call.world.updates.drop_all()
    limit = call.params.integer("max_connections", 40)
    hook = {"url": url, "max_connections": limit, "secret_token": secret}
    call.world.history.remember("webhook", hook if url else None)
    call.world.updates.wake()
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
    webhook = dict(call.world.history.setting("webhook", {"url": ""}))
    webhook.pop("secret_token", None)
    if error := call.world.webhook.error:
        webhook |= {"last_error_date": call.world.now(), "last_error_message": error}
    info = {
        **webhook, "has_custom_certificate": False, "pending_update_count": call.world.updates.count(),
    }  # fmt: skip
    kinds = call.world.history.setting("allowed_updates")
    return {**info, "allowed_updates": kinds} if kinds else info
