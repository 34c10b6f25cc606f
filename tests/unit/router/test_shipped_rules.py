"""The shipped routes.yaml and classify.yaml, as an operator of the hotline would read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from services.contracts.values import Channel, CustomerClass, Priority, TicketState
from services.router.domain.deciding import settle
from tests.unit.router.making import AT_HOME, NOON, NOWHERE, SHIPPED, after, contact, home_of

if TYPE_CHECKING:
    from services.router.domain.ticket import Located

TIBETAN = "གློག་ཆད་སོང་།"
UYGHUR = "ئەسسالامۇ ئەلەيكۇم"


@pytest.mark.parametrize(
    ("told", "located", "queue", "priority"),
    [
        ({"text": "家里停电了"}, AT_HOME, "repair", Priority.HIGH),
        ({"text": "The power is out"}, AT_HOME, "repair.en", Priority.HIGH),
        ({"text": TIBETAN, "business_type": "fault_report"}, AT_HOME, "repair.minority", Priority.HIGH),
        ({"text": "家里停电了"}, NOWHERE, "locate", Priority.HIGH),
        ({"text": "家里停电了", "final": False}, NOWHERE, "repair", Priority.HIGH),
        ({"text": "停电了"}, home_of(CustomerClass.LIFE_SUPPORT), "key_customers", Priority.URGENT),
        ({"text": "停电了"}, home_of(CustomerClass.IMPORTANT), "key_customers", Priority.URGENT),
        ({"text": "电线冒火花"}, home_of(CustomerClass.LIFE_SUPPORT), "emergency", Priority.EMERGENCY),
        ({"text": "电线冒火花"}, NOWHERE, "emergency", Priority.EMERGENCY),
        ({"text": "表扬师傅，昨天着火处理得很快"}, NOWHERE, "emergency", Priority.EMERGENCY),
        ({"hazard": True, "channel": Channel.PHONE}, AT_HOME, "emergency", Priority.EMERGENCY),
        ({"text": "电压不稳"}, AT_HOME, "power_quality", Priority.NORMAL),
        ({"text": "我要投诉"}, NOWHERE, "complaint", Priority.NORMAL),
        ({"text": "举报偷电"}, NOWHERE, "whistleblow", Priority.NORMAL),
        ({"text": "查电费"}, NOWHERE, "consultation", Priority.NORMAL),
        ({"text": "请问营业时间"}, NOWHERE, "consultation", Priority.NORMAL),
        ({"text": "申请过户"}, NOWHERE, "service_request", Priority.NORMAL),
        ({"text": "表扬抢修师傅"}, NOWHERE, "opinion", Priority.NORMAL),
        ({"text": "建议多设充电桩"}, NOWHERE, "opinion", Priority.NORMAL),
        ({"text": "What is my balance?"}, NOWHERE, "english", Priority.NORMAL),
        ({"text": UYGHUR}, NOWHERE, "minority_language", Priority.NORMAL),
        ({"business_type": "complaint", "language": "ko-CN"}, NOWHERE, "minority_language", Priority.NORMAL),
        ({"text": "你好"}, NOWHERE, "general", Priority.NORMAL),
        ({}, NOWHERE, "general", Priority.NORMAL),
    ],
)
def test_a_ticket_sits_where_its_people_are(
    told: dict[str, Any], located: Located, queue: str, priority: Priority
) -> None:
    ticket = after(contact(**told), located=located)
    assert (ticket.queue, ticket.priority) == (queue, priority)


@pytest.mark.parametrize(
    "text",
    [
        "收割机过去把线挂断了",
        "高压县断在河里",
        "沟边那线还躺着呢快来人",
        "两个男娃翻进配电室了",
        "翻到变压器台子上掏鸟蛋",
    ],
)
def test_a_danger_is_heard_however_it_is_told(text: str) -> None:
    assert after(contact(text=text), located=NOWHERE).priority is Priority.EMERGENCY


@pytest.mark.parametrize(
    ("text", "queue"),
    [
        ("电线杆上的警示牌掉下来了", "emergency"),  # only suspected: a person looks, no crew goes
        ("请查验线路, 预防火灾", "general"),
        ("申请查线, 以免引发火灾", "service_request"),
        ("家属用制氧机如何登记", "consultation"),
    ],
)
def test_what_is_to_be_prevented_or_is_of_no_wire_is_no_danger(text: str, queue: str) -> None:
    ticket = after(contact(text=text), located=AT_HOME)
    assert not ticket.classification.hazards
    assert ticket.queue == queue


@pytest.mark.parametrize(
    "text", ["电线发烫, 快来, 免得着火", "防止触电, 线已经掉在地上", "网线还好, 电线断了", "呼吸机没电了, 之前登记过"]
)
def test_a_danger_beside_what_is_to_be_prevented_is_still_one(text: str) -> None:
    assert after(contact(text=text), located=NOWHERE).priority is Priority.EMERGENCY


@pytest.mark.parametrize(
    ("text", "business_type", "fault"),
    [
        ("咋又黑了", "fault_report", "outage"),
        ("是不是停电了", "fault_report", "outage"),
        ("不是停电是电压太低", "fault_report", "voltage"),
        ("门口电缆老化了", "fault_report", "facility"),
        ("上午报的修没人接", "fault_report", "outage"),
        ("前面报修那个取消了吧", "consultation", None),
        ("我的增容批下来没", "enquiry", None),
        ("换个电表要收费吗", "consultation", None),
        ("到现在没赔我", "complaint", None),
        ("立杆没有经过我们同意", "complaint", None),
        ("他家线从墙外头接的不走表", "whistleblow", None),
        ("网站太难用", "opinion", None),
        ("想校一下电表", "service_request", None),
    ],
)
def test_what_is_wanted_is_heard_in_the_words_people_have_for_it(
    text: str, business_type: str, fault: str | None
) -> None:
    about = after(contact(text=text), located=NOWHERE).classification
    assert (about.business_type, about.fault) == (business_type, fault)


def test_a_report_that_dedup_gave_back_goes_to_those_who_locate() -> None:
    ticket = settle(after(contact(text="停电了")), answered=False, reason="device_unknown", rules=SHIPPED, now=NOON)
    assert (ticket.queue, ticket.state, ticket.needs_person) == ("locate", TicketState.QUEUED, "device_unknown")


def test_a_customer_who_speaks_again_is_tagged_and_goes_to_the_repair_desk() -> None:
    answered = settle(
        after(contact("e1", thread="c", text="停电了")), answered=True, reason="arrears", rules=SHIPPED, now=NOON
    )
    ticket = after(contact("e2", thread="c", minutes=1, text="我已经交费了，还是没电"), before=answered)
    assert (ticket.queue, ticket.state) == ("repair", TicketState.QUEUED)
    assert ticket.taken.tags == ("follow_up",)


def test_an_abandoned_call_is_tagged_for_a_call_back() -> None:
    ticket = after(contact(business_type="fault_report", unconfirmed=True, channel=Channel.PHONE))
    assert (ticket.queue, ticket.taken.tags) == ("repair", ("call_back",))


def test_the_ways_of_the_nine_business_types_are_declared() -> None:
    assert set(SHIPPED.keywords.business_types) >= {
        "fault_report",
        "consultation",
        "enquiry",
        "complaint",
        "whistleblow",
        "opinion",
        "suggestion",
        "praise",
        "service_request",
    }
