"""The vectors of docs/senders.md, by which a signer in another language is tried, are what intake takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.intake.channels.refusal import PayloadRefusedError
from services.intake.channels.source import Sources
from services.intake.credentials import Credentials
from services.intake.peer import Peer

PAGE = Path(__file__).parents[3] / "docs" / "senders.md"
VECTORS = re.findall(
    r"^\| `(whsec_\S+)` \| `(\S+)` \| `(\d+)` \| `(.+?)` \| `(v1,\S+)` \|$", PAGE.read_text("utf-8"), re.MULTILINE
)


def owner(secret: str, name: str, stamp: str, body: str, signature: str) -> str:
    sources = Sources.model_validate({"web": {"site": {"webhook_secrets": [secret]}}})
    headers = {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": signature}
    now = datetime.fromtimestamp(int(stamp), UTC)
    return Credentials(lambda: sources.web).signed(headers, body.encode(), Peer(), now).name


@pytest.mark.parametrize("vector", VECTORS, ids=lambda one: one[1])
def test_a_vector_of_the_page_is_taken(vector: tuple[str, str, str, str, str]):
    assert owner(*vector) == "site"


def test_control_there_are_vectors_and_another_body_is_refused():
    assert len(VECTORS) == 2
    assert any(not body.isascii() for _, _, _, body, _ in VECTORS)
    secret, name, stamp, body, signature = VECTORS[1]
    with pytest.raises(PayloadRefusedError):
        owner(secret, name, stamp, body + "\n", signature)
