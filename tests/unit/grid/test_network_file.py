"""Every problem of a network file is named with its file and line, and nothing of it is used."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.values import CustomerClass, CustomerStatus
from services.grid.csv_file import NetworkFileError
from services.grid.device import DeviceColumns, DeviceRow
from services.grid.network_file import (
    CustomerRow,
    open_network,
    read_customers,
    read_devices,
    write_customers,
    write_devices,
)

HEADER = "id,parent,type,normally_open,lat,lon"
DEVICES = f"""{HEADER}
S,,substation,0,31.1,118.1
B,S,breaker,0,31.1,118.1
F,B,fuse,0,31.1,118.2
TIE,B,switch,1,31.1,118.2
T1,F,transformer,0,31.1,118.3
T2,B,transformer,0,31.2,118.3
"""
CUSTOMERS_HEADER = "account_id,transformer_id,lat,lon,address,phone"


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "network.csv"
    path.write_text(DEVICES, encoding="utf-8")
    return path


@pytest.fixture
def customers(tmp_path):
    def write(*lines, header=CUSTOMERS_HEADER):
        path = tmp_path / "customers.csv"
        path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        return path

    return write


def problems_of(call, *args):
    with pytest.raises(NetworkFileError) as caught:
        list(call(*args))
    return [(problem.line, problem.reason) for problem in caught.value.problems]


def check_devices(tmp_path, *lines, header=HEADER):
    path = tmp_path / "network.csv"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return problems_of(read_devices, path)


def loaded(tmp_path, devices, customers=("A1,T1,31.1,118.3,x,1",), header=HEADER):
    """Read files that lack something and can be used; return devices and customers by id, and the warnings."""
    network, served = tmp_path / "network.csv", tmp_path / "customers.csv"
    network.write_text("\n".join([header, *devices, ""]), encoding="utf-8")
    served.write_text("\n".join([CUSTOMERS_HEADER, *customers, ""]), encoding="utf-8")
    files = open_network(network, served)
    people = {row.account_id: (row.lat, row.lon) for row in files.read_customers()}
    return {row.id: (row.lat, row.lon) for row in files.devices}, people, files.warnings


LACKING = ("S,,substation,0,,", "B,S,breaker,0,31.1,118.1", "F,B,fuse,0,,118.2", "T1,F,transformer,0,0,0")


def test_a_device_without_coordinates_is_where_what_feeds_it_is_else_what_it_feeds(tmp_path):
    devices, people, warnings = loaded(tmp_path, LACKING, ["A1,T1,,,x,1", "A2,T1,NULL,118,x,1", "A3,T1,31.2,118.3,x,1"])
    assert set(devices.values()) == {(31.1, 118.1)}
    assert people == {"A1": (31.1, 118.1), "A2": (31.1, 118.1), "A3": (31.2, 118.3)}
    assert warnings == [
        "network.csv:2: lat and lon are empty: 'S': taken to be at 'B'",
        "network.csv:4: lat is empty: 'F': taken to be at 'B'",
        "network.csv:5: lat 0, lon 0 is no place but what a program writes that knows none: 'T1': taken to be at 'B'",
        "customers.csv:2: lat and lon are empty: 'A1' is taken to be at 'T1'",
        "customers.csv:3: lat is empty: 'A2' is taken to be at 'T1'",
    ]


def test_a_network_without_any_coordinates_loads_and_says_so(tmp_path):
    devices, _, warnings = loaded(tmp_path, ["S,,substation,0,,", "T1,S,transformer,0,,"], ["A1,T1,,,x,1"])
    assert set(devices) == {"S", "T1"}
    assert (
        warnings[0] == "network.csv:2: lat and lon are empty: 'S': no device around it has any, so no position finds it"
    )


def test_a_lone_feeder_whose_ends_are_known_lies_along_them(tmp_path):
    rows = [
        "S,,substation,0,,",
        "B,S,breaker,0,,",
        "F,B,fuse,0,,",
        "T1,F,transformer,0,31.1,118.1",
        "T2,B,transformer,0,,",
    ]
    devices, _, _ = loaded(tmp_path, rows)
    assert set(devices.values()) == {(31.1, 118.1)}


def test_latitude_and_longitude_in_each_others_place_are_put_right(tmp_path):
    rows = ["S,,substation,0,118.1,31.1", "T1,S,transformer,0,31.1,118.3"]
    devices, people, warnings = loaded(tmp_path, rows, ["A1,T1,118.3,31.1,x,1"])
    assert (devices["S"], people["A1"]) == ((31.1, 118.1), (31.1, 118.3))
    assert warnings == [
        "network.csv:2: lat 118.1, lon 31.1 stand in each other's place: read as lat 31.1, lon 118.1",
        "customers.csv:2: lat 118.3, lon 31.1 stand in each other's place: read as lat 31.1, lon 118.3",
    ]


def test_latitude_and_longitude_in_each_others_place_are_put_right_in_chinas_west(tmp_path):
    rows = ["S,,substation,0,75.99,39.47", "T1,S,transformer,0,39.47,75.99"]
    devices, people, warnings = loaded(tmp_path, rows, ["A1,T1,87.6,43.8,x,1"])
    assert (devices["S"], devices["T1"], people["A1"]) == ((39.47, 75.99), (39.47, 75.99), (43.8, 87.6))
    assert len(warnings) == 2


def test_telephone_numbers_of_which_a_spreadsheet_lost_digits_are_told(tmp_path):
    rows = ["S,,substation,0,31,118", "T1,S,transformer,0,31,118"]
    _, _, warnings = loaded(tmp_path, rows, ["A1,T1,31,118,x,1.39E+10", "A2,T1,31,118,x,13912345678"])
    (warning,) = warnings
    assert warning.startswith("customers.csv:2: phone '1.39E+10' is a number as a spreadsheet writes one")


def test_more_warnings_than_are_shown_are_counted_and_stop_nothing(tmp_path):
    _, people, warnings = loaded(tmp_path, LACKING, [f"A{n},T1,,,x,1" for n in range(40)])
    assert len(people) == 40
    assert warnings[-1] == "and 23 more"


def test_what_spreadsheets_leave_is_read(tmp_path):
    rows = [
        "S,,SUBSTATION,false,31.1,118.1\r",
        ",,,,,",
        "",
        "T1,S,Transformer,0.0,31.1,118.3",
        "TIE,S,switch,TRUE,31.1,118.1",
    ]
    devices, people, warnings = loaded(tmp_path, rows, ['A1,T1,31.1,118.3,"楼上, 左边",1', ",,,,,", "   ".strip()])
    assert (set(devices), set(people), warnings) == ({"S", "T1", "TIE"}, {"A1"}, [])


def test_a_device_that_feeds_itself_and_one_that_feeds_its_feeder_are_loops(tmp_path):
    told = check_devices(tmp_path, "S,,substation,0,31,118", "A,A,fuse,0,31,118", "B,C,fuse,0,,", "C,B,fuse,0,,")
    assert told == [(3, "cycle: A ← A"), (4, "cycle: B ← C ← B")]


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_fields_that_no_comma_separates_are_named(tmp_path, sign, name):
    ((line, reason),) = check_devices(tmp_path, "S;;substation", header=HEADER.replace(",", sign))
    assert line == 1
    assert reason.endswith(f"its fields are separated by {name}, save it with commas")


def test_a_good_network_is_read_whole(network):
    devices = read_devices(network)
    assert [d.id for d in devices] == ["S", "B", "F", "TIE", "T1", "T2"]
    assert devices[0].parent is None
    assert devices[3].normally_open
    assert devices[4] == DeviceRow("T1", "F", "transformer", normally_open=False, lat=31.1, lon=118.3)


def test_other_columns_any_order_and_a_byte_order_mark_are_fine(tmp_path):
    path = tmp_path / "network.csv"
    path.write_text("lon,LAT,note,normally_open,type,parent,id\n118.1,31.1,x,0,Substation,,S\n", encoding="utf-8-sig")
    assert read_devices(path) == [DeviceRow("S", None, "substation", normally_open=False, lat=31.1, lon=118.1)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("X,B,fuse,0,91,118", "lat 91, lon 118: not degrees on the globe"),
        ("X,B,fuse,0,-90.5,118", "lat -90.5, lon 118: not degrees on the globe"),
        ("X,B,fuse,0,31,-180.5", "lat 31, lon -180.5: not degrees on the globe"),
        ("X,B,fuse,0,north,118", "not two numbers"),
        ("X,B,fuse,0,31 N,118", "not two numbers"),
        ("X,B,fuse,0,3_1,118", "lat '3_1', lon '118': not two numbers"),
        ("X,B,fuse,0,31,１１８", "lat '31', lon '１１８': not two numbers"),
        ("X,B,fuse,0,31,1e400", "not degrees on the globe"),
        ("X,B,fuse,perhaps,31,118", "normally_open must be 0 or 1, not 'perhaps'"),
        ("X,B,,0,31,118", "type is empty"),
        (",B,fuse,0,31,118", "id is empty"),
        ("cell:x,B,fuse,0,31,118", "must not start with 'cell:'"),
        ("X,Y,fuse,0,31,118", "orphan: its parent 'Y'"),
        ("X,,fuse,0,31,118", "only a substation has no parent"),
        ("X,X,fuse,0,31,118", "cycle: X ← X"),
        ("B,S,fuse,0,31,118", "id 'B' is used twice, first on line 3"),
        ("X,B,fuse,0,31", "5 fields where the header has 6"),
        ("X,B,fuse,0,31,118,9", "put a text with a comma in quotes"),
    ],
)
def test_a_bad_device_is_named_with_its_line(tmp_path, line, reason):
    ((at, told),) = check_devices(tmp_path, *DEVICES.splitlines()[1:3], line)
    assert at == 4
    assert reason in told


def test_every_problem_is_told_by_line_across_blank_lines(tmp_path):
    found = check_devices(tmp_path, "S,,substation,0,31,118", "", "A,S,fuse,2,31,118", "B,S,fuse,0,x,118")
    assert [line for line, _ in found] == [4, 5]


def test_a_cycle_is_told_at_its_first_line(tmp_path):
    found = check_devices(
        tmp_path, "S,,substation,0,31,118", "A,C,fuse,0,31,118", "B,A,fuse,0,31,118", "C,B,fuse,0,31,118"
    )
    assert found == [(3, "cycle: A ← C ← B ← A")]


def test_twenty_problems_are_told_and_the_rest_counted(tmp_path):
    path = tmp_path / "network.csv"
    path.write_text(
        "\n".join([HEADER, "S,,substation,0,1,1", *(f"D{n},S,fuse,0,x,1" for n in range(50))]), encoding="utf-8"
    )
    with pytest.raises(NetworkFileError) as caught:
        read_devices(path)
    assert (len(caught.value.problems), caught.value.total) == (20, 50)
    assert str(caught.value).splitlines()[0].startswith("network.csv:3: ")
    assert str(caught.value).splitlines()[-1] == "and 30 more"


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"", 1, "no column id, parent"),
        (b"id,parent,type,lat,lon\n", 1, "no column normally_open; the header has id, parent, type, lat, lon"),
        (b"id,id,parent,type,normally_open,lat,lon\n", 1, "column id comes twice"),
        (HEADER.encode() + b"\n", 0, "has no device"),
        (HEADER.encode() + "\nS,,substation,0,31,118,变电站\n".encode("gbk"), 2, "not UTF-8"),
        (DEVICES.encode("utf-16"), 1, "is UTF-16, not UTF-8"),
        (gzip.compress(DEVICES.encode()), 1, "is compressed with gzip: unpack it"),
        (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0\xa4\n", 1, "is a workbook or a zip file: save its sheet as CSV UTF-8"),
        (HEADER.encode() + b"\nS\0,,substation,0,31,118\n", 2, "NUL"),
        (HEADER.encode() + b'\nS,,substation,0,31,"118\n', 2, "not CSV"),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused_at_its_line(tmp_path, content, line, reason):
    path = tmp_path / "network.csv"
    path.write_bytes(content)
    (at, told), *_ = problems_of(read_devices, path)
    assert at == line
    assert reason in told


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (HEADER.encode() + b"\n", "network.csv: has no device"),
        (b"name\n", f"network.csv:1: no column {', '.join(HEADER.split(','))}; the header has name"),
        (HEADER.encode() + b"\nS,,substation,0,31\n", "network.csv:2: 5 fields where the header has 6"),
        (b'id,"parent\n', "network.csv:1: is not CSV from here on: unexpected end of data"),
        (
            HEADER.encode() + b'\n"S\0,,substation,0,31,118\n',
            "network.csv:2: has a NUL character: save the file as UTF-8 text",
        ),
    ],
)
def test_of_a_file_with_one_problem_that_is_told_and_nothing_else(tmp_path, content, told):
    path = tmp_path / "network.csv"
    path.write_bytes(content)
    with pytest.raises(NetworkFileError) as caught:
        read_devices(path)
    assert str(caught.value) == told


def test_a_missing_file_is_a_problem_not_a_traceback(tmp_path):
    ((line, reason),) = problems_of(read_devices, tmp_path / "nothing.csv")
    assert line == 0
    assert "No such file" in reason


def test_customers_are_read_with_defaults_for_optional_columns(network, customers):
    path = customers('A1,T1,31.1,118.3,"1区 5栋, 301室",13800000000', "A2,T2,31.2,118.3,,")
    first, second = open_network(network, path).read_customers()
    assert first.address == "1区 5栋, 301室"
    assert (second.status, second.priority, second.language) == (CustomerStatus.ACTIVE, CustomerClass.NORMAL, "")


def test_optional_columns_of_customers_are_read_where_present(network, customers):
    path = customers(
        "A1,T1,31.1,118.3,x,1,李,suspended,life_support,bo-CN,10",
        "A2,T1,31.1,118.3,x,1,李,suspended,life_support,bo-CN,",
        header=CUSTOMERS_HEADER + ",name,status,priority,language,voltage_kv",
    )
    row, other = open_network(network, path).read_customers()
    assert (row.voltage_kv, other.voltage_kv) == (10.0, None)
    assert (row.name, row.status, row.priority, row.language) == (
        "李",
        CustomerStatus.SUSPENDED,
        CustomerClass.LIFE_SUPPORT,
        "bo-CN",
    )


@pytest.mark.parametrize(
    ("column", "meant"),
    [("priorty", "priority"), ("Satus", "status"), ("voltage", "voltage_kv"), ("element", None), ("remark", None)],
)
def test_an_optional_column_that_is_misspelt_does_not_vanish_unsaid(network, customers, column, meant):
    """Who lives by a machine would be a customer as any."""
    files = open_network(network, customers("A1,T1,31,118,x,1,life_support", header=f"{CUSTOMERS_HEADER},{column}"))
    assert len(list(files.read_customers())) == 1
    told = [] if meant is None else [f"column {column.lower()} is not read: was {meant} meant, which is not there?"]
    assert files.warnings == [f"customers.csv:1: {one}" for one in told]


@pytest.mark.parametrize("nothing", ["NULL", "null", r"\N", "None", "nan", "-", "#N/A"])
def test_what_databases_write_for_nothing_is_nothing(tmp_path, nothing):
    header = CUSTOMERS_HEADER + ",status,priority,language,voltage_kv"
    network, people = tmp_path / "n.csv", tmp_path / "c.csv"
    network.write_text(f"{HEADER}\nS,{nothing},substation,0,31,118\nT1,S,transformer,0,31,118\n", encoding="utf-8")
    people.write_text(f"{header}\nA1,T1,31.1,118.3,x,1{f',{nothing}' * 4}\n", encoding="utf-8")
    files = open_network(network, people)
    (row,) = files.read_customers()
    assert files.devices[0].parent is None
    assert (row.status, row.priority, row.language, row.voltage_kv) == ("active", "normal", "", None)
    network.write_text(f"{HEADER}\nS,,substation,0,31,118\nF,{nothing},fuse,0,31,118\n", encoding="utf-8")
    assert "orphan" in problems_of(read_devices, network)[0][1]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("A2,T9,31,118,x,1,,,", "transformer_id 'T9' is not in the network"),
        ("A2,F,31,118,x,1,,,", "transformer_id 'F' is a fuse, not a transformer"),
        ("A2,,31,118,x,1,,,", "transformer_id is empty"),
        (",T1,31,118,x,1,,,", "account_id is empty"),
        ("A1,T1,31,118,x,1,,,", "account_id 'A1' is used twice, first on line 2"),
        ("1.23E+11,T1,31,118,x,1,,,", "account_id '1.23E+11' is a number as a spreadsheet writes one"),
        ("1E+11,T1,31,118,x,1,,,", "account_id '1E+11' is a number as a spreadsheet writes one"),
        ("123456789.0,T1,31,118,x,1,,,", "account_id '123456789.0' is a number as a spreadsheet writes one"),
        ("A2,T1,here,118,x,1,,,", "not two numbers"),
        ("A2,T1,31,1e9,x,1,,,", "not degrees"),
        ("A2,T1,31,118,x,1,closed,,", "status must be active or suspended, not 'closed'"),
        ("A2,T1,31,118,x,1,,gold,", "priority must be normal, important, life_support or vip, not 'gold'"),
        ("A2,T1,31,118,x,1,,,chinese!", "no BCP 47 tag"),
        (f"A2,T1,31,118,{'x' * 4001},1,,,", "longer than 4000"),
        *(
            (f"A2,T1,31,118,x,1,,,,{wrong}", f"voltage_kv must be kilovolts, such as 0.38 or 10, not '{wrong}'")
            for wrong in ("10kV", "0", "-10", "10000", "inf", "1_0", "１０", "1e400")
        ),
    ],
)
def test_a_bad_customer_is_named_with_its_line(network, customers, line, reason):
    header = CUSTOMERS_HEADER + ",status,priority,language" + (",voltage_kv" if "voltage_kv" in reason else "")
    first = "A1,T1,31,118,x,1,,," + ("," if "voltage_kv" in reason else "")
    path = customers(first, line, header=header)
    ((at, told),) = problems_of(read_customers, path, read_devices(network))
    assert at == 3
    assert reason in told


def test_a_type_nobody_knows_is_carried_and_told_once(tmp_path):
    path = tmp_path / "network.csv"
    rows = DEVICES.replace("fuse", "Swich").replace("switch", "swich") + "R,B,regulator,0,31,118\nL,B,line,0,31,118\n"
    path.write_text(rows, encoding="utf-8")
    customers = tmp_path / "customers.csv"
    (told,) = open_network(path, customers).warnings
    assert told.startswith("network.csv:4: type 'swich' is none of substation, breaker, ")


def test_a_list_without_customers_is_refused_as_it_would_leave_nobody(network, customers):
    assert problems_of(read_customers, customers(), read_devices(network)) == [(0, "has no customer")]
    assert problems_of(read_customers, customers("", ",,,,,"), read_devices(network)) == [(0, "has no customer")]


@pytest.mark.parametrize(
    "content", [b"", DEVICES.replace(",", ";").encode(), DEVICES.encode() + b'"T3,B,transformer,0,31.2,118.3\n', None]
)
def test_a_network_that_was_not_read_to_its_end_says_nothing_of_its_customers_places(tmp_path, customers, content):
    network = tmp_path / "network.csv"
    if content is not None:
        network.write_bytes(content)
    path = customers("A1,T9,31,118,x,1", "A2,T9,31,118,x,1", "A3,T9,none at all,118,x,1")
    with pytest.raises(NetworkFileError) as caught:
        open_network(network, path)
    assert [(p.file, p.line) for p in caught.value.problems][1:] == [("customers.csv", 4)]
    assert caught.value.problems[0].file == "network.csv"


def test_the_problems_of_both_files_are_told_in_one_go(tmp_path, customers):
    network = tmp_path / "network.csv"
    network.write_text(DEVICES + "X,NONE,fuse,0,31,118\n", encoding="utf-8")
    path = customers("A1,T1,31,118,x,1", "A1,T1,31,118,x,1", "A3,X,31,118,x,1")
    with pytest.raises(NetworkFileError) as caught:
        open_network(network, path)
    assert [(p.file, p.line) for p in caught.value.problems] == [
        ("network.csv", 8),
        ("customers.csv", 4),
        ("customers.csv", 3),
    ]


def test_no_customer_is_given_out_after_a_problem(network, customers):
    path = customers("A1,T1,31,118,x,1", "A2,T9,31,118,x,1", "A3,T1,31,118,x,1")
    rows = read_customers(path, read_devices(network))
    assert next(rows).account_id == "A1"
    with pytest.raises(NetworkFileError):
        next(rows)


def test_accounts_are_found_twice_among_many(network, customers):
    path = customers(*(f"A{n},T1,31,118,x,1" for n in range(3000)), "A17,T1,31,118,x,1", "A5,T2,31,118,x,1")
    found = problems_of(read_customers, path, read_devices(network))
    assert found == [
        (3002, "account_id 'A17' is used twice, first on line 19"),
        (3003, "account_id 'A5' is used twice, first on line 7"),
    ]


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12).map(str.strip)
DEGREES = st.floats(-80, 73, allow_nan=False)  # north of that some are read as swapped


CUSTOMERS = st.builds(
    CustomerRow,
    account_id=TEXT.filter(lambda text: text and text.isprintable() and not text.startswith("cell:")),
    transformer_id=st.just("T1"),
    lat=DEGREES,
    lon=DEGREES,
    address=TEXT,
    phone=TEXT,
    name=TEXT,
    status=st.sampled_from(CustomerStatus),
    priority=st.sampled_from(CustomerClass),
    language=st.sampled_from(["", "zh-Hans-CN", "bo-CN"]),
    voltage_kv=st.sampled_from([None, 0.22, 0.38, 10.0, 110.0, 1000.0]),
).filter(lambda row: row.lat or row.lon)  # 0, 0 is no place, and read as one that is not known


@given(st.lists(CUSTOMERS, min_size=1, unique_by=lambda row: row.account_id))
def test_what_is_written_is_read_again(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("files")
    devices = [DeviceRow("S", None, "substation", normally_open=False, lat=0.1, lon=-7.25)]
    devices.append(DeviceRow("T1", "S", "transformer", normally_open=False, lat=1e-7, lon=179.9999999))
    assert write_devices(folder / "network.csv", devices) == 2
    assert write_customers(folder / "customers.csv", rows) == len(rows)
    files = open_network(folder / "network.csv", folder / "customers.csv")
    assert list(files.devices) == devices
    assert list(files.read_customers()) == rows


def test_a_device_may_have_a_name_and_keeps_it(tmp_path):
    path = tmp_path / "network.csv"
    path.write_text(
        f"{HEADER},name\nS,,substation,0,31.1,118.1,宋北站\nT,S,transformer,0,31.1,118.1,\n", encoding="utf-8"
    )
    devices = read_devices(path)
    assert [row.name for row in devices] == ["宋北站", ""]
    write_devices(path, devices)
    assert read_devices(path) == devices
    path.write_text(f"{HEADER},name\nS,,substation,0,31.1,118.1,{'线' * 201}\n", encoding="utf-8")
    with pytest.raises(NetworkFileError, match=r"network\.csv:2: name is longer than 200 characters"):
        read_devices(path)
    path.write_text(f"{HEADER},name\nS,,substation,0,31.1,118.1,宋北\u2028站\n", encoding="utf-8")
    with pytest.raises(NetworkFileError, match=r"network\.csv:2: name .* has a character that cannot be printed"):
        read_devices(path)


def test_a_substation_may_be_called_what_a_database_writes_for_nothing(tmp_path):
    path = tmp_path / "network.csv"
    path.write_text(f"{HEADER}\nNA,,substation,0,31,118\nF,NA,fuse,0,31,118\n", encoding="utf-8")
    assert [row.parent for row in read_devices(path)] == [None, "NA"]


def test_only_an_open_device_has_another_end(tmp_path):
    path = tmp_path / "network.csv"
    rows = ["S,,substation,0,31,118,", "F,S,fuse,0,31,118,S", "TIE,S,switch,1,31,118,F", "END,S,switch,1,31,118,"]
    path.write_text("\n".join([f"{HEADER},other_end", *rows, ""]), encoding="utf-8")
    assert [row.other_end for row in read_devices(path)] == [None, None, "F", None]


def test_devices_by_column_are_the_rows_that_were_put_in() -> None:
    rows = [
        DeviceRow("S", None, "substation", normally_open=False, lat=30.0, lon=110.0),
        DeviceRow("B", "S", "breaker", normally_open=False, lat=30.1, lon=110.1, name="937宋北线"),
        DeviceRow("T", "B", "switch", normally_open=True, lat=30.2, lon=110.2, other_end="B"),
        DeviceRow("U", "B", "switch", normally_open=True, lat=30.2, lon=110.2, other_end="nobody"),
    ]
    columns = DeviceColumns()
    for row in rows:
        columns.append(row)
    assert list(columns) == rows == columns[:]
    assert [columns[n] for n in range(-4, 4)] == [*rows, *rows]
    assert columns[1:3] == rows[1:3]
    columns.forget_unknown_ends()
    assert [row.other_end for row in columns] == [None, None, "B", None]
    for nowhere in (4, -5):
        with pytest.raises(IndexError):
            _ = columns[nowhere]


def test_a_network_whose_writing_is_broken_off_leaves_what_was_there_and_no_half_of_it(tmp_path):
    path = tmp_path / "network.csv"
    whole = [DeviceRow("S", None, "substation", False, 30.0, 120.0)]
    write_devices(path, whole)
    before = path.read_bytes()

    def broken_off():
        yield from whole
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_devices(path, broken_off())
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == {"network.csv": before}
