"""The durable side of the chat: what has come in, what waits for a yes, what a chat remembers."""

from __future__ import annotations

from tortoise import fields

from core.store.models.table import Model


class InboxRow(Model):
    """One chat update as it came, stored before it is acknowledged."""

    update_id = fields.BigIntField(primary_key=True, generated=False)
    payload = fields.TextField()
    received_at = fields.DatetimeField()
    begun = fields.BooleanField(default=False)
    outcome = fields.CharField(max_length=20, default="", db_index=True)

    class Meta:
        table = "inbox"


class TicketRow(Model):
    """What a button stands for: single use, bound to a chat, a message and (for confirmations) a user."""

    nonce = fields.CharField(max_length=32, primary_key=True)
    action = fields.CharField(max_length=40)
    args: dict[str, str] = fields.JSONField()
    user_id = fields.BigIntField(null=True)
    chat_id = fields.BigIntField()
    message_id = fields.BigIntField(null=True)
    confirms = fields.BooleanField()
    minted_at = fields.DatetimeField()
    expires_at = fields.DatetimeField(null=True)
    used_at = fields.DatetimeField(null=True)
    stage = fields.CharField(max_length=8, db_default="")  # code: redeemed by a code, never by a press
    rights = fields.IntField(db_default=0)  # which state of its person's rights it was asked under

    class Meta:
        table = "tickets"


class ChatMemoryRow(Model):
    """What the bot remembers of a chat: the id of its live message, for example."""

    id = fields.BigIntField(primary_key=True)
    chat_id = fields.BigIntField()
    key = fields.CharField(max_length=40)
    value = fields.TextField()

    class Meta:
        table = "chat_memory"
        unique_together = (("chat_id", "key"),)
