"""The examples of README and of the guides to desktops and to crews run as they are written, on the four services.

Changed are the ports alone, and that the stream, which has no end, is left after a moment. An answer that is an error
ends the script with an exit status.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.integration.ops.scene import Scene
from tests.service_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the examples need curl"),
]

RESTORED = "sleep 2; curl 'http://127.0.0.1:8003/v1/incidents?state=restored' -H 'X-API-Key: gridline-dev-desk-key'"
SHIPPED_PORTS = {"intake": 8001, "router": 8002, "dedup": 8003, "notify": 8004}


@pytest.fixture
def scene(kafka_bootstrap: str, database_dsn: str, unique_name: str, tmp_path: Path) -> Iterator[Scene]:
    made = Scene(kafka_bootstrap, database_dsn, f"{unique_name}.", tmp_path)
    made.services["intake"].own["produce_deadline_s"] = "30"  # a Kafka that is only slow is waited for
    yield made
    made.stop()


def examples(page: str) -> list[str]:
    """Return a page's blocks of shell that ask a service, except those whose reader must put in something of theirs."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [one for one in blocks if "curl" in one and "$OTHER" not in one]


def run(scene: Scene, folder: Path, script: str) -> str:
    """Run what a reader would paste; return what it prints."""
    for name, shipped in SHIPPED_PORTS.items():
        script = script.replace(f"127.0.0.1:{shipped}", f"127.0.0.1:{scene.ports[name]}")
    script = re.sub(r"^(curl -N .*)$", r"timeout 3 \1 || [ $? = 124 ]", script, flags=re.MULTILINE)
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n", encoding="ascii")
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    ran = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script],
        check=False,
        capture_output=True,
        text=True,
        env=environment | {"CURL_HOME": str(folder)},
        timeout=120,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


async def test_the_examples_run_as_they_are_written(scene: Scene, tmp_path: Path) -> None:
    await scene.start()
    readme, desktop = examples("README.md"), examples("docs/agent-desktop.md")
    said = await asyncio.to_thread(run, scene, tmp_path, "\n".join(readme))
    assert said.count('"ticket_ref"') == 4, "a call, a site, a text message, a chat"
    said = await asyncio.to_thread(run, scene, tmp_path, "\n".join(desktop))
    assert '"kpis":[' in said
    await asyncio.to_thread(run, scene, tmp_path, "\n".join(examples("docs/field-repair.md")))
    said = await asyncio.to_thread(run, scene, tmp_path, RESTORED)
    assert '"stage":"restored"' in said, "what the crew said is known"
    # The control: what is refused is no success.
    with pytest.raises(AssertionError, match="401"):
        await asyncio.to_thread(run, scene, tmp_path, readme[0].replace("gridline-dev-ivr-key", "wrong"))
