"""``python -m services.notify``: tells customers what is happening until the power is back."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from services.notify.api import make_router
from services.notify.delivery import Delivery, Patience
from services.notify.handler import NotifyHandler
from services.notify.senders.log import LogSender
from services.notify.senders.webhook import WebhookSender
from services.notify.settings import NotifySettings
from services.notify.templates import TemplateFile
from services.runtime.service import Parts, Runtime, run
from services.runtime.settings import SettingsError
from services.runtime.yaml_reading import RulesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.contracts.values import Channel
    from services.notify.senders import Sender

SCHEMA = Path(__file__).parent / "schema.sql"


async def build(runtime: Runtime) -> Parts:
    """Make notify's parts.

    Raises:
        SettingsError: the templates file has a fault.
    """
    settings = runtime.settings
    if not isinstance(settings, NotifySettings):
        raise TypeError("notify runs on NotifySettings")
    try:
        templates = TemplateFile(settings.notify_templates)
    except RulesError as error:
        raise SettingsError(f"the templates do not fit:\n{error}") from None
    webhook = make_webhook(settings)
    carriers: list[tuple[Sender, Sequence[Channel]]] = [(LogSender(), settings.channels_of("log"))]
    if webhook is not None:
        carriers.append((webhook, settings.channels_of("webhook")))
    delivery = Delivery(
        runtime.pool,
        templates,
        carriers,
        Patience(
            calls=settings.notify_parallel_calls,
            call_s=settings.notify_call_seconds,
            attempts=settings.notify_attempts,
            first_s=settings.notify_backoff_first_seconds,
            longest_s=settings.notify_backoff_longest_seconds,
        ),
    )

    async def deliver() -> None:
        async with AsyncExitStack() as stack:
            if webhook is not None:
                await stack.enter_async_context(webhook)
            await delivery.run()

    async def watch() -> None:
        await templates.watch(settings.notify_templates_seconds)

    return Parts(
        handler=NotifyHandler(templates, delivery.wake),
        routers=(make_router(runtime.pool, templates),),
        background=(deliver, watch),
    )


def make_webhook(settings: NotifySettings) -> WebhookSender | None:
    """Make the webhook sender if a channel goes through it."""
    if settings.notify_webhook_url is None or not settings.channels_of("webhook"):
        return None
    return WebhookSender(
        settings.notify_webhook_url.get_secret_value(),
        settings.webhook_keys(),
        timeout_s=settings.notify_call_seconds,
        connections=settings.notify_parallel_calls,
        ca_file=settings.notify_webhook_ca_file,
    )


if __name__ == "__main__":
    run("notify", NotifySettings, build, schema_sql=SCHEMA)
