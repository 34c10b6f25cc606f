"""The report form left open, opened twice, gone back to, come back to, and used without a mouse or without eyes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from services.contracts.topics import CONTACT_RECEIVED
from tests.integration.intake.browser import in_thread
from tests.integration.intake.test_form_elsewhere import SHOWN
from tests.integration.intake.test_intake import contact_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.intake.browser import Browser
    from tests.service_process import Service
    from tests.unit.intake.notify_stand_in import NotifyStandIn

pytestmark = pytest.mark.integration

FOCUSED = "document.activeElement.id"
TAB, ENTER, SPACE = ("Tab", 9), ("Enter", 13), (" ", 32)

FAINT = """
const light = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
    .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (one) => {
  for (; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if (!/^rgba.*, 0\\)$/.test(colour)) return colour;
  }
  return 'rgb(255, 255, 255)';
};
return [...document.body.querySelectorAll('*')].filter((one) => one.checkVisibility() &&
  [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())).map((one) => {
    const [low, high] = [light(getComputedStyle(one).color), light(ground(one))].sort((a, b) => a - b);
    return [one.textContent.trim().slice(0, 30), (high + 0.05) / (low + 0.05)];
  }).filter(([, ratio]) => ratio < 4.5);
"""
"""What is shown and has less contrast than WCAG 2.2 AA asks of text (1.4.3), by relative luminance."""
SMALL = """
return [...document.querySelectorAll('a, button, summary, input')].filter((one) => one.checkVisibility()).map((one) => {
  const box = (one.closest('label') || one).getBoundingClientRect();
  return [one.id || one.textContent, Math.min(box.width, box.height)];
}).filter(([, size]) => size < 24);
"""
"""What is to be tapped and smaller than WCAG 2.2 AA asks (2.5.8)."""


def send(browser: Browser, account: str = "0123456789") -> str:
    browser.type("#account", account)
    browser.click("#send")
    browser.wait(f"{SHOWN} === 'done'")
    return browser.text("#ticket")


async def test_who_comes_back_another_day_reports_anew_and_can_still_ask_for_what_they_had(
    form: Service, browser: Browser
) -> None:
    """A page that still said "we have your report" would keep the next outage from being reported."""

    def come_back() -> None:
        browser.open(f"{form.url}/report?lang=en")
        first = send(browser)
        browser.open(f"{form.url}/report?lang=en")
        assert browser.text("#ticket") == first, "soon after, it is the ticket"
        browser.run(
            "const kept = JSON.parse(localStorage.getItem('gridline.ticket')); kept.at -= 13 * 3.6e6;"
            "localStorage.setItem('gridline.ticket', JSON.stringify(kept))"
        )
        browser.open(f"{form.url}/report?lang=en")
        assert browser.run(f"return {SHOWN}") == "form"
        second = send(browser, "0123456788")
        # The tab was left open over night, and is looked at again.
        browser.run(
            "const now = Date.now(); Date.now = () => now + 13 * 3.6e6;"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        assert browser.run(f"return {SHOWN}") == "form"
        browser.open(f"{form.url}/report?lang=en")
        assert browser.run("return document.getElementById('ask-ref').value") == second
        known = "[...document.querySelectorAll('#refs option')].map((one) => one.value)"
        assert browser.run(f"return {known}") == [second, first]

    def come_back_with_a_report_that_never_left_the_telephone() -> None:
        browser.type("#account", "0123456787")
        browser.run(
            """
            const report = { business_type: "fault_report", account_id: "0123456787" };
            report.reported_at = new Date(Date.now() - 13 * 3.6e6).toISOString();
            localStorage.setItem("gridline.pending", JSON.stringify({ key: "form-of-yesterday", report, tries: 3 }));
            """
        )
        browser.open(f"{form.url}/report?lang=en")
        assert browser.run(f"return {SHOWN}") == "form"
        assert browser.run("return document.getElementById('account').value") == "0123456787", "it is all there"
        assert browser.run("return localStorage.getItem('gridline.pending')") is None

    await in_thread(come_back)
    await in_thread(come_back_with_a_report_that_never_left_the_telephone)
    assert len(await form.records(CONTACT_RECEIVED)) == 2


async def test_two_tabs_and_the_page_gone_back_to_know_of_one_another(form: Service, browser: Browser) -> None:
    def twice() -> None:
        browser.open(f"{form.url}/report")
        one = browser.window()
        browser.type("#account", "0123456789")
        browser.cut_off(True)
        browser.click("#send")
        browser.wait("!document.getElementById('retry').hidden")
        two = browser.new_tab()
        browser.open(f"{form.url}/report")  # which has a network, and sends what the first has written down
        browser.wait(f"{SHOWN} === 'done'")
        ref = browser.text("#ticket")
        browser.go_to(one)
        browser.wait(f"{SHOWN} === 'done'", seconds=10)
        assert browser.text("#ticket") == ref
        # What one tab takes back, the other does not send.
        browser.wait(f"(document.getElementById('again').click(), {SHOWN} === 'form')")
        browser.type("#account", "0123456788")
        browser.click("#send")
        browser.wait("!document.getElementById('retry').hidden")
        browser.go_to(two)
        browser.cut_off(True)
        browser.wait(f"(document.getElementById('again').click(), {SHOWN} === 'form')")
        browser.run("localStorage.removeItem('gridline.pending')")
        browser.go_to(one)
        browser.wait(f"{SHOWN} === 'form'", seconds=10)
        assert browser.run("return document.getElementById('account').value") == "0123456788"
        browser.cut_off(False)

    def back() -> None:
        browser.run("localStorage.clear()")
        browser.open(f"{form.url}/report?lang=en")
        browser.type("#account", "0123456789")
        browser.click("nav a")
        assert browser.text("h1") == "停电报修"
        browser.click("#send")
        browser.wait(f"{SHOWN} === 'done'")
        ref = browser.text("#ticket")
        browser.back()
        browser.wait("document.querySelector('h1').innerText === 'Report a power cut'")
        browser.wait(f"{SHOWN} === 'done'", seconds=10)
        assert browser.text("#ticket") == ref

    await in_thread(twice)
    assert len({contact_of(one).source_event_id for one in await form.records(CONTACT_RECEIVED)}) == 1
    await in_thread(back)
    assert len({contact_of(one).source_event_id for one in await form.records(CONTACT_RECEIVED)}) == 2


async def test_the_keyboard_does_all_and_no_retry_takes_the_focus_away(form: Service, browser: Browser) -> None:
    def until(wanted: str) -> list[str]:
        """Press Tab until the focus is there, and see that each stop on the way shows it."""
        passed: list[str] = []
        while not passed or passed[-1] != wanted:
            browser.press(*TAB)
            passed.append(browser.run(f"return {FOCUSED} || document.activeElement.name || ''"))
            seen = "getComputedStyle(document.activeElement).outlineStyle"
            assert browser.run(f"return {seen}") != "none", f"no focus is seen at {passed}"
            assert len(passed) < 20, passed
        return passed

    def by_keyboard() -> None:
        browser.open(f"{form.url}/report?lang=en")
        browser.devtools("Browser.grantPermissions", permissions=["geolocation"])
        browser.devtools("Emulation.setGeolocationOverride", latitude=32.0603, longitude=118.7969, accuracy=18)
        until("locate")
        browser.press(*SPACE)
        browser.wait("document.getElementById('located').textContent.includes('18')")
        assert browser.run(f"return {FOCUSED}") == "locate", "a button that works keeps the focus"
        until("unlocate")
        browser.press(*SPACE)  # it is for somebody elsewhere
        assert browser.run("return JSON.parse(localStorage.getItem('gridline.draft')).position") is None
        assert browser.run(f"return {FOCUSED}") == "locate"
        until("account")
        browser.type("#account", "0123456789")
        browser.press(*ENTER)  # as a telephone's "next": it goes on, and sends nothing
        assert browser.run(f"return {FOCUSED}") == "address"
        assert until("text") == ["extent", "hazard", "phone", "text"]
        until("send")
        browser.cut_off(True)
        browser.press(*ENTER)
        browser.wait("!document.getElementById('retry').hidden")
        assert browser.run(f"return {FOCUSED}") == "sending-title"
        tries = "JSON.parse(localStorage.getItem('gridline.pending')).tries"
        # Who waits reads on, or asks for another ticket: the retries go on without them.
        until("change")
        seen = browser.run(f"return {tries}")
        browser.wait(f"{tries} > {seen}")
        assert browser.run(f"return {FOCUSED}") == "change"
        browser.press(*TAB)
        browser.press(*ENTER)
        until("ask-ref")
        seen = browser.run(f"return {tries}")
        browser.wait(f"{tries} > {seen}")
        assert browser.run(f"return {FOCUSED}") == "ask-ref"
        browser.cut_off(False)
        browser.wait(f"{SHOWN} === 'done'")
        assert browser.run(f"return {FOCUSED}") == "ask-ref"

    await in_thread(by_keyboard)
    assert len(await form.records(CONTACT_RECEIVED)) == 1


async def test_every_state_can_be_read_tapped_and_written_in_whatever_script(form: Service, browser: Browser) -> None:
    def nameless() -> list[str]:
        nodes: list[dict[str, Any]] = browser.devtools("Accessibility.getFullAXTree")["nodes"]
        operated = {"button", "textbox", "radio", "checkbox", "link", "DisclosureTriangle", "combobox"}
        told = [one for one in nodes if not one["ignored"] and one["role"]["value"] in operated]
        assert len(told) > 3
        return [one["role"]["value"] for one in told if not one.get("name", {}).get("value")]

    def look(state: str) -> None:
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            browser.devtools("Emulation.setEmulatedMedia", features=[feature])
            assert browser.run(FAINT) == [], f"{state}, {scheme}"
        assert browser.run(SMALL) == [], state
        assert nameless() == [], state

    def all_states() -> None:
        browser.open(f"{form.url}/report")
        look("form")
        browser.click("#send")
        assert browser.run("return document.querySelectorAll('[aria-invalid=true]').length") == 2
        look("faults")
        browser.type("#address", "ئۈرۈمچى شەھىرى 12")  # the one that is given is enough, and neither is wrong any more
        assert browser.run("return document.querySelectorAll('[aria-invalid=true]').length") == 0
        browser.run("document.getElementById('text').value = 'قازاقشا توك جوق 😀'")
        way = "getComputedStyle(document.getElementById(arguments[0])).direction"
        assert [browser.run(f"return {way}", one) for one in ("address", "text", "account")] == ["rtl", "rtl", "ltr"]
        browser.cut_off(True)
        browser.click("#send")
        browser.wait("!document.getElementById('retry').hidden")
        look("waiting")
        browser.cut_off(False)
        browser.wait(f"{SHOWN} === 'done' && document.querySelector('#status p')")
        browser.click("#ask summary")
        look("done")
        browser.run("document.getElementById('ticket').style.color = '#555'")
        assert len(browser.run(FAINT)) == 1, "the control: what is faint is found"

    await in_thread(all_states)


async def test_a_status_that_cannot_be_had_says_so_and_photos_stay_with_their_report(
    form: Service, browser: Browser, notify: NotifyStandIn, tmp_path: Path
) -> None:
    """And whatever notify says is text, in whichever direction it is written."""

    def ask() -> None:
        notify.text = "<img src=x onerror=alert(1)> توك كەلدى"
        browser.open(f"{form.url}/report?lang=en")
        ref = send(browser)
        browser.wait("document.querySelector('#status p')")
        assert browser.text("#status") == notify.text
        assert browser.run("return document.querySelector('#status-at').innerText.match(/\\d\\d:\\d\\d/)")
        browser.click("#ask summary")
        browser.run("document.getElementById('ask-ref').value = arguments[0]", ref)
        browser.click("#ask-form button")
        browser.wait("document.querySelector('#ask-answer p')")
        assert browser.text("#ask-answer") == notify.text
        notify.status = 503
        browser.click("#refresh")
        browser.wait("document.querySelectorAll('#status p').length === 2")
        assert browser.text("#status").split("\n")[-1].startswith("What is happening cannot be shown now")
        browser.click("#ask-form button")
        browser.wait("!document.querySelector('#ask-answer').innerText.includes('<img')")
        notify.status = 200
        # Read aloud once, not each minute: what says the same stays as it is.
        browser.click("#refresh")
        browser.wait("document.querySelectorAll('#status p').length === 1")
        browser.run("window.told = document.querySelector('#status p')")
        asked = len(notify.reports)
        browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        browser.wait("true")
        while len(notify.reports) == asked:
            time.sleep(0.05)
        assert browser.run("return window.told.isConnected")

    def photos() -> None:
        browser.run("localStorage.clear()")
        browser.open(f"{form.url}/report?lang=en")
        send(browser)
        Image.effect_noise((1600, 1200), 90).save(tmp_path / "grain.jpg", quality=80)
        browser.devtools("Network.enable")
        network = {"offline": False, "latency": 0, "downloadThroughput": -1}
        browser.devtools("Network.emulateNetworkConditions", uploadThroughput=600_000, **network)
        browser.type("#photos", f"{tmp_path / 'grain.jpg'}\n{tmp_path / 'grain.jpg'}")
        browser.wait("document.getElementById('photos').disabled")
        browser.wait(f"(document.getElementById('again').click(), {SHOWN} === 'form')")
        send(browser, "0123456788")
        browser.wait("!document.getElementById('photos').disabled")
        assert browser.text("#photos-state") == "", "it would be taken for the second place's"

    await in_thread(ask)
    await in_thread(photos)
    contacts = [contact_of(one) for one in await form.records(CONTACT_RECEIVED)]
    reports = sorted((one for one in contacts if one.event == "report"), key=lambda one: one.received_at)
    assert {one.ticket_id for one in contacts if one.event == "photo"} == {reports[-2].ticket_id}
