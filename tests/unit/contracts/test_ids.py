"""Ids are functions of their cause, and a reference survives being spoken."""

from __future__ import annotations

from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts import ids

uuids = st.uuids()


def test_the_same_event_of_the_same_source_has_the_same_contact_id_for_ever():
    assert ids.contact_id("ivr-beijing", "call-1") == UUID("8a6d7a7a-eb3d-58c3-8cac-45f914142237")


@given(st.text(max_size=20), uuids, st.integers())
def test_an_id_is_the_uuid5_of_its_parts(kind: str, one: UUID, two: int):
    assert ids.derive(kind, one, two) == uuid5(ids.NAMESPACE, f"{kind}\x1f{one}\x1f{two}")


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_two_events_share_an_id_only_if_source_and_event_id_are_equal(one: str, event: str, two: str, other: str):
    if "\x1f" in one + event + two + other:
        return  # refused at the door: the separator cannot be in a field
    assert (ids.contact_id(one, event) == ids.contact_id(two, other)) == ((one, event) == (two, other))


def test_a_contact_without_a_thread_opens_a_ticket_of_its_own():
    contact = ids.contact_id("web", "1")
    assert ids.ticket_id("web", None, contact) == contact
    assert ids.ticket_id("ivr", "call-1", contact) == ids.ticket_id("ivr", "call-1", ids.contact_id("ivr", "2"))


@given(uuids)
def test_a_reference_is_read_back_as_people_say_it(ticket: UUID):
    reference = ids.ticket_ref(ticket)
    assert len(reference) == 13
    assert ids.parse_ticket_ref(reference) == reference
    spoken = reference.replace("-", " ").lower().replace("0", "o").replace("1", "l")
    assert ids.parse_ticket_ref(spoken) == reference


@pytest.mark.parametrize(
    "typed",
    [
        "７ｋ３ｍ－９ｑｐｘ－２ｈｒ",  # by a Chinese keyboard
        "7K3M　9QPX　2HR",
        "7K3M—9QPX–2HR",  # a phone makes dashes of hyphens
        "7K3M\u20119QPX\u22122HR",
        "\u200b7K3M-9QPX-2HR\xa0\n",  # copied from a chat
    ],
)
def test_a_reference_is_read_as_keyboards_write_it_and_chats_copy_it(typed: str):
    assert ids.parse_ticket_ref(typed) == "7K3M-9QPX-2HR"


@given(uuids, st.integers(0, 10), st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_any_single_wrong_character_is_caught(ticket: UUID, at: int, wrong: str):
    plain = ids.ticket_ref(ticket).replace("-", "")
    if plain[at] == wrong:
        return
    with pytest.raises(ValueError, match="check character"):
        ids.parse_ticket_ref(plain[:at] + wrong + plain[at + 1 :])


@pytest.mark.parametrize(("text", "why"), [("7K3M", "11 characters"), ("7K3M-9QPX-2H!", "only digits"), ("", "11")])
def test_what_is_no_reference_is_refused_with_a_reason(text: str, why: str):
    with pytest.raises(ValueError, match=why):
        ids.parse_ticket_ref(text)
