"""The report form where telephones are old, fingers quick and connections break, in a real browser on a real intake."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from services.contracts.topics import CONTACT_RECEIVED
from tests.integration.intake.browser import in_thread
from tests.integration.intake.test_intake import contact_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.integration.intake.browser import Browser
    from tests.service_process import Service

pytestmark = pytest.mark.integration

SHOWN = "['form', 'sending', 'done'].filter((one) => !document.getElementById(one).hidden).join()"


@asynccontextmanager
async def breaking(url: str) -> AsyncIterator[str]:
    """An address in front of an intake whose first answer to a POST stands still between head and body, for ever."""
    port = int(url.rpartition(":")[2])
    broken = asyncio.Event()
    over: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, intake = await asyncio.open_connection("127.0.0.1", port)
        posted = False

        async def forth() -> None:
            nonlocal posted
            while data := await reader.read(1 << 16):
                posted = posted or data.startswith(b"POST")
                intake.write(data)

        async def back() -> None:
            while data := await answers.read(1 << 16):
                if posted and not broken.is_set():
                    broken.set()
                    writer.write(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
                    return
                writer.write(data)

        over.extend([asyncio.create_task(forth()), asyncio.create_task(back())])
        await asyncio.wait(over[-2:])
        writer.close()
        intake.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert broken.is_set()
    finally:
        server.close()
        for one in over:
            one.cancel()
        await asyncio.sleep(0.1)


def before_the_page(browser: Browser, script: str) -> None:
    browser.devtools("Page.enable")
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=script)


async def test_an_answer_that_breaks_off_behind_its_head_is_asked_for_again_and_counts_once(
    form: Service, browser: Browser
) -> None:
    async with breaking(form.url) as address:

        def send() -> str:
            browser.open(f"{address}/report")
            browser.type("#account", "0123456789")
            browser.click("#send")
            browser.wait(f"{SHOWN} === 'done'", seconds=60)
            return browser.text("#ticket")

        ref = await in_thread(send)
    contacts = [contact_of(record) for record in await form.records(CONTACT_RECEIVED)]
    assert {contact.ticket_ref for contact in contacts} == {ref}
    assert len({contact.source_event_id for contact in contacts}) == 1


async def test_a_telephone_of_before_2020_sees_its_ticket(form: Service, browser: Browser) -> None:
    def send() -> str:
        before_the_page(browser, "delete Element.prototype.replaceChildren")
        browser.open(f"{form.url}/report")
        browser.type("#account", "0123456789")
        browser.click("#send")
        browser.wait(f"{SHOWN} === 'done'", seconds=15)
        browser.wait("document.querySelector('#status p')")
        return browser.text("#ticket")

    assert await in_thread(send)
    assert len(await form.records(CONTACT_RECEIVED)) == 1


async def test_where_the_script_does_not_run_there_is_a_number_to_call_and_nothing_that_does_nothing(
    form: Service, browser: Browser
) -> None:
    def look() -> tuple[str, str]:
        seen = []
        # Once without any JavaScript, once in a browser that is too old for this script and ends it at its beginning.
        for off, script in ((True, ""), (False, "Object.defineProperty(window, 'JSON', { get() { throw 1; } })")):
            before_the_page(browser, script)
            browser.devtools("Emulation.setScriptExecutionDisabled", value=off)
            browser.open(f"{form.url}/report")
            nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
            told = [(one["role"]["value"], one.get("name", {}).get("value", "")) for one in nodes if not one["ignored"]]
            assert [role for role, _ in told if role in {"button", "textbox", "DisclosureTriangle"}] == []
            seen.append(" ".join(name for role, name in told if role == "StaticText"))
        return seen[0], seen[1]

    without, old = await in_thread(look)
    assert "此浏览器无法使用本页面" in without
    assert "此浏览器无法使用本页面" in old


async def test_a_second_tap_does_not_put_the_ticket_away_and_who_does_can_still_ask_for_it(
    form: Service, browser: Browser
) -> None:
    def twice() -> tuple[str, str]:
        browser.open(f"{form.url}/report")
        browser.type("#account", "0123456789")
        # The second tap falls where "report another place" has come to lie, as soon as it lies there.
        browser.run("""new MutationObserver((_, watching) => {
            if (document.getElementById('done').hidden) return;
            watching.disconnect(); document.getElementById('again').click();
        }).observe(document.getElementById('done'), { attributes: true })""")
        browser.click("#send")
        browser.wait(f"{SHOWN} === 'done'")
        ref = browser.text("#ticket")
        browser.wait(f"(document.getElementById('again').click(), {SHOWN} === 'form')")
        browser.click("#ask summary")
        browser.click("#ask-form button")
        browser.wait("document.querySelector('#ask-answer p')")
        return ref, browser.run("return document.getElementById('ask-ref').value")

    ref, kept = await in_thread(twice)
    assert ref
    assert kept == ref


async def test_what_is_wrong_is_marked_for_eye_and_ear(form: Service, browser: Browser) -> None:
    def marked() -> list[str]:
        found: list[str] = browser.run(
            "return [...document.querySelectorAll('[aria-invalid=true]')].map((one) => one.id)"
        )
        return found

    def look() -> None:
        browser.open(f"{form.url}/report?lang=en")
        browser.click("#send")
        assert marked() == ["account", "address"]
        browser.type("#account", "0123456789")
        browser.type("#phone", "138")
        browser.click("#send")
        assert marked() == ["phone"]
        nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
        (phone,) = (
            one for one in nodes if one.get("name", {}).get("value") == "Mobile number" and "description" in one
        )
        assert "please check: Mobile number" in phone["description"]["value"]

    await in_thread(look)


async def test_a_photo_goes_through_a_slow_network_and_those_beyond_the_sixth_are_not_said_to_be_sent(
    form: Service, browser: Browser, tmp_path: Path
) -> None:
    def fill_in() -> tuple[str, str]:
        browser.open(f"{form.url}/report?lang=en")
        browser.type("#account", "0123456789")
        browser.click("#send")
        browser.wait(f"{SHOWN} === 'done'")
        state = "document.getElementById('photos-state').textContent"
        few = [tmp_path / f"{one}.jpg" for one in range(8)]
        for one in few:
            Image.new("RGB", (30, 20), "blue").save(one)
        browser.type("#photos", "\n".join(map(str, few)))
        browser.wait(f"{state}.startsWith('Photos sent:')")
        first = browser.run(f"return {state}")
        grain = Image.effect_noise((1600, 1200), 90)
        grain.save(tmp_path / "grain.jpg", quality=80)
        size = (tmp_path / "grain.jpg").stat().st_size
        browser.devtools("Network.enable")
        slow = size / 25  # bytes a second: 25 seconds for the photo
        browser.devtools(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=slow
        )
        browser.type("#photos", str(tmp_path / "grain.jpg"))
        browser.wait(f"{state}.startsWith('Photos sent: 1') || {state}.startsWith('Photos sent: 0')", seconds=100)
        return first, browser.run(f"return {state}")

    first, slow = await in_thread(fill_in)
    assert first.startswith("Photos sent: 6 of 8.")
    assert slow == "Photos sent: 1."


async def test_a_word_longer_than_the_telephone_is_wide_breaks(form: Service, browser: Browser) -> None:
    """Uyghur and German have them; whoever must move the page sideways does not see what is on its other side."""

    def widest() -> int:
        browser.open(f"{form.url}/report")
        browser.run(
            "for (const one of document.querySelectorAll('h1, p, label, button')) one.textContent = 'ئ'.repeat(99)"
        )
        width: int = browser.run("return document.documentElement.scrollWidth")
        return width

    assert await in_thread(widest) <= 360
