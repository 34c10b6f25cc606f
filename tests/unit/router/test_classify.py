"""What customers want, by the shipped words and by their own choice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.contracts.values import CustomerClass, Priority
from services.router.domain.classify import (
    Classification,
    LanguageRule,
    PriorityRule,
    TypeRule,
    classify,
    priority_of,
)
from services.router.domain.reading import REPORTED_DANGER
from tests.unit.router.making import SHIPPED, contact, folded


def about(
    text: str = "",
    *,
    choice: str | None = None,
    language: str | None = None,
    customer_language: str | None = None,
    single_premise: bool = False,
) -> Classification:
    words = SHIPPED.keywords
    return classify(
        words,
        choice=choice,
        language=language,
        customer_language=customer_language,
        text=text,
        hazards=words.read(text).hazards,
        single_premise=single_premise,
    )


@pytest.mark.parametrize(
    ("text", "business_type"),
    [
        ("家里停电了", "fault_report"),
        ("跳闸了，推不上去", "fault_report"),
        ("请问什么时候来电", "fault_report"),
        ("我家停電了", "fault_report"),
        ("停电了，谢谢帮忙看看", "fault_report"),
        ("The power just went out, thank you for your help", "fault_report"),
        ("No electricity since this morning", "fault_report"),
        ("电压太低，空调带不动", "fault_report"),
        ("the meter is broken", "fault_report"),
        ("我要报修", "fault_report"),
        ("我要投诉，上周停电一整天没人管", "complaint"),
        ("I want to complain, we had no power last week", "complaint"),
        ("举报邻居偷电", "whistleblow"),
        ("My neighbour is stealing electricity", "whistleblow"),
        ("昨天停电师傅修得很快，特此表扬", "praise"),
        ("Great job by the crew after the outage", "praise"),
        ("师傅也不收红包，点赞", "praise"),
        ("抄表员收红包，少算隔壁厂的电", "whistleblow"),
        ("建议停电前提前通知", "suggestion"),
        ("对收费有意见", "opinion"),
        ("我们小区频繁停电", "complaint"),
        ("這裡經常停電，三天兩頭就停電", "complaint"),
        ("There are too many power cuts in our street", "complaint"),
        ("今天有计划停电吗", "enquiry"),
        ("查询停电通知", "enquiry"),
        ("上个月电费多少", "enquiry"),
        ("Where can I see my bill?", "enquiry"),
        ("Is there a planned outage tomorrow?", "enquiry"),
        ("新装电表怎么办理", "consultation"),
        ("请问营业厅几点上班", "consultation"),
        ("How do I change the name on the account?", "consultation"),
        ("停电短信怎么订阅", "consultation"),
        ("订阅停电短信", "service_request"),
        ("申请过户", "service_request"),
        ("I would like to apply for a new connection", "service_request"),
        ("停电三天了，冰箱里的肉都坏了，你们要赔", "complaint"),
        ("停电了大家意见很大，快点修", "fault_report"),
        ("希望你们尽快修，我们村没得电", "fault_report"),
        ("希望能多开几个窗口", "suggestion"),
        ("对短信提醒我有点意见", "opinion"),
        ("隔壁厂绕过电表用电", "whistleblow"),
        ("a shop here bypassed the meter", "whistleblow"),
    ],
)
def test_words_tell_the_business_type(text: str, business_type: str) -> None:
    found = about(text)
    assert (found.business_type, found.type_rule) == (business_type, TypeRule.KEYWORD)
    assert found.words


def test_the_customers_choice_outranks_their_words() -> None:
    found = about("家里停电了", choice="enquiry")
    assert (found.business_type, found.type_rule) == ("enquiry", TypeRule.CHANNEL_CHOICE)
    assert not found.is_outage


def test_a_choice_that_is_not_in_the_data_counts_as_none() -> None:
    found = about("家里停电了", choice="no_such_type")
    assert (found.business_type, found.type_rule) == ("fault_report", TypeRule.KEYWORD)


def test_nothing_to_go_by_is_said_to_be_the_default() -> None:
    assert about("你好").type_rule is TypeRule.DEFAULT
    assert about("").business_type == SHIPPED.keywords.default_type


@pytest.mark.parametrize(
    ("text", "choice", "fault"),
    [
        ("家里停电了", None, "outage"),
        ("", "fault_report", "outage"),
        ("快来人", "fault_report", "outage"),
        ("电压不稳", "fault_report", "voltage"),
        ("The lights keep flickering", "fault_report", "voltage"),
        ("电压不稳，现在没电了", "fault_report", "outage"),
        ("电表坏了", "fault_report", "metering"),
        ("电表走得太快了", "fault_report", "metering"),
        ("電錶不轉", "fault_report", "metering"),
        ("电表跑得特别快", "fault_report", "metering"),
        ("电表不转，家里停电了", "fault_report", "outage"),
        ("没停电，就是电压低", None, "voltage"),
        ("三相电缺一相", None, "voltage"),
        ("你好\n停了", None, "outage"),
        ("你好\n雨停了", None, None),
        ("明朝停电不", None, None),
        ("下周二停电吗", None, None),
        ("如果停电怎么办", None, None),
        ("停电两个小时了，打电话没人理", None, "outage"),
        ("网络停了，我们小区又给停了电", None, "outage"),
        ("感谢抢修师傅冒雨抢修", None, None),
        ("附近什么时候停电", None, None),
        ("不知道什么时候停电的，现在还没电", None, "outage"),
        ("收费员态度恶劣", None, None),
        ("我们小区频繁停电", None, None),
        ("这里经常停电，现在又没电了", None, "outage"),
        ("三天两头就停电，刚来电又停了", None, "outage"),
        ("经常停电，变压器冒烟了", None, "outage"),
        ("频繁停电", "fault_report", "outage"),
        ("变压器漏油", None, "facility"),
        ("电缆井盖不见了", None, "facility"),
        ("配电箱门没关，小孩会去玩", None, "facility"),
        ("The transformer is leaking oil", None, "facility"),
        ("变压器漏油，我家停电了", None, "outage"),
        ("变压器建在楼下影响休息", None, None),
        ("变压器漏油，着火了", None, "outage"),
        ("电压不稳，表箱冒烟", None, "outage"),
        ("变压器着火了怎么办", None, "outage"),
        ("請問電線掉下來了該找誰", None, "outage"),
        ("What is this? The wires are sparking", None, "outage"),
        ("投诉，变压器冒烟两天没人管", None, "outage"),
        ("变压器冒烟了", "enquiry", "outage"),
        ("电表着火赔偿怎么算", None, None),
        ("感谢师傅扑灭了变压器的火灾", None, None),
        ("去年变压器着火，今天停电了", None, "outage"),
        ("屋企冇電", None, "outage"),
        ("我们寨子没得电", None, "outage"),
        ("灶房莫得电了", None, "outage"),
        ("樓下跳掣", None, "outage"),
        ("停了一晚上电", None, "outage"),
        ("水停了，电也没了", None, "outage"),
        ("到处黑咕隆咚", None, "outage"),
        ("日光灯都不亮，冰箱也不转", None, "outage"),
        ("這層樓的燈全滅了", None, "outage"),
        ("小李家停店了", None, "outage"),
        ("办公室没店了", None, "outage"),
        ("空开跳扎", None, "outage"),
        ("说八点来电现在九点了还没来", None, "outage"),
        ("对面有电我们家没有", None, "outage"),
        ("Half the town, the whole place is dark", None, "outage"),
        ("We have not had, and do not have electricity", None, "outage"),
        ("When will electricity come back?", None, "outage"),
        ("the breaker keeps tripping", None, "outage"),
        ("집에 전기가 없어요", None, "outage"),
        ("这几天停电到现在", None, "outage"),
        ("停电三次了，师傅已经来过", None, "outage"),
        ("路灯都不亮，街上没人修", None, None),
        ("路由器灯不亮", None, None),
        ("电动车没电了，哪里能充", None, None),
        ("停电话费了", None, None),
        ("小区不许停电动车", None, None),
        ("附近有没有电动汽车充电", None, None),
        ("能来电话告诉我吗", None, None),
        ("刚才停电现在已经来电了", None, None),
        ("刚才停电了，现在来电了", None, None),
        ("停电了，现在来电了又停了", None, "outage"),
        ("停电两小时，已经来电三次了", None, "outage"),
        ("停电了已经来电反映过", None, "outage"),
        ("听说明天要停电", None, None),
        ("欠费停电怎么恢复", None, None),
        ("Will there be a power outage on Sunday?", None, None),
        ("내일 정전 예정인가요", None, None),
        ("灯一直闪", None, "voltage"),
        ("电表上数字看不清", None, "metering"),
        ("小区没有电梯", "fault_report", "outage"),
        ("停电了", "complaint", None),
        ("查电费", None, None),
    ],
)
def test_only_a_fault_that_means_no_power_is_an_outage(text: str, choice: str | None, fault: str | None) -> None:
    found = about(text, choice=choice)
    assert (None if found.is_inferred else found.fault) == fault
    assert found.is_outage is (fault == "outage")


@pytest.mark.parametrize(
    ("text", "hazard"),
    [
        ("有人触电了", "electric_shock"),
        ("有人觸電", "electric_shock"),
        ("外壳漏电，手麻", "electric_shock"),
        ("My son got an electric shock", "electric_shock"),
        ("He was electrocuted", "electric_shock"),
        ("变压器着火", "fire"),
        ("电表箱起火", "fire"),
        ("闻到焦味", "fire"),
        ("The pole is on fire", "fire"),
        ("There is a burning smell", "fire"),
        ("楼下变压器冒烟", "smoke"),
        ("Smoke is coming from the box", "smoke"),
        ("变压器爆炸了", "explosion"),
        ("The transformer exploded", "explosion"),
        ("变压器一声巨响，然后全停电了", "explosion"),
        ("听到一声巨响楼下配电箱黑了", "explosion"),
        ("the transformer made a loud bang", "explosion"),
        ("电线冒火花", "sparking"),
        ("wires are sparking", "sparking"),
        ("断线落地", "fallen_wire"),
        ("电线掉在地上", "fallen_wire"),
        ("电线杆倒了", "fallen_wire"),
        ("fallen wire on the road", "fallen_wire"),
        ("A power line is down", "fallen_wire"),
        ("a pole came down", "fallen_wire"),
        ("there is a downed power line", "fallen_wire"),
        ("配电房进水了", "flooding"),
        ("家里有呼吸机病人", "life_support"),
        ("My father is on a ventilator", "life_support"),
        ("电缆裸露", "electric_shock"),
        ("电线外皮破了，铜丝露在外面", "electric_shock"),
        ("小区铁门带电", "electric_shock"),
        ("洗澡的时候麻了一下", "electric_shock"),
        ("高压线上挂了风筝", "electric_shock"),
        ("exposed wires near the school", "electric_shock"),
        ("楼道线路烧了", "fire"),
        ("电表箱发烫", "fire"),
        ("变压器接头烧红了", "fire"),
        ("The meter box is very hot", "fire"),
        ("高压线垂下来快碰到人", "fallen_wire"),
        ("導線弧垂太低", "fallen_wire"),
        ("线杆被车撞歪了", "fallen_wire"),
        ("电杆裂了", "fallen_wire"),
        ("a power line is hanging low over the road", "fallen_wire"),
        ("水淹配电房", "flooding"),
        ("楼上漏水滴到电表箱里", "flooding"),
        ("Water is leaking into the meter box", "flooding"),
        ("他遭电打了一下", "electric_shock"),
        ("工友人电倒了", "electric_shock"),
        ("有人畀電親", "electric_shock"),
        ("公交站牌边的铁皮带电", "electric_shock"),
        ("卷帘门电人", "electric_shock"),
        ("冰箱门把手电人", "electric_shock"),
        ("the washing machine shocks me", "electric_shock"),
        ("电箱燃起来了", "fire"),
        ("充电桩烧了", "fire"),
        ("火還沒滅", "fire"),
        ("🔥🔥🔥快来", "fire"),
        ("开关很烫", "fire"),
        ("the socket is melting", "fire"),
        ("the outlet burned", "fire"),
        ("电表箱里有烟", "smoke"),
        ("好大的烟", "smoke"),
        ("配电房毛烟", "smoke"),
        ("箱变爆了", "explosion"),
        ("电线接头拉弧", "sparking"),
        ("入户线被大车刮断", "fallen_wire"),
        ("架空线耷拉着", "fallen_wire"),
        ("路上有一根电线", "fallen_wire"),
        ("水泥杆要倒了", "fallen_wire"),
        ("线路落在屋顶上", "fallen_wire"),
        ("The wire is on the ground", "fallen_wire"),
        ("cables are lying across the lane", "fallen_wire"),
        ("the power pole was hit by a truck", "fallen_wire"),
        ("水漫到插座", "flooding"),
        ("开关进水了", "flooding"),
        ("手术做到一半停电", "life_support"),
        ("ICU没电了", "life_support"),
        ("有人被困", "trapped"),
        ("Someone is trapped in the lift", "trapped"),
        ("那个变压气着货了", "fire"),
        ("电现断了掉在路上", "fallen_wire"),
        ("接户线刮断了", "fallen_wire"),
        ("铝线搭在铁门上", "fallen_wire"),
        ("接线板发红", "fire"),
        ("微波炉一摸就麻", "electric_shock"),
        ("灶台带电", "electric_shock"),
        ("吊车碰到了线", "electric_shock"),
        ("my hand goes numb when I touch the sink", "electric_shock"),
        ("插线板进水了", "flooding"),
        ("配电箱里面都是水", "flooding"),
        ("人靠呼吸器，停电了", "life_support"),
    ],
)
def test_danger_is_found_in_either_language_whatever_was_chosen(text: str, hazard: str) -> None:
    for choice in (None, "fault_report", "enquiry", "praise"):
        found = about(text, choice=choice)
        assert hazard in found.hazards
        assert priority_of(found, CustomerClass.NORMAL) == (Priority.EMERGENCY, PriorityRule.HAZARD)


@pytest.mark.parametrize(
    "text",
    [
        "小区停电，电梯也停了",
        "漏电保护器跳了",
        "电动车充放电",
        "充电桩坏了",
        "No smoking sign at your office is broken",
        "You should be fired",
        "怕烧坏电器",
        "I want to explore tariffs",
        "师傅上门带电表来",
        "手机充电发烫",
        "宽带线路烧了",
        "高压线下面能不能建房子",
        "水淹了田地要求赔偿",
        "负荷低，电压也低",
        "摸底调查很麻烦",
        "一声巨响，然后就没电了",
        "there was a loud bang and the power went out",
        "到处电线乱拉不好看",
        "这几天气得冒火",
        "打电话打得嗓子冒烟",
        "急得我直冒眼泪",
        "隔壁还通着电，就我家没有",
        "开关跳了，冰箱里的肉都化了",
        "我气炸了",
        "空开跳炸了",
        "邻居抽烟，插座在旁边",
        "油烟机插座没电",
        "上网断线",
        "充电线断了",
        "网线被人剪断",
        "家里烧着水，突然停电",
        "点燃蜡烛看不清",
        "小心火烛的标语",
        "供电人员什么时候来",
        "停电人都热死了",
        "开关打开水不烫",
        "The bill shocked me",
        "how to avoid electric shock",
        "the smoke detector is beeping, low battery",
        "a light bulb burned out",
        "meters are on the ground floor",
        "空调停电人都热死了",
        "冰箱没电到现在",
        "电表上的字模糊",
        "插座插烧水壶没反应",
        "在路口等着货车来",
        "从汽车站或者火车站过来",
        "影响呼吸及健康",
        "小区有水有电",
        "充电桩爆满",
        "热水器不带电了",
        "打手电筒照着看",
        "没听到爆炸，也没看见火花",
        "nothing is burning, no one is hurt, the power is out",
        "制氧机用户有什么优惠",
        "铁门有电子锁，开不了",
        "我被电表箱门夹了手",
        "停电了，目前无人被困",
        "无冒烟，无焦味，单纯没电",
        "no sparks or smoke, it is just dark",
        "her price was shocking, I mean sticker shock",
    ],
)
def test_everyday_words_are_no_danger(text: str) -> None:
    assert about(text).hazards == ()


def test_danger_alone_is_a_fault_somebody_must_go_to() -> None:
    found = about("楼下变压器冒烟")
    assert (found.business_type, found.type_rule, found.fault) == ("fault_report", TypeRule.HAZARD, "outage")


def test_the_channels_danger_choice_is_a_danger_without_words() -> None:
    assert folded(contact(hazard=True)).hazards == (REPORTED_DANGER,)


@pytest.mark.parametrize(
    ("text", "single"),
    [
        ("只有我家停电", True),
        ("就我家没电，别人家都亮着", True),
        ("停电了，邻居有电", True),
        ("Only my house has no power", True),
        ("My power is out but the neighbours have power", True),
        ("单户停电，左邻右舍都有电", True),
        ("单独我家停电", True),
        ("只有我们一家没电", True),
        ("我家没电，别家都有电", True),
        ("邻居家都有电，就停我这儿", True),
        ("就俺家没电", True),
        ("仅我户无电", True),
        ("净係我屋企冇電", True),
        ("楼道灯亮着，家里没电", True),
        ("人家都有电我家没有", True),
        ("everyone else has electricity except me", True),
        ("우리 집만 정전이에요", True),
        ("左右邻居均有电，独其一户无电", True),
        ("My neighbors all have electricity but mine is dead", True),
        ("不仅我家停电", False),
        ("其他家都没电，我家也没有", False),
        ("邻居都有停电", False),
        ("没电，隔壁有电动车在充电", False),
        ("唔净係我屋企冇電", False),
        ("对面小区有电，我们小区没电", False),
        ("不单单我家停电，一片都黑了", False),
        ("不是只有我一户没电", False),
        ("别家都来电了，我这儿还没有", False),
        ("整栋楼都停电了", False),
        ("不是只有我家停电，整栋楼都黑了", False),
        ("It is not only my house that is out", False),
        ("The whole street is dark", False),
        ("好像就我家没电", False),  # a guess
        ("感觉是只有我们家停电", False),
        ("maybe only my house has no power", False),
        ("就我家没电，邻居好像都有电", True),
    ],
)
def test_only_my_house_is_heard(text: str, single: bool) -> None:
    assert about(text).single_premise is single


def test_only_my_house_can_be_a_choice() -> None:
    assert about("停电了", single_premise=True).single_premise


@pytest.mark.parametrize(
    ("text", "language", "customer_language", "expected", "rule"),
    [
        ("家里停电了", "en", "bo-CN", "en", LanguageRule.CHANNEL_CHOICE),
        ("家里停电了", None, "bo-CN", "zh-Hans-CN", LanguageRule.SCRIPT),
        ("My power is out", None, None, "en", LanguageRule.DETECTED),
        ("གློག་ཆད་སོང་།", None, None, "bo-CN", LanguageRule.SCRIPT),
        ("توك ئۈزۈلۈپ قالدى", None, None, "ug-Arab-CN", LanguageRule.DETECTED),
        ("ᠴᠠᠬᠢᠯᠭᠠᠨ", None, None, "mn-Mong-CN", LanguageRule.SCRIPT),
        ("정전", None, None, "ko-CN", LanguageRule.SCRIPT),
        ("ꄷꋓꀋꐥ", None, None, "ii-CN", LanguageRule.SCRIPT),
        ("", None, "bo-CN", "bo-CN", LanguageRule.CUSTOMER),
        ("asdf qwer", None, "bo-CN", "bo-CN", LanguageRule.UNSURE),
        ("asdf qwer", None, None, "zh-Hans-CN", LanguageRule.UNSURE),
        ("", None, None, "zh-Hans-CN", LanguageRule.DEFAULT),
        ("123", None, None, "zh-Hans-CN", LanguageRule.DEFAULT),
    ],
)
def test_language_is_the_choice_then_the_script_then_the_file_then_the_default(
    text: str, language: str | None, customer_language: str | None, expected: str, rule: LanguageRule
) -> None:
    found = about(text, language=language, customer_language=customer_language)
    assert (found.language, found.language_rule) == (expected, rule)


@pytest.mark.parametrize(
    ("text", "customer_class", "priority", "rule"),
    [
        ("着火了", CustomerClass.NORMAL, Priority.EMERGENCY, PriorityRule.HAZARD),
        ("着火了", CustomerClass.LIFE_SUPPORT, Priority.EMERGENCY, PriorityRule.HAZARD),
        ("停电了", CustomerClass.LIFE_SUPPORT, Priority.URGENT, PriorityRule.LIFE_SUPPORT),
        ("停电了", CustomerClass.IMPORTANT, Priority.URGENT, PriorityRule.IMPORTANT),
        ("停电了", CustomerClass.NORMAL, Priority.HIGH, PriorityRule.OUTAGE),
        ("停电了", CustomerClass.VIP, Priority.HIGH, PriorityRule.OUTAGE),
        ("查电费", CustomerClass.VIP, Priority.HIGH, PriorityRule.VIP),
        ("电压低", CustomerClass.NORMAL, Priority.NORMAL, PriorityRule.DEFAULT),
        ("查电费", CustomerClass.NORMAL, Priority.NORMAL, PriorityRule.DEFAULT),
    ],
)
def test_priority_is_danger_then_who_depends_on_power_then_the_outage(
    text: str, customer_class: CustomerClass, priority: Priority, rule: PriorityRule
) -> None:
    assert priority_of(about(text), customer_class) == (priority, rule)


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("停电了，户号A0900001，1区黄河中路", "A0900001"),
        ("户号：T001-A0900001 没电", "T001-A0900001"),
        ("我家用电户号是 0321456789012，没电了", "0321456789012"),
        ("No power, account number: 3300123456.", "3300123456"),
        ("my account is suspended again", None),
        ("户号A0900001，邻居的户号是A0900002", None),
        ("户号A0900001，再说一遍户号A0900001", "A0900001"),
        ("停电了，电话13800000000", None),
        ("户号12", None),
    ],
)
def test_an_account_number_written_into_a_text_is_found_if_it_is_one(text: str, account: str | None):
    assert SHIPPED.keywords.read(text).account == account


def test_without_labels_of_accounts_no_number_in_a_text_is_one() -> None:
    read = replace(SHIPPED.keywords, accounts=None).read("停电了，户号A0900001")
    assert (read.account, read.says_outage) == (None, True)
