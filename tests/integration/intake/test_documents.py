"""The examples of the channels' documents run as they are written, against a real intake and Kafka.

What a reader would copy is what is run: the fenced blocks, shell in order as one script, Python each alone. Changed is
the port alone. Decided here: an answer that is an error fails its script, also where the document's curl shows it.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from PIL import Image

from services.contracts.topics import CONTACT_RECEIVED
from services.intake.channels.source import Sources
from services.intake.settings import IntakeSettings
from tests.integration.intake.test_intake import contact_of

if TYPE_CHECKING:
    from tests.service_process import Service

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the documents' examples need curl"),
]

DOCUMENTS = Path(__file__).resolve().parents[3] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SIGNS = "whsec_b25seSBhbiBleGFtcGxlLCBtYWtlIHlvdXIgb3duIQ=="
LONGEST_S = 120


def blocks(document: str, language: str) -> list[str]:
    text = (DOCUMENTS / document).read_text(encoding="utf-8")
    return [block for kind, block in BLOCK.findall(text) if kind == language]


def run(folder: Path, port: int, *command: str, script: str) -> str:
    """Run a script as its reader would, in a folder with a photo; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    # Of curl's own settings file: an error status ends with an exit status, and nothing but the answer is printed.
    (folder / ".curlrc").write_text("fail\nsilent\nshow-error\n", encoding="ascii")
    ran = subprocess.run(
        [*command, script.replace("127.0.0.1:8001", f"127.0.0.1:{port}")],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment | {"CURL_HOME": str(folder)},
        timeout=LONGEST_S,
    )
    assert ran.returncode == 0, f"{script}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


async def test_the_examples_of_the_documents_run_as_they_are_written(stopped_intake: Service, tmp_path: Path) -> None:
    photo = io.BytesIO()
    Image.new("RGB", (64, 48), "grey").save(photo, "JPEG")
    (tmp_path / "photo.jpg").write_bytes(photo.getvalue())
    (tmp_path / "photos").mkdir()
    shipped = yaml.safe_load(IntakeSettings.model_fields["sources_file"].default.read_text(encoding="utf-8"))
    shipped["web"]["web-dev"]["webhook_secrets"] = [SIGNS]
    sources = tmp_path / "sources.json"
    sources.write_text(json.dumps(shipped), encoding="utf-8")
    nobody = "http://127.0.0.1:9"  # no notify there: a caller hears that nothing is known
    stopped_intake.start(sources_file=str(sources), photos_folder=str(tmp_path / "photos"), notify_url=nobody)
    await stopped_intake.wait_ready()

    def shell(document: str) -> str:
        script = "".join(blocks(document, "sh"))
        return run(tmp_path, stopped_intake.port, "bash", "-euo", "pipefail", "-c", script=script)

    def python(document: str) -> list[str]:
        scripts = blocks(document, "python")
        return [run(tmp_path, stopped_intake.port, sys.executable, "-c", script=script) for script in scripts]

    said = await asyncio.to_thread(shell, "channels-phone-web.md")
    (shown,) = blocks("channels-phone-web.md", "json")
    heard, _ = json.JSONDecoder().raw_decode(said)
    assert heard.keys() == json.loads(shown).keys()
    assert {name: heard[name] for name in ("outage", "say_language")} == {
        "outage": "not_known",
        "say_language": "en-US",
    }
    calls, photos = await asyncio.to_thread(python, "channels-phone-web.md")
    assert len({line.split()[0] for line in calls.splitlines()}) == 1, "one call is one ticket"
    assert photos.startswith("202 ")

    said = await asyncio.to_thread(shell, "channels-wechat-sms.md")
    assert said.startswith("hello"), "the platform's check of the address is answered with what it sent"
    assert "停电报修" in said
    await asyncio.to_thread(python, "channels-wechat-sms.md")
    await asyncio.to_thread(python, "senders.md")

    contacts = [contact_of(record) for record in await stopped_intake.records(CONTACT_RECEIVED)]
    by_channel = {
        channel: [one for one in contacts if one.channel == channel] for channel in {c.channel for c in contacts}
    }
    assert {str(channel): len(found) for channel, found in by_channel.items()} == {
        "phone": 7,  # four doors, of which one call is told again in Python with two further events
        "web": 4,  # two reports, a photo, one that is signed
        "wechat": 1,
        "sms": 2,
        "api": 3,
    }


def test_the_sources_of_the_documents_are_read() -> None:
    accounts = yaml.safe_load(blocks("channels-wechat-sms.md", "yaml")[0])
    gateways = yaml.safe_load(
        blocks("channels-wechat-sms.md", "yaml")[1].replace('[<printf %s "$KEY" | sha256sum>]', f"[{'a' * 64}]")
    )
    read = Sources.model_validate({**accounts, **gateways})
    assert read.wechat["gh_3f2a9c01b7de"].appid == "wx0123456789abcdef"
    assert read.sms["aliyun-uplink"].provider == "aliyun"
