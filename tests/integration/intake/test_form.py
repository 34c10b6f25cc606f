"""The report form in a real browser, on a real intake and Kafka: filled in by a citizen whose network fails."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import httpx
import pytest
from PIL import Image

from services.contracts.ids import parse_ticket_ref
from services.contracts.topics import CONTACT_RECEIVED
from services.contracts.values import Crs
from tests.integration.intake.browser import in_thread
from tests.integration.intake.test_intake import contact_of

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.native.kafka import KafkaBroker
    from tests.integration.intake.browser import Browser
    from tests.service_process import Service
    from tests.unit.intake.notify_stand_in import NotifyStandIn

pytestmark = pytest.mark.integration


def at(browser: Browser, lat: float, lon: float) -> None:
    browser.devtools("Browser.grantPermissions", permissions=["geolocation"])
    browser.devtools("Emulation.setGeolocationOverride", latitude=lat, longitude=lon, accuracy=18)


async def test_a_citizen_reports_with_their_position_and_a_photo_and_sees_what_happens(
    form: Service, browser: Browser, notify: NotifyStandIn, tmp_path: Path
) -> None:
    def fill_in() -> str:
        browser.open(f"{form.url}/report")
        at(browser, 32.0603, 118.7969)
        assert browser.text("h1") == "停电报修"
        browser.click("#send")
        assert "哪里停电" in browser.text("#faults")
        # What the form itself does not let anybody write, and the door refuses, is named as the form names it.
        browser.run("text.value = 'x'.repeat(5000); account.value = '0123456789'")
        browser.click("#send")
        browser.wait("document.getElementById('faults').textContent.includes('补充说明')")
        assert ["422" in one for one in browser.complaints()] == [True]
        browser.run("text.value = account.value = ''")
        browser.click("#locate")
        browser.wait("document.getElementById('located').textContent.includes('18')")
        browser.click("[name=extent][value=home]")
        browser.click("#hazard")
        browser.type("#phone", "138")  # nobody could be told of anything by it
        browser.click("#send")
        assert "手机号码" in browser.text("#faults")
        browser.type("#phone", "00138000")
        browser.type("#text", "楼道冒烟 <b>")
        browser.click("nav a")  # the other language keeps what was filled in
        assert browser.text("h1") == "Report a power cut"
        assert browser.run("return document.getElementById('text').value") == "楼道冒烟 <b>"
        browser.click("#send")
        browser.wait("document.getElementById('done').offsetParent !== null")
        browser.wait("document.querySelector('#status p')")
        return browser.text("#ticket")

    ref = await in_thread(fill_in)
    assert parse_ticket_ref(ref) == ref
    (record,) = await form.records(CONTACT_RECEIVED)
    contact = contact_of(record)
    assert (contact.ticket_ref, contact.source, contact.hazard) == (ref, "report-form", True)
    assert contact.position is not None
    assert (contact.position.lat, contact.position.lon, contact.position.crs) == (32.0603, 118.7969, Crs.WGS84)
    assert contact.position.accuracy_m == 18
    assert (contact.language, contact.text, contact.phone) == ("en", "楼道冒烟 <b>", "13800138000")
    assert contact.facts["single_premise"] is True
    assert notify.reports == [{"ticket_ref": ref, "language": "en"}]

    photo = tmp_path / "IMG_0001.jpg"
    exif = Image.Exif()
    exif[0x010F] = "SecretCamera"
    Image.new("RGB", (300, 200), "blue").save(photo, exif=exif)

    def add_photo() -> None:
        assert browser.text("#status") == notify.text
        browser.type("#photos", str(photo))
        browser.wait("/Photos sent: 1/.test(document.getElementById('photos-state').textContent)")
        browser.open(f"{form.url}/report")  # the ticket is still there when they come back
        browser.wait("document.getElementById('done').offsetParent !== null")
        assert browser.text("#ticket") == ref
        assert browser.complaints() == []

    await in_thread(add_photo)
    added = [found for found in map(contact_of, await form.records(CONTACT_RECEIVED)) if found.event == "photo"]
    assert [found.ticket_id for found in added] == [contact.ticket_id]
    stored = tmp_path / "photos" / added[0].attachments[0].ref
    assert b"SecretCamera" not in stored.read_bytes()
    assert Image.open(io.BytesIO(stored.read_bytes())).size == (300, 200)


@pytest.mark.usefixtures("hasty")
async def test_without_a_network_and_while_kafka_is_away_the_report_waits_and_arrives_once(
    kafka_broker: KafkaBroker, form: Service, browser: Browser
) -> None:
    def offline() -> None:
        browser.open(f"{form.url}/report")
        browser.type("#account", "0123456789")
        browser.cut_off(True)
        browser.click("#send")
        browser.wait("document.getElementById('sending-why').textContent.includes('没有网络')")
        kafka_broker.pause()
        browser.cut_off(False)
        browser.wait("document.getElementById('sending-why').textContent.includes('系统繁忙')")

    key = "return JSON.parse(localStorage.getItem('gridline.pending')).key"
    try:
        await in_thread(offline)
        before = await in_thread(browser.run, key)
        await in_thread(browser.open, f"{form.url}/report")  # closed and opened again: it goes on by itself
        assert await in_thread(browser.run, key) == before
    finally:
        kafka_broker.resume()
    await in_thread(kafka_broker.wait_ready)
    await in_thread(browser.wait, "document.getElementById('done').offsetParent !== null", seconds=120)
    ref = await in_thread(browser.text, "#ticket")
    contacts = [contact_of(record) for record in await form.records(CONTACT_RECEIVED)]
    assert {contact.source_event_id for contact in contacts} == {before}
    assert {contact.ticket_ref for contact in contacts} == {ref}
    assert {contact.raw_sha256 for contact in contacts} == {contacts[0].raw_sha256}


async def test_a_photo_that_is_none_and_a_key_used_twice_are_refused_and_the_report_stays(form: Service) -> None:
    async with httpx.AsyncClient(base_url=form.url, timeout=30) as client:

        async def report(text: str) -> httpx.Response:
            return await client.post("/v1/form/reports", json={"text": text}, headers={"Idempotency-Key": "k-1"})

        first = await report("停电")
        assert first.status_code == 202
        assert (await report("停电")).json() == first.json()
        other = await report("有电了")
        assert other.status_code == 422
        assert other.json()["title"] == "Key reused"
        photos = f"/v1/form/reports/{first.json()['contact_id']}/photos"
        headers = {"Idempotency-Key": "k-1", "Content-Type": "image/jpeg"}
        assert (await client.post(photos, content=b"<svg/>", headers=headers)).status_code == 415
        png = io.BytesIO()
        Image.new("RGB", (9, 9)).save(png, "PNG")
        stranger = await client.post(photos, content=png.getvalue(), headers={**headers, "Idempotency-Key": "k-2"})
        assert stranger.status_code == 422
        kept = await client.post(photos, content=png.getvalue(), headers=headers)
        assert kept.status_code == 202
        assert kept.json()["ticket_ref"] == first.json()["ticket_ref"]
        missing = await client.get("/v1/form/status", params={"ticket_ref": "nonsense"})
        assert missing.status_code == 422
    events = [contact_of(record).event for record in await form.records(CONTACT_RECEIVED)]
    assert sorted(events) == ["photo", "report", "report"]
    assert "Traceback" not in form.log
