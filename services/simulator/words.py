"""What people say, in Chinese and English.

Decided here: the wording of simulated customers: as they speak, not as any keyword list expects them to. Never here:
who says it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

Texts = Mapping[str, tuple[str, ...]]
"""Language, `zh` or `en`, to what people say in it."""


class Kind(StrEnum):
    """What a case is really about."""

    OUTAGE = "outage"
    HAZARD = "hazard"
    """Somebody sees danger to life, with or without an outage."""
    ARREARS = "arrears"
    """Says the power is out; it was cut off for arrears."""
    VOLTAGE = "voltage"
    CONSULTATION = "consultation"
    ENQUIRY = "enquiry"
    COMPLAINT = "complaint"
    WHISTLEBLOW = "whistleblow"
    OPINION = "opinion"
    SUGGESTION = "suggestion"
    PRAISE = "praise"
    SERVICE_REQUEST = "service_request"


OUTAGE_TEXTS: Final[Texts] = {
    "zh": (
        "家里突然停电了",
        "停电了，什么时候来电？",
        "我们这边没电了，麻烦派人看看",
        "整栋楼都停电了",
        "小区停电，电梯也停了",
        "跳闸了吗？一点电都没有",
        "没电了没电了，快来修",
        "刚才打雷以后就停电了",
    ),
    "en": (
        "The power just went out",
        "No electricity in our building, please help",
        "We have a power outage here, when will it be back?",
        "Lights went off after the thunder, whole street is dark",
    ),
}
NAMING_TEXTS: Final[Texts] = {
    "zh": ("停电了，旁边电线杆上的变压器是{}", "{}变压器这一片没电了", "我家是{}这台变压器供的电，停电了"),
    "en": ("No power here, the plate on the transformer says {}",),
}
"""What people say who read the plate; ``{}`` is the transformer."""
AGAIN_TEXTS: Final[Texts] = {
    "zh": ("还是没电，刚才报过了", "报过修了，怎么还停电？", "停电到现在还没来电，催一下"),
    "en": ("Still no power, I reported it before", "Power is still out, any news?"),
}
ONLY_MINE_TEXTS: Final[Texts] = {
    "zh": ("只有我家停电，邻居都有电", "就我家没电，别人家都亮着", "只有我家跳闸了，推不上去"),
    "en": ("Power is out only in my house, the neighbours have power", "Only my apartment has no power"),
}
HAZARD_TEXTS: Final[Texts] = {
    "zh": (
        "电线断了掉在地上，还在冒火花",
        "楼下变压器冒烟了",
        "电线杆上着火了，停电了",
        "断线落地，有小孩在旁边，快来人",
        "配电箱起火冒烟，整栋楼停电",
    ),
    "en": (
        "A power line is down on the ground and sparking",
        "The transformer is on fire and smoking",
    ),
}
TEXTS: Final[Mapping[Kind, Texts]] = {
    Kind.ARREARS: {
        "zh": ("家里没电了", "停电了，别人家有电，为什么我家没有"),
        "en": ("My power is out",),
    },
    Kind.VOLTAGE: {
        "zh": ("电压太低，空调带不动", "电压不稳，灯一闪一闪的", "电压忽高忽低，怕烧坏电器"),
        "en": ("The voltage is too low, lights are flickering",),
    },
    Kind.CONSULTATION: {
        "zh": ("请问峰谷电价怎么算？", "办理新装需要什么材料？", "咨询一下光伏并网政策"),
        "en": ("How does the time-of-use tariff work?",),
    },
    Kind.ENQUIRY: {
        "zh": ("查一下我上个月的电费", "查询电费余额", "我的电费账单怎么看"),
        "en": ("What is the balance of my bill?",),
    },
    Kind.COMPLAINT: {
        "zh": ("我要投诉营业厅工作人员态度差", "投诉，抄表抄错了三个月没人管"),
        "en": ("I want to complain about the rude staff at the office",),
    },
    Kind.WHISTLEBLOW: {
        "zh": ("我要举报有人偷电",),
        "en": ("I want to report electricity theft",),
    },
    Kind.OPINION: {
        "zh": ("对你们的收费方式有意见",),
        "en": ("I have some feedback on your fees",),
    },
    Kind.SUGGESTION: {
        "zh": ("建议在小区里多设几个充电桩",),
        "en": ("I suggest adding chargers to the car park",),
    },
    Kind.PRAISE: {
        "zh": ("表扬抢修师傅，来得很快，态度很好", "感谢昨天来抢修的师傅，特此表扬"),
        "en": ("Thank you, the repair crew was excellent",),
    },
    Kind.SERVICE_REQUEST: {
        "zh": ("申请更名过户", "我要申请用电增容"),
        "en": ("Please change the name on my contract",),
    },
}
OTHER_MIX: Final = (
    (Kind.ENQUIRY, 0.34),
    (Kind.CONSULTATION, 0.26),
    (Kind.COMPLAINT, 0.10),
    (Kind.VOLTAGE, 0.10),
    (Kind.SERVICE_REQUEST, 0.08),
    (Kind.PRAISE, 0.06),
    (Kind.SUGGESTION, 0.03),
    (Kind.OPINION, 0.02),
    (Kind.WHISTLEBLOW, 0.01),
)
"""Mix of business without an outage; the shares are ours."""

BUSINESS: Final = {
    Kind.OUTAGE: "fault_report",
    Kind.HAZARD: "fault_report",
    Kind.ARREARS: "fault_report",
    Kind.VOLTAGE: "fault_report",
    Kind.CONSULTATION: "consultation",
    Kind.ENQUIRY: "enquiry",
    Kind.COMPLAINT: "complaint",
    Kind.WHISTLEBLOW: "whistleblow",
    Kind.OPINION: "opinion",
    Kind.SUGGESTION: "suggestion",
    Kind.PRAISE: "praise",
    Kind.SERVICE_REQUEST: "service_request",
}
"""The business type a customer chooses where the channel asks."""
