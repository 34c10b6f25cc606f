"""What callers say besides who and where they are."""

from __future__ import annotations

from typing import Final


def _each(phrases: str) -> tuple[str, ...]:
    return tuple(phrases.split("|"))


NO_POWER: Final = _each(
    "停电了|没电了|家里停电了|突然断电|没有电|我们这停电|跳闸了没电|整栋楼都没电|这一片都停电了|停电啦,什么时候修好|"
    "电怎么没了|一下子黑了|又停电|灯全灭了|家里没电好久了|没电，冰箱里的菜要坏了|我们小区停电"
)
WHEN_BACK: Final = _each("什么时候来电|几点能恢复供电|还没来电吗|怎么还没有来电|多久能修好|请问停电什么时候恢复")
ONLY_MINE: Final = _each("就我家没电,邻居都有|隔壁有电就我们家没有|只有我一家停电|楼道有电,家里没电")
DANGER: Final = _each("电线掉地上了|变压器冒烟|电线杆着火了|有人触电了|电线冒火花噼里啪啦|电表箱烧了有焦味|电线杆倒了")
LIFE_SUPPORT: Final = _each("家里有老人用呼吸机停电了|孩子用制氧机,没电了很急")
ENGLISH: Final = _each(
    "Power is out|No electricity at my place|blackout here, please help|There is no power since this afternoon"
)
OTHER_FAULTS: Final = _each("灯一闪一闪的|电压低空调带不动|电压不稳|电表走得太快|电表不转|电费怎么这么多")
"""No outage: voltage, meters, bills."""

WITH_ADDRESS: Final = _each(
    "{where}{what}|{where}，{what}|你好，我住{where}，{what}|{what}，地址{where}|喂 我这里是{where} {what}"
)
"""An address told in the same breath."""
WITH_ACCOUNT: Final = (",户号{whole}", "，我的户号是{parts}")
"""An account number told, not typed."""
ACCOUNT_WORD: Final = "户号"
