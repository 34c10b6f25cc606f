"""Traditional characters of streets, estates and devices as the simplified ones.

Decided here: which characters are taken for the same in a place. Never here: what is said back to anyone; a character
that stands for several, or is a word of its own in simplified writing, stays (乾, 著, 於).
"""

from __future__ import annotations

import re
from typing import Final

_PAIRS: Final = (
    "組组綫线綜综"
    "東东號号區区樓楼棟栋門门縣县鎮镇鄉乡莊庄園园廣广場场廈厦華华學学龍龙鳳凤國国強强團团結结黃黄長长開开發发慶庆"
    "豐丰興兴業业陽阳陰阴勝胜節节義义禮礼愛爱蘭兰蓮莲葉叶樹树楊杨橋桥灣湾濱滨島岛嶺岭峽峡澤泽漢汉濟济瀋沈遼辽寧宁"
    "貴贵贛赣滬沪瓊琼鄭郑鄧邓鄒邹趙赵錢钱孫孙吳吴馮冯陳陈衛卫蔣蒋韓韩許许呂吕張张嚴严謝谢竇窦蘇苏範范魯鲁韋韦馬马"
    "龔龚賀贺湯汤羅罗畢毕齊齐顧顾蕭萧偉伟傑杰紅红綠绿藍蓝銀银鐵铁鋼钢銅铜鋁铝錫锡寶宝貝贝財财貨货賓宾賢贤賽赛車车"
    "軍军運运進进遠远達达邊边過过還还這这裡里裏里麗丽麥麦鳥鸟鴻鸿鶴鹤鷹鹰雞鸡魚鱼鯉鲤黨党點点電电線线變变壓压臺台"
    "桿杆櫃柜關关閘闸斷断網网環环統统紡纺織织經经緯纬繡绣練练維维級级紀纪納纳約约給给絲丝縱纵總总績绩續续緣缘來来"
    "時时會会個个們们無无沒没後后對对兩两幾几歲岁層层單单戶户間间闊阔閣阁閩闽閱阅聞闻雲云霧雾靈灵頂顶項项順顺須须"
    "頭头題题額额顏颜願愿類类風风飛飞飯饭館馆驛驿驗验騰腾駿骏騎骑驕骄師师帶带幣币幹干廟庙廠厂廳厅彎弯錄录徑径從从"
    "復复應应態态懷怀戲戏戰战擁拥據据掛挂採采揚扬換换數数敵敌斂敛實实審审寫写導导將将專专尋寻屬属崗岗嶄崭巒峦幫帮"
    "庫库彌弥歸归歡欢歷历殘残殼壳氣气決决況况凍冻淨净淺浅測测渾浑溝沟溫温滄沧滿满漁渔潔洁潛潜潤润澗涧瀾澜濤涛灘滩"
    "燈灯燒烧爐炉爺爷爾尔獅狮獨独獎奖瑪玛瓏珑畫画疊叠盤盘監监盧卢礦矿磚砖碼码確确穀谷積积穩稳窩窝窯窑筆笔簡简籃篮"
    "糧粮緊紧罵骂聖圣聯联聲声聽听職职肅肃腸肠膠胶舊旧艦舰艷艳芻刍莖茎萬万葦苇蒼苍蓋盖薈荟薦荐藝艺藥药處处虛虚蝦虾"
    "蠟蜡術术補补裝装見见規规視视覽览覺觉觀观觸触訂订計计訊讯討讨訓训記记講讲設设評评試试詩诗話话該该詳详語语誠诚"
    "說说課课調调請请諾诺謀谋譯译護护讓让負负貢贡責责賣卖買买質质贊赞趨趋躍跃軌轨軟软軸轴較较輕轻輛辆輝辉輪轮輸输"
    "轉转農农連连週周遊游適适選选遲迟遷迁郵邮醫医釋释針针鈴铃錦锦鍋锅鍾钟鐘钟鎖锁鏡镜鑽钻陸陆隊队階阶際际隨随險险"
    "隱隐雙双雜杂離离難难韻韵響响飲饮養养餘余驚惊體体鬧闹麵面齡龄龜龟衆众眾众櫻樱檸柠樺桦樸朴權权楓枫榮荣構构槍枪"
    "標标機机橫横欄栏凱凯創创劉刘劇剧勞劳動动務务勵励匯汇協协啟启員员問问喬乔嗎吗嘆叹圍围圖图圓圆執执堅坚報报塊块"
    "墊垫壇坛壩坝壯壮壽寿夠够夢梦夾夹奧奥奪夺婦妇媽妈嬌娇"
    "樂乐書书誼谊亞亚恆恒頤颐禪禅詞词讀读謙谦儉俭誕诞儲储綢绸鄰邻鵬鹏鷺鹭鶯莺鴛鸳鴦鸯薔蔷璽玺禦御嵐岚碩硕樑梁塢坞鋪铺嶼屿沖冲"
)
_SIMPLE: Final = {ord(one): other for one, other in zip(_PAIRS[::2], _PAIRS[1::2], strict=True)}

TRADITIONAL: Final = "".join(map(chr, _SIMPLE))
"""The characters that ``simplified`` replaces."""
_ANY: Final = re.compile(f"[{TRADITIONAL}]")


def simplified(text: str) -> str:
    """Return a text with simplified characters for the traditional ones."""
    return text if _ANY.search(text) is None else text.translate(_SIMPLE)
