"""How alerts reach people."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from core.settings.alerting import EscalationSettings, RouteSettings
from core.settings.channels import EmailSettings, WebhookSettings, checked_apprise
from core.settings.section import Section


class AlertSettings(Section):
    """The channels beside Telegram."""

    email: EmailSettings | None = Field(None, description="The mail server that alerts are handed to.")
    webhook: WebhookSettings | None = Field(None, description="An address of your own that gets alerts as signed JSON.")
    apprise: tuple[SecretStr, ...] = Field(
        (), description="The house's own addresses in apprise's form: ntfy, Pushover, Slack, SMS and many more."
    )
    routes: tuple[RouteSettings, ...] = Field((), description="Who hears of what over which channels.")
    escalation: EscalationSettings = Field(
        default_factory=EscalationSettings, description="How a CRITICAL alert goes on until somebody acknowledges it."
    )

    @field_validator("apprise")
    @classmethod
    def _addresses(cls, urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        return checked_apprise(urls)
