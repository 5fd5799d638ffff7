"""People, what each may do, and what each has done."""

from __future__ import annotations

from tortoise import fields
from tortoise.indexes import Index

from core.store.models.table import Model


class PersonRow(Model):
    """A person who was invited, or changed, from chat. settings_said is what the settings said then, if anything."""

    user_id = fields.BigIntField(primary_key=True, generated=False)
    name = fields.CharField(max_length=60)
    role = fields.CharField(max_length=20)
    accounts: dict[str, str] = fields.JSONField()  # another role by account, empty: it is not seen
    time_zone = fields.CharField(max_length=64)
    removed = fields.BooleanField(default=False)
    settings_said = fields.TextField(default="")
    added_by = fields.CharField(max_length=100)
    added_at = fields.DatetimeField()
    changed_by = fields.CharField(max_length=100)
    changed_at = fields.DatetimeField()

    class Meta:
        table = "people"


class InvitationRow(Model):
    """A code that makes the first who sends it a user. Only its SHA-256 is kept."""

    digest = fields.CharField(max_length=64, primary_key=True)
    name = fields.CharField(max_length=60)
    role = fields.CharField(max_length=20)
    accounts: dict[str, str] = fields.JSONField()
    invited_by = fields.CharField(max_length=100)
    invited_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    used_by = fields.BigIntField(null=True)
    used_at = fields.DatetimeField(null=True)

    class Meta:
        table = "invitations"


class RightsRow(Model):
    """What a person was last known to be allowed, and how often that has changed."""

    user_id = fields.BigIntField(primary_key=True, generated=False)
    shape = fields.TextField()
    generation = fields.IntField()
    at = fields.DatetimeField()

    class Meta:
        table = "rights"


class TotpRow(Model):
    """The second factor of a person: a sealed seed, the last time step that was used, and what was guessed wrong."""

    user_id = fields.BigIntField(primary_key=True, generated=False)
    sealed = fields.TextField()
    enrolled_at = fields.DatetimeField()
    used_step = fields.BigIntField(default=0)
    missed: list[str] = fields.JSONField()  # wrong codes since the last right one or lock
    missed_today: list[str] = fields.JSONField()
    locks = fields.IntField(default=0)
    locked_until = fields.DatetimeField(null=True)
    blocked = fields.BooleanField(default=False)

    class Meta:
        table = "totp"


class ApprovalRow(Model):
    """An action that waits for a second person, or has been decided. The fingerprint is of what it would do."""

    id = fields.BigIntField(primary_key=True)
    kind = fields.CharField(max_length=20)
    command = fields.CharField(max_length=40)
    args: list[str] = fields.JSONField()
    requester_id = fields.BigIntField()
    requester = fields.CharField(max_length=100)
    rights = fields.IntField()
    chat_id = fields.BigIntField()
    effect = fields.TextField()
    fingerprint = fields.CharField(max_length=64)
    asked_at = fields.DatetimeField()
    expires_at = fields.DatetimeField()
    state = fields.CharField(max_length=10)
    decided_by = fields.CharField(max_length=100, default="")
    decided_at = fields.DatetimeField(null=True)

    class Meta:
        table = "approvals"
        indexes = [Index(fields=("state", "expires_at"))]  # noqa: RUF012


class AuditLine(Model):
    """One line of the audit trail, hash covers the line and the hash before it."""

    seq = fields.BigIntField(primary_key=True)
    at = fields.DatetimeField()
    actor = fields.CharField(max_length=100)
    action = fields.CharField(max_length=60)
    detail = fields.TextField()
    outcome = fields.CharField(max_length=40)
    hash = fields.CharField(max_length=64)

    class Meta:
        table = "audit"
