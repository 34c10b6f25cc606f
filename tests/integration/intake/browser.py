"""A real Chromium, spoken to over the W3C WebDriver protocol: JSON over HTTP to Debian's chromedriver.

As much of the protocol as the tests use; a client library would be larger than all the tests that need it.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from deploy.native.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

REQUIRE = "GRIDLINE_REQUIRE_BROWSER"
MISSING = "chromium and chromedriver are not on PATH; get them with `apt-get install chromium chromium-driver`"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for a reference to an element
_QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
)


def binaries() -> tuple[str, str]:
    """Paths of the browser and its driver; without them the test is skipped, or fails where they are required."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{MISSING}; {REQUIRE}=1 requires them")
        pytest.skip(MISSING)
    return browser, driver


@dataclass
class Browser:
    """One browser window the size of a telephone's, with nothing remembered from before."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60))
    session: str = ""

    def start(self, language: str = "zh-CN") -> None:
        browser, driver = binaries()
        with (self.folder / "chromedriver.log").open("wb") as log:
            self.process = subprocess.Popen([driver, f"--port={self.port}"], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while True:
            try:
                if self.http.get(f"http://127.0.0.1:{self.port}/status").json()["value"]["ready"]:
                    break
            except httpx.TransportError:
                assert time.monotonic() < end, "chromedriver does not answer"
                time.sleep(0.05)
        arguments = [*_QUIET, f"--user-data-dir={self.folder / 'profile'}", f"--lang={language}"]
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": browser,
                "args": arguments,
                "prefs": {"intl.accept_languages": language},
                "mobileEmulation": {"deviceMetrics": {"width": 360, "height": 740, "pixelRatio": 2, "touch": True}},
            },
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        opened = self._call("", {"capabilities": {"alwaysMatch": wanted}})
        self.session = opened["sessionId"]

    def stop(self) -> None:
        if self.session:
            self.http.delete(f"http://127.0.0.1:{self.port}/session/{self.session}")
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
        self.http.close()

    def _call(self, command: str, arguments: dict[str, Any]) -> Any:
        path = f"/session/{self.session}{command}" if self.session else "/session"
        answer = self.http.post(f"http://127.0.0.1:{self.port}{path}", json=arguments)
        value = answer.json()["value"]
        assert answer.status_code == 200, value
        return value

    def open(self, url: str) -> None:
        self._call("/url", {"url": url})

    def run(self, script: str, *arguments: Any) -> Any:
        return self._call("/execute/sync", {"script": script, "args": list(arguments)})

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self._call("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def element(self, selector: str) -> str:
        found: str = self._call("/element", {"using": "css selector", "value": selector})[_ELEMENT]
        return found

    def click(self, selector: str) -> None:
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        self._call(f"/element/{self.element(selector)}/click", {})

    def type(self, selector: str, text: str) -> None:
        self._call(f"/element/{self.element(selector)}/value", {"text": text})

    def press(self, key: str, code: int) -> None:
        """Press a key wherever the focus is, as a keyboard does."""
        typed = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            about = {"key": key, "code": key, "windowsVirtualKeyCode": code, **(typed if kind == "keyDown" else {})}
            self.devtools("Input.dispatchKeyEvent", type=kind, **about)

    def cut_off(self, now: bool) -> None:
        """Take the window's network away, or give it back."""
        self.devtools("Network.enable")
        network = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.devtools("Network.emulateNetworkConditions", offline=now, **network)

    def back(self) -> None:
        self._call("/back", {})

    def window(self) -> str:
        """Return the handle of the window that is spoken to."""
        found: str = self.http.get(f"http://127.0.0.1:{self.port}/session/{self.session}/window").json()["value"]
        return found

    def go_to(self, window: str) -> None:
        self._call("/window", {"handle": window})

    def new_tab(self) -> str:
        """Open a second tab of the same person and go to it."""
        handle: str = self._call("/window/new", {"type": "tab"})["handle"]
        self.go_to(handle)
        return handle

    def text(self, selector: str) -> str:
        found: str = self.run("return document.querySelector(arguments[0]).innerText", selector)
        return found

    def wait(self, condition: str, *arguments: Any, seconds: float = 40) -> Any:
        """Wait until a script returns something true, and return it."""
        end = time.monotonic() + seconds
        while not (found := self.run(f"return {condition}", *arguments)):
            assert time.monotonic() < end, f"not in {seconds} s: {condition}\n{self.text('body')}\n{self.complaints()}"
            time.sleep(0.05)
        return found

    def complaints(self) -> list[str]:
        """What the browser complained of: errors of scripts, and what the policy kept from running."""
        return [entry["message"] for entry in self._call("/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]

    def picture(self, path: Path) -> None:
        """Write a screenshot of the whole page."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))


async def in_thread(call: Any, *arguments: Any, **named: Any) -> Any:
    return await asyncio.to_thread(call, *arguments, **named)
