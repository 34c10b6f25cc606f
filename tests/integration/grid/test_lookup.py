"""Places from a real Postgres: what the files say, by two queries a batch, at a cost that does not grow."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter

import pytest

from services.contracts.values import Basis
from services.grid.address import parse
from services.grid.book import CustomerBook
from services.grid.candidates import search
from services.grid.device import DeviceRow
from services.grid.evidence import DEFAULT_RULES, PlaceEvidence, ask
from services.grid.found import MOST_POINTS, MOST_SLIPPED, Named, Search
from services.grid.lookup import MOST_ALIKE, resolve_places
from services.grid.network_file import CustomerRow, open_network, write_customers, write_devices
from services.grid.queries import FIND_ALIKE, FIND_AROUND, FIND_NAMED, around_arguments, named_arguments
from services.grid.store import import_network, migrate
from services.grid.syllables import SYLLABLES
from services.grid.tree import Tree

pytestmark = pytest.mark.integration

BATCH = 300


def storm(customers, seed, size=BATCH):
    """Reports of every kind: right and wrong accounts, phones, positions, addresses as said, in any mixture."""
    chance = random.Random(seed)
    reports = []
    for _ in range(size):
        row = chance.choice(customers)
        lat = row.lat + chance.gauss(0, chance.choice([0.0001, 0.001, 0.01, 0.5]))
        lon = row.lon + chance.gauss(0, 0.0003)
        placed = chance.random() < 0.7
        reports.append(
            PlaceEvidence(
                account_id=chance.choice(
                    (
                        *(None, None, None, "no such account", row.account_id, f" {row.account_id}"),
                        *(row.account_id.lower(), row.account_id.replace("-", "")),
                        f"户号：{row.account_id.replace('-', ' ')}",
                        *(f"{row.account_id}7", row.account_id[:-1], f"{row.account_id[:-2]}{row.account_id[:-3:-1]}"),
                    )
                ),
                phone=chance.choice([None, row.phone, f"+86{row.phone}", chance.choice(customers).phone, "95598"]),
                lat=lat if placed else None,
                lon=lon if placed else None,
                crs=chance.choice([None, "wgs84", "gcj02", "bd09"]),
                accuracy_m=chance.choice([None, 5.0, 60.0, 199.0, 500.0]),
                address=chance.choice([None, None, as_said(chance, chance.choice([row, chance.choice(customers)]))]),
                text=chance.choice(
                    (
                        *(None, "停电了", f"变压器{row.transformer_id}没电", f"{as_said(chance, row)}停电"),
                        *(
                            f"{row.account_id}停电",
                            f"电话{row.phone}，没电",
                            f"{row.account_id}和{chance.choice(customers).phone}",
                        ),
                    )
                ),
            )
        )
    return reports


def as_said(chance, row):
    """A customer's address, cut short and changed as people do."""
    said = row.address
    for before, after in (("栋", "号楼"), ("室", ""), ("号", "号 ")):
        if chance.random() < 0.3:
            said = said.replace(before, after)
    if chance.random() < 0.5:
        said = said.split("区", 1)[1]
    cut = chance.choice(["", "", "栋", "号", "路"])
    if cut and cut in said:
        said = said[: said.index(cut) + 1]
    return said + chance.choice(["", "", "附近"])


async def cost_of(connection, reports, *, unknown=6):
    """Pages touched by the queries of a batch, and the tables they read from end to end.

    All positions and addresses are searched for, and for as many reports as are ``unknown`` an account that nobody has.
    """
    questions = [ask(report) for report in reports]
    wants = [search(question, Named(), DEFAULT_RULES) for question in questions]
    guessed = [n for n, want in enumerate(wants) if want.slipped is not None][:unknown]
    wants = [Search(want.point, want.address, want.slipped if n in guessed else None) for n, want in enumerate(wants)]
    pages, scanned = 0, set()
    for query, arguments in ((FIND_NAMED, named_arguments(questions)), (FIND_AROUND, around_arguments(wants))):
        ((plan,),) = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", *arguments)
        top = json.loads(plan)[0]["Plan"]
        todo = [top]
        while todo:
            node = todo.pop()
            if node["Node Type"] == "Seq Scan" and node["Actual Loops"]:
                scanned.add(node["Relation Name"])
            todo += node.get("Plans", [])
        pages += top["Shared Hit Blocks"] + top["Shared Read Blocks"]
    return pages, scanned


async def test_postgres_finds_what_the_files_say(grid, tiled):
    network, customers = tiled(4, tiles_per_area=2, suspended_every=50, life_support_every=40, important_every=9)
    supplies = (None, 0.38, 10.0)
    tiles = open_network(network, customers).read_customers()
    rows = [row._replace(voltage_kv=supplies[n % 3]) for n, row in enumerate(tiles)]
    write_customers(customers, rows)
    await import_network(grid, network, customers)
    files = open_network(network, customers)
    book = CustomerBook(Tree(files.devices), files.read_customers())
    bases, told = Counter(), set()
    for seed in range(6):
        reports = storm(rows, seed)
        places = await resolve_places(grid, reports)
        for report, place in zip(reports, places, strict=True):
            expected = book.resolve(report)
            assert place == expected, report
            bases[place.basis] += 1
            told.add(place.voltage_kv)
    assert all(bases[basis] > 10 for basis in Basis if basis is not Basis.MANUAL), bases
    assert told == set(supplies)
    signless = PlaceEvidence(account_id=rows[7].account_id.replace("-", ""))
    assert (await resolve_places(grid, [signless]))[0].account_id == rows[7].account_id


async def test_names_as_people_say_them_and_accounts_without_signs_are_found_as_in_memory(grid, tmp_path):
    names = {"B1": "937宋北线", "B2": "938宋北线", "T1": "卫星8组#1台变", "T2": "宋北线15号杆台变", "T3": "城西Ⅱ线公变"}
    alike = {"T-04": "B1", "T9-01": "B1", "T90-1": "B2"}
    devices = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    devices += [DeviceRow(one, "S", "breaker", False, 31.0, 118.0, names[one]) for one in ("B1", "B2")]
    for n in (1, 2, 3):
        devices.append(DeviceRow(f"T{n}", f"B{1 + n % 2}", "transformer", False, 31.0 + n, 118.0, names[f"T{n}"]))
    devices += [DeviceRow(one, at, "transformer", False, 31.5, 118.0) for one, at in alike.items()]
    accounts = ("3201-0045", "0045123", "77-1", "7-71", "at 12")
    rows = [CustomerRow(one, f"T{1 + n % 3}", 31.0 + n, 118.0, "", "") for n, one in enumerate(accounts)]
    files = tmp_path / "network.csv", tmp_path / "customers.csv"
    write_devices(files[0], devices)
    write_customers(files[1], rows)
    await import_network(grid, *files)
    book = CustomerBook(Tree(devices), rows, names)
    said = (
        "宋北线停电",
        "937宋北线",
        "卫星八组一号变压器",
        "卫星8组1号变",
        "宋北线十五号杆",
        "城西二线变压器",
        "城西二线公用变压器",
        "t1",
    )
    spelt = ("T-4没电", "t4停电", "T-04", "t1停电", "t9 O1停电", "T901", "T90-1", "T901和T4停电")
    told = ("32010045", "45123", "0045123", "771", "7-71", "AT12", "户号：3201 0045")
    reports = [PlaceEvidence(text=one) for one in said] + [PlaceEvidence(account_id=one) for one in told]
    places = await resolve_places(grid, reports)
    assert places == [book.resolve(one) for one in reports]
    found = [place.transformer_id for place in places]
    assert found[1:8] == ["B1", "T1", "T1", "T2", "T3", "T3", None]
    by_account = [place.account_id for place in places[8:]]
    assert by_account == ["3201-0045", "0045123", "0045123", None, "7-71", "at 12", "3201-0045"]
    reports = [PlaceEvidence(text=one) for one in spelt]
    places = await resolve_places(grid, reports)
    assert places == [book.resolve(one) for one in reports]
    assert [place.transformer_id for place in places] == [None, None, "T-04", None, "T9-01", "T90-1", "T90-1", "T90-1"]
    # A database of before has neither names nor keys, and gets their indexes when it is migrated.
    await grid.execute(
        "DROP INDEX grid.customer_v1_key; DROP INDEX grid.device_v1_key; DROP INDEX grid.device_v1_id_key"
    )
    await migrate(grid)
    again = (
        "SELECT count(*) FROM pg_indexes WHERE indexname IN ('customer_v1_key', 'device_v1_key', 'device_v1_id_key')"
    )
    assert await grid.fetchval(again) == 3


def misspelt(chance, said):
    """An address with its street as a telephone's keyboard, a recogniser, a hurried finger or a foreigner writes it."""
    found = re.search(r"[\u4e00-\u9fff]{2,4}(?=路)", said)
    if found is None:
        return said
    stem = found[0]
    n = chance.randrange(len(stem))
    alike = [char for char, sounds in SYLLABLES.items() if sounds == SYLLABLES[stem[n]]]
    spoilt = chance.choice(
        (
            *(
                stem,
                stem[:n] + chance.choice(alike) + stem[n + 1 :],
                stem[:n] + stem[n + 1 :],
                stem[::-1],
                stem[n] + stem,
            ),
            "".join(SYLLABLES[char][0] for char in stem),
            *(stem[:n] + "新" + stem[n + 1 :], stem.replace("n", "l"), stem[:n] + stem[n] + stem[n:], "无此"),
        )
    )
    return said.replace(stem, spoilt)


async def test_misspelt_streets_are_found_as_in_memory_by_no_more_than_four_queries(grid, tiled):
    files = tiled(6)
    await import_network(grid, *files)
    network = open_network(*files)
    rows = list(network.read_customers())
    book = CustomerBook(Tree(network.devices), rows)
    chance = random.Random(3)
    reports = []
    for _ in range(600):
        row, other = chance.choice(rows), chance.choice(rows)
        said = misspelt(chance, as_said(chance, row))
        reports.append(
            PlaceEvidence(
                account_id=chance.choice([None, None, None, row.account_id, other.account_id]),
                lat=(lat := chance.choice([None, None, row.lat, other.lat])),
                lon=None if lat is None else row.lon,
                **chance.choice([{"address": said}, {"text": f"{said}停电了"}]),
            )
        )
    await resolve_places(grid, reports)  # the driver learns the array types once a connection
    clues = Counter()
    for begin in range(0, len(reports), 100):
        queries = []
        batch = reports[begin : begin + 100]
        with grid.query_logger(queries.append):
            places = await resolve_places(grid, batch)
            await asyncio.sleep(0)
        assert len(queries) == 4
        for report, place in zip(batch, places, strict=True):
            assert place == book.resolve(report), report
            clues.update(place.evidence)
    assert min(clues[one] for one in ("address", "address_misspelt", "address_unknown", "address_conflicts")) > 10, (
        clues
    )
    # A network that was imported before streets had keys is read as it was then.
    found = PlaceEvidence(address=next(one.address for one in reports if one.address))
    await grid.execute("TRUNCATE grid.street_key")
    for place in await resolve_places(grid, [*reports, found]):
        assert "address_misspelt" not in place.evidence


async def test_numbers_that_run_together_are_read_as_in_memory_by_the_same_queries(grid, tiled):
    files = tiled(6)
    await import_network(grid, *files)
    network = open_network(*files)
    rows = list(network.read_customers())
    book = CustomerBook(Tree(network.devices), rows)
    chance = random.Random(5)
    reports = []
    for _ in range(400):
        row = chance.choice(rows)
        said = as_said(chance, row).replace("号", chance.choice(["", "", "", "-"]))
        account = chance.choice([None, None, row.account_id, chance.choice(rows).account_id])
        reports.append(PlaceEvidence(account_id=account, **chance.choice([{"address": said}, {"text": f"{said}停电"}])))
    await resolve_places(grid, reports)  # the driver learns the array types once a connection
    readings, bases = 0, Counter()
    for begin in range(0, len(reports), 100):
        queries = []
        with grid.query_logger(queries.append):
            places = await resolve_places(grid, reports[begin : begin + 100])
            await asyncio.sleep(0)
        assert len(queries) <= 4
        for report, place in zip(reports[begin : begin + 100], places, strict=True):
            assert place == book.resolve(report), report
            said = ask(report).address
            if said is not None and said.readings:
                readings += 1
                bases[place.basis] += 1
    assert readings > 40
    assert bases[Basis.ADDRESS] > 10


async def homes_imported(grid, tmp_path, devices, homes, to_a_transformer=1):
    """Import a network of which the first transformer feeds the first homes, and so on; return it as in memory."""
    rows = [
        CustomerRow(f"A{n}", f"T{n // to_a_transformer}", 31.0 + n / 100, 118.0, home, "")
        for n, home in enumerate(homes)
    ]
    files = tmp_path / "network.csv", tmp_path / "customers.csv"
    write_devices(files[0], devices)
    write_customers(files[1], rows)
    await import_network(grid, *files)
    return CustomerBook(Tree(devices), rows)


async def test_places_within_their_town_and_county_are_found_as_in_memory(grid, tmp_path):
    devices = [
        DeviceRow("S", None, "substation", False, 31.0, 118.0),
        DeviceRow("B", "S", "breaker", False, 31.0, 118.0),
    ]
    devices += [DeviceRow(f"T{n}", "B", "transformer", False, 31.0 + n / 100, 118.0) for n in range(90)]
    homes = [
        *("平川县清溪镇新民村2组5号", "平川县双溪镇新民村2组1号", "安丰县清溪镇新民村2组3号", "滨江区新民路12号"),
        *(
            "余杭区五常街道文一路12号",
            "西湖区灵隐街道文一路12号",
            "拱墅区恒大绿洲6号楼2单元104室",
            "平川县清溪镇孙家洼7组2号",
        ),
        *(f"{n}县新民村{n}组{n}号" for n in range(8, 90)),
    ]
    book = await homes_imported(grid, tmp_path, devices, homes)
    said = {
        "双溪镇新民村2组": "T1",
        "安丰县新民村2组": "T2",
        "清溪镇新民村2组": "T0",  # as likely as T2: both are candidates
        "平川县清溪镇新民村二组": "T0",
        "新民村11组": "T11",
        "新民村": None,
        "余杭区文一路12号": "T4",
        "灵隐街道文一路12号附近": "T5",
        "滨江区长河街道新民路12号": "T3",
        "恒大绿洲6#": "T6",
        "拱墅恒大绿洲6#": "T6",
        "解放路8号恒大绿洲6#": "T6",
        "余杭文一路12号": "T4",
        "灵隐文一路12号": "T5",
        "平川县孙家洼村7组": "T7",
    }
    reports = [PlaceEvidence(address=one) for one in said]
    places = await resolve_places(grid, reports)
    assert places == [book.resolve(one) for one in reports]
    assert [place.transformer_id for place in places] == list(said.values())


async def test_a_house_of_a_long_lane_and_an_estate_by_ear_are_found_as_in_memory(grid, tmp_path):
    devices = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    devices += [DeviceRow(f"T{n}", "S", "transformer", False, 31.0 + n / 100, 118.0) for n in range(211)]
    homes = [f"鼓楼区民主东路57弄{n}号" for n in range(140)]
    homes += [f"玄武区民主东路57弄{n % 35}号" for n in range(70)]  # each number twice
    homes += ["玄武区枫林嘉园2幢301室"]
    book = await homes_imported(grid, tmp_path, devices, homes)
    said = {
        "鼓楼区民主东路57弄120号": "T120",
        "民主东路57弄120号": "T120",
        "解放路民主东路57弄120": "T120",
        "鼓楼区民主东路57弄200号": None,
        "鼓楼区民主东路57弄": None,
        "民主东路57弄12号": "T12",  # as likely as T152 and T187
        "民主路57弄120号": "T120",
        "鼓楼区民主东路57弄附近": None,
        "枫林家园2号楼": "T210",
        "fenglin jiayuan 2 dong": "T210",
        "枫林家园3号楼": None,
    }
    reports = [PlaceEvidence(address=one) for one in said]
    places = await resolve_places(grid, reports)
    assert places == [book.resolve(one) for one in reports]
    assert [place.transformer_id for place in places] == list(said.values())


async def test_a_long_lane_is_where_its_transformers_are_as_in_memory(grid, tmp_path):
    devices = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    devices += [DeviceRow(f"T{n}", "S", "transformer", False, 31.0 + n / 100, 118.0) for n in range(70)]
    homes = [f"鼓楼区民主东路57弄{n}号{room}室" for n in range(1, 81) for room in (101, 102)]
    homes += [f"玄武区建设路9弄{n}号" for n in range(1, 601)]
    book = await homes_imported(grid, tmp_path, devices, homes, to_a_transformer=40)
    said = {
        "鼓楼区民主东路57弄": "S",
        "民主东路57弄停电": "S",
        "民主东路57弄90号": None,
        "建设路9弄": None,
        "建设路9弄77号": "S",
    }
    reports = [PlaceEvidence(address=one) for one in said]
    places = await resolve_places(grid, reports)
    assert places == [book.resolve(one) for one in reports]
    assert [place.area for place in places] == list(said.values())
    assert {one.spot.transformer_id for one in places[0].candidates} == {"T0", "T1", "T2", "T3"}


async def test_a_street_of_many_spellings_is_where_its_transformers_are_as_in_memory(grid, tmp_path):
    devices = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    devices += [DeviceRow(f"T{n}", "S", "transformer", False, 31.0 + n / 100, 118.0) for n in range(110)]
    spelt = ("", "鼓楼区", "城北街道", "鼓楼区城北街道")
    homes = [f"{spelt[n % 4]}望江路{n + 1}号" for n in range(120)]  # of 30 transformers, each in four districts
    homes += [f"{spelt[n % 4]}黄河路{n + 1}号" for n in range(280)]  # of 70
    homes += [f"{spelt[n % 4]}丽景花园{n % 2 + 1}期{n + 1}栋" for n in range(40)]  # of 10, each in both phases
    book = await homes_imported(grid, tmp_path, devices, homes, to_a_transformer=4)
    said = {"望江路停电": ("S", 5), "黄河路停电": (None, 0), "丽景花园停电": ("S", 5), "丽景花园2期停电": ("S", 5)}
    reports = [PlaceEvidence(text=one) for one in said]
    places = await resolve_places(grid, reports)
    assert places == [book.resolve(one) for one in reports]
    assert [(place.area, len(place.candidates)) for place in places] == list(said.values())


async def test_hamlets_are_found_as_in_memory(grid, tmp_path):
    devices = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    devices += [DeviceRow(f"T{n}", "S", "transformer", False, 31.0 + n / 100, 118.0) for n in range(3)]
    homes = ["盐池镇红坪村沈家屯11号", "盐池镇红坪村韩家沟唐勇", "盐池镇白桥村2组7号"]
    book = await homes_imported(grid, tmp_path, devices, homes)
    said = {"红坪沈家屯没电": "T0", "韩家沟停电了": "T1", "红坪村韩家沟停电了": "T1", "白桥停电了": "T2"}
    reports = [PlaceEvidence(text=one) for one in said]
    places = await resolve_places(grid, reports)
    assert places == [book.resolve(one) for one in reports]
    assert [place.transformer_id for place in places] == list(said.values())


async def test_phases_and_short_names_of_estates_are_found_as_in_memory_by_no_more_than_four_queries(grid, tmp_path):
    devices = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    for n in range(100):
        devices.append(DeviceRow(f"B{n}", "S", "breaker", False, 31.0, 118.0))
        devices.append(DeviceRow(f"T{n}", f"B{n}", "transformer", False, 31.0 + n / 100, 118.0))
    homes = [
        *("鼓楼区丽景花园一期5栋101室", "鼓楼区丽景花园三期5栋", "鼓楼区丽景花园二期7栋", "鼓楼区荷苑小区5栋201室"),
        *(
            "鼓楼区建设路5号恒大绿洲3栋502室",
            "鼓楼区翠湖小区6栋",
            "鼓楼区翠湖公寓6栋",
            "清溪镇曙光村3组12号",
            "鼓楼区曙光小区2栋",
            "鼓楼区天誉府A座1201室",
            "鼓楼区天誉府二期B1栋",
        ),
        *(f"鼓楼区建设路{n}号" for n in range(20, 108)),
    ]
    book = await homes_imported(grid, tmp_path, devices, homes)
    words = {
        "T0": "丽景花园Ⅰ期5栋",
        "T1": "丽景花园三期5栋 丽景花园三期 丽景三期5栋",
        "T2": "丽景花园二期5栋",
        "T3": "荷苑小区二期5栋 荷苑5栋201 荷苑 建设路荷苑5栋",
        "T4": "恒大绿洲附近 绿洲3栋",
        "T8": "曙光2栋",
        "T9": "天誉府A座 天誉a栋1201室",
        "T10": "天誉府b1座 天誉府二期B1栋",
        None: "丽景花园四期5栋 丽景花园5栋 翠湖6栋 曙光 家里 昨儿",
    }
    said = {f"{one}停电了": at for at, each in words.items() for one in each.split()}
    reports = [PlaceEvidence(text=one) for one in said]
    await resolve_places(grid, reports)  # the driver learns the array types once a connection
    queries = []
    with grid.query_logger(queries.append):
        places = await resolve_places(grid, reports)
        await asyncio.sleep(0)
    assert len(queries) <= 4
    assert places == [book.resolve(one) for one in reports]
    assert dict(zip(said, (place.transformer_id for place in places), strict=True)) == said


async def test_a_sender_of_streets_that_nobody_has_costs_the_others_no_more_than_some_of_them(grid, shipped):
    await import_network(grid, *shipped("ieee123"))
    files = open_network(*shipped("ieee123"))
    home = next(row for row in files.read_customers() if parse(row.address).number)
    road = parse(home.address).road
    said = home.address.replace(road, "".join(SYLLABLES[char][0] for char in road[:-1]) + road[-1])
    honest = PlaceEvidence(address=said)
    assert (await resolve_places(grid, [honest]))[0].transformer_id == home.transformer_id
    strange = [PlaceEvidence(address=f"无{chr(0x4E00 + n)}何有路{n}号") for n in range(1, 5 * MOST_ALIKE)]
    asked = []
    with grid.query_logger(lambda query: asked.extend(query.args if FIND_ALIKE in query.query else ())):
        *_, last = await resolve_places(grid, [*strange, honest])
        first, *_ = await resolve_places(grid, [honest, *strange])
        await asyncio.sleep(0)
    assert (first.transformer_id, last.transformer_id) == (home.transformer_id, None)  # the last is a control
    assert all(0 < len(keys) < 60 * MOST_ALIKE for keys in asked)


async def test_a_batch_is_two_queries_whatever_its_size(grid, tiled):
    network, customers = tiled(2)
    await import_network(grid, network, customers)
    rows = list(open_network(network, customers).read_customers())
    await resolve_places(grid, storm(rows, 0, 1))  # the driver learns the array types once a connection
    for size in (10, 1000, 0):
        queries = []
        with grid.query_logger(queries.append):
            assert len(await resolve_places(grid, storm(rows, size, size))) == size
            await asyncio.sleep(0)  # the driver logs a turn later
        assert len(queries) == (2 if size else 0)


async def test_the_cost_of_a_batch_does_not_grow_with_the_customers(grid, tiled):
    few, many = tiled(5), tiled(75)
    cost, scanned, loaded = [], [], []
    for files in (few, many):
        loaded.append((await import_network(grid, *files)).version.customers)
        rows = list(open_network(*files).read_customers())
        pages, tables = await cost_of(grid, storm(rows, 7))
        cost.append(pages)
        scanned.append(tables - {"network_version"})
    assert loaded == [6_860, 102_900]
    assert scanned[1] == set()
    # 15 times the customers: an index is one level deeper, and an address said without its district fits more houses,
    # up to the limit.
    assert cost[1] < 2.5 * cost[0], (cost, scanned)
    # The control: without its index the cost of the large network shows.
    await grid.execute("DROP INDEX grid.customer_v2_account_id_idx")
    pages, tables = await cost_of(grid, storm(rows, 7), unknown=0)
    assert tables >= {"customer_v2"}
    assert pages > 2 * cost[1]


async def test_a_sender_of_accounts_that_nobody_has_costs_the_others_no_more_than_some_of_them(grid, shipped):
    await import_network(grid, *shipped("ieee123"))
    account = "A0900001"
    strange = [PlaceEvidence(account_id=f"{7 * 10**11 + 1001 * n}") for n in range(20 * MOST_SLIPPED)]
    honest = [PlaceEvidence(account_id=f"{account}7"), PlaceEvidence(account_id=account)]
    few, _ = await cost_of(grid, strange[:MOST_SLIPPED], unknown=MOST_SLIPPED)
    cost, _ = await cost_of(grid, strange, unknown=len(strange))
    named, _ = await cost_of(grid, strange, unknown=0)  # each of them is looked up as it is said
    assert cost - named < 1.2 * few, (few, cost, named)
    # The same one again and again is one; whom an account names, and who slipped in an honest batch, is found.
    slip, right, *rest = await resolve_places(grid, [*honest, *strange])
    assert slip.account_id == right.account_id == account
    assert {one.basis for one in rest} == {Basis.NONE}
    *_, slip = await resolve_places(grid, [strange[0]] * 2000 + honest[:1])
    assert slip.account_id == account
    # The control: more than some, and those behind them are placed by the rest of their evidence alone.
    *_, slip = await resolve_places(grid, [*strange, *honest[:1]])
    assert slip.account_id is None


async def test_without_any_network_a_position_becomes_a_cell_and_the_rest_goes_to_people(grid):
    position, account = await resolve_places(
        grid, [PlaceEvidence(lat=31.2, lon=118.4, accuracy_m=10), PlaceEvidence(account_id="A1", phone="13900000001")]
    )
    assert position.basis is Basis.CELL
    assert position.area.startswith("cell:85")
    assert position.transformer_id.startswith("cell:89")
    assert (account.basis, account.area) == (Basis.NONE, None)


async def test_a_phone_several_customers_have_names_none_of_them(grid, shipped, tmp_path):
    network, customers = shipped("ieee123")
    header, first, second, third, *rest = customers.read_text(encoding="utf-8").splitlines()
    phone = first.rsplit(",", 1)[1]
    alike = [f"{row.rsplit(',', 1)[0]},{phone}" for row in (first, second, third)]
    changed = tmp_path / "customers.csv"
    changed.write_text("\n".join([header, *alike, *rest, ""]), encoding="utf-8")
    await import_network(grid, network, changed)
    account = third.split(",")[0]
    lone, with_account = await resolve_places(
        grid, [PlaceEvidence(phone=phone), PlaceEvidence(phone=phone, account_id=account)]
    )
    assert (lone.basis, set(lone.evidence) - {"ambiguous"}) == (Basis.PHONE, {"phone_shared", "phone"})
    assert len({one.account_id for one in lone.candidates} | {lone.account_id}) > 0
    assert (with_account.account_id, with_account.basis) == (account, Basis.ACCOUNT)
    assert "phone_agrees" in with_account.evidence


async def test_text_no_database_can_hold_does_not_harm_the_batch(grid, shipped):
    await import_network(grid, *shipped("ieee123"))
    poison = [
        PlaceEvidence(account_id=text, phone=text, address=f"{text}中山路3号{text}", text=f"{text}变")
        for text in ("A\0", "\ud800", "x" * 100_000, "'; --")
    ]
    *_, good = await resolve_places(grid, [*poison, PlaceEvidence(account_id="A0900001")])
    assert good.account_id == "A0900001"


async def pages_of_the_nearest(connection, table):
    """How many pages the 24 points nearest to a place lie on, on average over places all over the network."""
    query = f"""
    SELECT avg(pages)::float8
    FROM (SELECT at FROM grid.{table} ORDER BY md5(at::text) LIMIT 50) AS place CROSS JOIN LATERAL (
        SELECT count(DISTINCT (ctid::text::point)[0]) AS pages
        FROM (SELECT ctid FROM grid.{table} ORDER BY at <-> place.at LIMIT {MOST_POINTS}) AS nearest
    ) AS of_place
    """  # noqa: S608 - names of ours
    return await connection.fetchval(query)


async def test_what_is_looked_up_together_lies_together(grid, tiled):
    """Else every row of a look-up in a network that no memory holds is a page read from the disk."""
    await import_network(grid, *tiled(8))
    houses = await grid.fetch("SELECT street, number, district FROM grid.house_v1 ORDER BY ctid")
    assert len({tuple(row) for row in houses}) > 1000
    assert [tuple(row) for row in houses] == sorted(tuple(row) for row in houses)
    assert await pages_of_the_nearest(grid, "service_point_v1") < 6
    # The control: in no order, nearly every point is on a page of its own.
    await grid.execute("CREATE TABLE grid.shuffled AS SELECT * FROM grid.service_point_v1 ORDER BY md5(at::text)")
    assert await pages_of_the_nearest(grid, "shuffled") > 12
