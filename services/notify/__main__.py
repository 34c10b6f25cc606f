"""``python -m services.notify``: tells customers what is happening until the power is back."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from services.notify.api import make_router
from services.notify.delivery import Delivery, Patience
from services.notify.fan_out import FanOut
from services.notify.handler import NotifyHandler
from services.notify.morning import Morning
from services.notify.senders.log import LogSender
from services.notify.senders.webhook import WebhookSender
from services.notify.senders.wechat import WechatSender
from services.notify.settings import NotifySettings
from services.notify.timers import watch_estimates
from services.notify.wechat_file import read_wechat_accounts
from services.notify.wording import read_wording
from services.runtime.parts import Parts, Runtime
from services.runtime.service import run
from services.runtime.settings import SettingsError
from services.runtime.watched import Watched, watched_file
from services.runtime.yaml_reading import RulesError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from services.contracts.values import Channel
    from services.notify.senders import Sender
    from services.notify.wechat_file import WechatAccounts

SCHEMA = Path(__file__).parent / "schema.sql"


async def build(runtime: Runtime) -> Parts:
    """Make notify's parts.

    Raises:
        SettingsError: a file cannot be used; every fault has its line.
    """
    settings = runtime.settings
    if not isinstance(settings, NotifySettings):
        raise TypeError("notify runs on NotifySettings")
    try:
        templates = watched_file(settings.notify_templates, read_wording)
        accounts = watched_accounts(settings)
    except RulesError as error:
        raise SettingsError(f"files that do not fit:\n{error}") from None
    webhook = make_webhook(settings)
    wechat = None if accounts is None else make_wechat(settings, accounts)
    carriers: list[tuple[Sender, Sequence[Channel]]] = [(LogSender(), settings.channels_of("log"))]
    carriers += [(one, settings.channels_of(one.name)) for one in (webhook, wechat) if one is not None]
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
            per_second=settings.notify_per_second,
        ),
    )

    fan_out = FanOut(runtime.pool, templates, delivery.wake)

    def wake() -> None:
        delivery.wake()
        fan_out.wake()

    async def deliver() -> None:
        async with AsyncExitStack() as stack:
            for sender in (webhook, wechat):
                if sender is not None:
                    await stack.enter_async_context(sender)
            await delivery.run()

    async def watch() -> None:
        await watch_estimates(runtime.pool, templates, delivery.wake)

    return Parts(
        handler=NotifyHandler(templates, wake),
        routers=(make_router(runtime.pool, templates),),
        background=(deliver, fan_out.run, watch, Morning(runtime.pool, templates, delivery.wake).run),
        watched=(templates,) if accounts is None else (templates, accounts),
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
        ca_file=settings.notify_ca_file,
    )


def watched_accounts(settings: NotifySettings) -> Watched[WechatAccounts] | None:
    """Read the official accounts if WeChat's channel goes through them.

    Raises:
        RulesError: their file cannot be used; every fault has its line.
    """
    if settings.notify_wechat_file is None or not settings.channels_of("wechat"):
        return None
    return watched_file(settings.notify_wechat_file, read_wechat_accounts)


def make_wechat(settings: NotifySettings, accounts: Callable[[], WechatAccounts]) -> WechatSender:
    """Make the WeChat sender."""
    return WechatSender(
        accounts,
        settings.notify_wechat_api,
        timeout_s=settings.notify_call_seconds,
        connections=settings.notify_parallel_calls,
        ca_file=settings.notify_ca_file,
    )


if __name__ == "__main__":
    run("notify", NotifySettings, build, schema_sql=SCHEMA)
