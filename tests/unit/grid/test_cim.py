"""CIM XML: the real files load, say the same as the CSV of the same feeder, and nothing dangerous or broken does."""

from __future__ import annotations

import csv
import gzip
import re
from collections import Counter
from pathlib import Path

import pytest

import deploy
from services.grid.cim import Drawing, read_cim
from services.grid.csv_file import NetworkFileError
from services.grid.device import DeviceType
from services.grid.network_file import open_network, write_customers, write_devices
from services.grid.switching import Switching, switched
from services.grid.tree import Tree

NETWORKS = Path(deploy.__file__).parent / "networks"
HERE = Drawing(31.16, 118.35)
HEAD = '<rdf:RDF xmlns:cim="http://iec.ch/TC57/CIM100#" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'


@pytest.mark.parametrize(
    ("name", "types", "customers"),
    [
        ("IEEE13", {"breaker": 1, "recloser": 1, "fuse": 1, "switch": 2, "transformer": 15, "regulator": 1}, 16),
        ("IEEE13_PV", {"breaker": 1, "recloser": 1, "fuse": 1, "switch": 4, "transformer": 15, "regulator": 1}, 16),
        ("ieee123x", {"breaker": 1, "switch": 8, "transformer": 92, "regulator": 4}, 91),
    ],
)
def test_the_real_files_load_as_radial_networks_and_become_csv(tmp_path, name, types, customers):
    read = read_cim(NETWORKS / "cim" / f"{name}.xml", HERE)
    connected = Counter(row.transformer_id for row in read.customers)
    tree = Tree(read.devices, connected)
    (area,) = tree.areas()
    assert Counter(row.type for row in read.devices) == types | {"substation": 1}
    assert tree.customers_under(area) == customers
    assert all(tree.type_of(device) is DeviceType.TRANSFORMER for device in connected)
    write_devices(tmp_path / "n.csv", read.devices)
    write_customers(tmp_path / "c.csv", read.customers)
    files = open_network(tmp_path / "n.csv", tmp_path / "c.csv")
    assert list(files.devices) == list(read.devices)
    assert tuple(files.read_customers()) == read.customers


@pytest.mark.parametrize(
    ("name", "voltages"), [("IEEE13", {4.16: 12, 0.48: 3, 0.208: 1}), ("ieee123x", {4.16: 9, 0.208: 82})]
)
def test_loads_have_the_voltage_of_the_file(name, voltages):
    read = read_cim(NETWORKS / "cim" / f"{name}.xml", HERE)
    assert Counter(row.voltage_kv for row in read.customers) == voltages


def test_every_load_hangs_on_the_switches_the_csv_of_the_same_feeder_says():
    """Both are the IEEE 123-node feeder; the CSV's fuses were made by rule and its loads are merged over phases."""
    path = NETWORKS / "cim" / "ieee123x.xml"
    read = read_cim(path, HERE)
    tree = Tree(read.devices)
    text = path.read_text(encoding="utf-8")
    switches = dict(re.findall(r"<cim:LoadBreakSwitch[^>]*>\s*<[^>]*mRID>([^<]+)</[^>]*>\s*<[^>]*name>(sw\d+)<", text))
    by_cim = {}
    for customer in read.customers:
        above = [switches[one] for one in tree.ancestors(customer.transformer_id) if one in switches]
        by_cim[re.fullmatch(r"s(\d+)[abc]*", customer.name)[1]] = above
    with (NETWORKS / "ieee123" / "network.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    by_csv = {}
    for row in rows.values():
        if row["type"] == "transformer":
            above, at = [], row["parent"]
            while at:
                if rows[at]["element"].startswith("line.sw"):
                    above.append(rows[at]["element"].removeprefix("line."))
                at = rows[at]["parent"]
            by_csv[row["element"].removeprefix("load.")] = above
    assert len(by_csv) == 85
    assert by_cim == by_csv


def test_its_ties_join_what_the_csv_of_the_same_feeder_says():
    """The file has sw7 and sw8 end at nodes 300_open and 94_open, which nothing else joins: each names one end only."""
    path = NETWORKS / "cim" / "ieee123x.xml"
    read = read_cim(path, HERE)
    by_name = {row.name: row for row in read.devices}
    name_of = {row.id: row.name for row in read.devices}
    fed = Tree(read.devices)

    def switch_at(device: str) -> str:
        """The CSV has no regulators: reg4 is under sw4."""
        return name_of[next(one for one in (device, *fed.ancestors(device)) if fed.type_of(one) is DeviceType.SWITCH)]

    ties = {row.name: (switch_at(row.parent), switch_at(row.other_end)) for row in read.devices if row.normally_open}
    with (NETWORKS / "ieee123" / "network.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    element = {key: row["element"].removeprefix("line.") for key, row in rows.items()}
    by_csv = {
        element[key]: (element[row["parent"]], element[row["other_end"]])
        for key, row in rows.items()
        if row["normally_open"] == "1"
    }
    assert ties == by_csv == {"sw7": ("sw3", "sw5"), "sw8": ("sw2", "sw4")}
    assert sum("taken as normally open" in warning for warning in read.warnings) == 2
    # With both ends known it can be switched: what sw5 fed is fed over sw3 and sw7.
    after = switched({row.id: row for row in read.devices}, Switching(by_name["sw7"].id, by_name["sw5"].id))
    tree = Tree(after.values())
    moved = next(row for row in read.devices if row.parent == by_name["sw5"].id and row.type == "transformer")
    above = [name_of[one] for one in tree.ancestors(moved.id)]
    assert above[:2] == ["sw7", "sw3"]


def test_a_regulator_is_no_transformer_so_that_a_tie_behind_it_can_close():
    """The sub-feeder of sw4 begins with regulator reg4, behind which tie sw8 joins; loads stand there on the line."""
    read = read_cim(NETWORKS / "cim" / "ieee123x.xml", HERE)
    by_name = {row.name: row for row in read.devices}
    reg4 = by_name["reg4"]
    assert (reg4.type, DeviceType.of(reg4.type)) == ("regulator", DeviceType.OTHER)
    before = Tree(read.devices)
    served = {row.transformer_id for row in read.customers if before.is_under(row.transformer_id, reg4.id)}
    assert len(served) == sum(row.transformer_id in served for row in read.customers) > 20, "each load has its own"
    rows = {row.id: row for row in read.devices}
    after = Tree(switched(rows, Switching(by_name["sw8"].id, by_name["sw4"].id)).values())
    assert [rows[one].name for one in after.ancestors(reg4.id)][:2] == ["sw8", "sw2"]
    assert all(after.is_under(one, by_name["sw8"].id) for one in served)


def test_what_a_file_holds_and_is_not_read_is_counted_by_class():
    read = read_cim(NETWORKS / "cim" / "ieee123x.xml", HERE)
    assert read.unused_equipment == {"PowerElectronicsConnection": 14, "LinearShuntCompensator": 4}
    text = (NETWORKS / "cim" / "ieee123x.xml").read_text(encoding="utf-8")
    for kind, count in read.unused.items():
        assert len(re.findall(rf"<cim:{kind} rdf:", text)) == count, kind
    assert {"EnergyConsumerPhase", "CurrentLimit", "RatioTapChanger"} <= read.unused.keys()
    understood = set(re.findall(r"<cim:(\w+) rdf:(?:about|ID)=", text)) - read.unused.keys()
    assert understood == {
        *("ACLineSegment", "BaseVoltage", "ConnectivityNode", "CoordinateSystem", "EnergyConsumer", "EnergySource"),
        "Feeder",
        *("LoadBreakSwitch", "PositionPoint", "PowerTransformer", "PowerTransformerEnd", "Substation", "Terminal"),
        *("TransformerTank", "TransformerTankEnd"),
    }


@pytest.mark.parametrize("kind", ["EnergyConsumer", "ConformLoad", "NonConformLoad"])
def test_a_load_of_any_kind_is_a_customer(tmp_path, kind):
    read = read_cim(written(tmp_path, *FEEDER[:-1], equipment(kind, "home", "n3")))
    assert [row.account_id for row in read.customers] == ["home"]


@pytest.mark.parametrize("name", ["IEEE13", "IEEE13_PV", "ieee123x"])
def test_what_a_file_holds_agrees_with_the_file_itself(name):
    """Counted apart from the reader: IEEE 13-node and 123-node feeders, CIMHub's test circuits (LICENSE.CIMHub.md)."""
    text = (NETWORKS / "cim" / f"{name}.xml").read_text(encoding="utf-8")
    read = read_cim(NETWORKS / "cim" / f"{name}.xml", HERE)
    loads = set(re.findall(r"<cim:EnergyConsumer [^>]*>\s*<cim:IdentifiedObject.mRID>([^<]+)<", text))
    assert len(loads) == text.count("</cim:EnergyConsumer>")
    assert {row.account_id for row in read.customers} == loads
    switches = set(
        re.findall(r"<cim:(?:Breaker|Recloser|Fuse|LoadBreakSwitch) [^>]*>\s*<cim:IdentifiedObject.mRID>([^<]+)<", text)
    )
    assert switches
    protective = {"breaker", "recloser", "fuse", "switch"}
    made = {row.id for row in read.devices if row.type in protective} - switches
    assert len(made) == (name == "ieee123x"), "a feeder without a breaker gets one at its head"
    assert switches <= {row.id for row in read.devices}


def equipment(kind, name, *nodes, more=""):
    text = f'<cim:{kind} rdf:ID="{name}"><cim:IdentifiedObject.name>{name}</cim:IdentifiedObject.name>{more}'
    text += f'<cim:PowerSystemResource.Location rdf:resource="#L{name}"/></cim:{kind}>'
    text += f'<cim:PositionPoint rdf:ID="P{name}"><cim:PositionPoint.Location rdf:resource="#L{name}"/>'
    text += "<cim:PositionPoint.xPosition>118.4</cim:PositionPoint.xPosition>"
    text += "<cim:PositionPoint.yPosition>31.2</cim:PositionPoint.yPosition></cim:PositionPoint>"
    for n, node in enumerate(nodes):
        text += f'<cim:Terminal rdf:ID="{name}t{n}"><cim:Terminal.ConductingEquipment rdf:resource="#{name}"/>'
        text += f'<cim:Terminal.ConnectivityNode rdf:resource="#{node}"/></cim:Terminal>'
    return text


DEGREES = (
    '<cim:CoordinateSystem rdf:ID="crs"><cim:CoordinateSystem.crsUrn>EPSG:4326</cim:CoordinateSystem.crsUrn>'
    "</cim:CoordinateSystem>"
)
OPEN = "<cim:Switch.normalOpen>true</cim:Switch.normalOpen>"
FEEDER = [
    equipment("EnergySource", "src", "n0"),
    equipment("Breaker", "b", "n0", "n1"),
    equipment("ACLineSegment", "l", "n1", "n2"),
    equipment("Fuse", "f", "n2", "n3"),
    equipment("EnergyConsumer", "home", "n3"),
]


def written(tmp_path, *parts, system=DEGREES):
    path = tmp_path / "net.xml"
    path.write_text(HEAD + system + "".join(parts) + "</rdf:RDF>", encoding="utf-8")
    return path


def test_lines_join_nodes_and_a_load_without_a_transformer_gets_one(tmp_path):
    read = read_cim(written(tmp_path, *FEEDER))
    assert [(row.id, row.parent, row.type, row.name) for row in read.devices] == [
        ("src", None, "substation", "src"),
        ("b", "src", "breaker", "b"),
        ("f", "b", "fuse", "f"),
        ("home-T", "f", "transformer", ""),  # "home" is the customer's name
    ]
    assert [(row.account_id, row.transformer_id, row.lat, row.lon) for row in read.customers] == [
        ("home", "home-T", 31.2, 118.4)
    ]


def test_an_open_tie_feeds_nothing_and_a_closed_loop_is_opened_and_told(tmp_path):
    tie = read_cim(written(tmp_path, *FEEDER, equipment("Disconnector", "tie", "n1", "n3", more=OPEN)))
    assert [(row.id, row.normally_open) for row in tie.devices if row.type == "switch"] == [("tie", True)]
    assert [(row.parent, row.other_end) for row in tie.devices if row.id == "tie"] == [("b", "f")]
    assert tie.warnings == ()
    loop = read_cim(written(tmp_path, *FEEDER, equipment("Disconnector", "tie", "n1", "n3")))
    assert sum(row.normally_open for row in loop.devices) == 1
    assert "closes a loop" in loop.warnings[0]
    Tree(loop.devices)


def named(mrid):
    return f"<cim:IdentifiedObject.mRID>{mrid}</cim:IdentifiedObject.mRID>"


def test_a_tie_is_joined_where_the_mrid_is_not_what_the_file_calls_the_object(tmp_path):
    """IEC 61970-552 wants the two equal; exports exist that number the objects of the file and give mRIDs beside."""
    others = [
        part.replace("<cim:IdentifiedObject.name>", f"{named(f'M{n}')}<cim:IdentifiedObject.name>", 1)
        for n, part in enumerate(FEEDER)
    ]
    tie = equipment("Disconnector", "tie", "n1", "n3", more=OPEN + named("MT"))
    end = equipment("Disconnector", "out", "n1", "n9", more=named("ME"))
    nodes = '<cim:ConnectivityNode rdf:ID="{}">' + named("N{}") + "<cim:IdentifiedObject.name>{}"
    nodes += "</cim:IdentifiedObject.name></cim:ConnectivityNode>"
    read = read_cim(
        written(tmp_path, *others, tie, end, nodes.format("n3", 3, "300"), nodes.format("n9", 9, "300_open"))
    )
    assert {row.id: (row.parent, row.other_end) for row in read.devices if row.normally_open} == {
        "MT": ("M1", "M3"),
        "ME": ("M1", "M3"),
    }


def test_a_breaker_that_disconnects_as_well_is_one(tmp_path):
    """IEC 61970-301, since CIM17."""
    newer = [part.replace("cim:Breaker", "cim:DisconnectingCircuitBreaker") for part in FEEDER]
    assert read_cim(written(tmp_path, *newer)) == read_cim(written(tmp_path, *FEEDER))


@pytest.mark.parametrize("yes", ["true", "True", "1", " true "])
def test_a_switch_is_open_in_every_spelling_of_a_boolean(tmp_path, yes):
    tie = equipment("Disconnector", "tie", "n1", "n3", more=OPEN.replace("true", yes))
    read = read_cim(written(tmp_path, *FEEDER, tie))
    assert [row.id for row in read.devices if row.normally_open] == ["tie"]


def feeder(name):
    return f'<cim:Feeder rdf:ID="{name}"><cim:IdentifiedObject.name>{name}</cim:IdentifiedObject.name></cim:Feeder>'


def within(container):
    return f'<cim:Equipment.EquipmentContainer rdf:resource="#{container}"/>'


@pytest.mark.parametrize(
    ("feeders", "containers", "heads"),
    [
        (["F1"], ["", ""], ["a-feeder", "b-feeder"]),
        (["F1", "F2"], [within("F2"), within("F1")], ["F2", "F1"]),
        (["F1"], [within("F1"), within("F1")], ["F1", "b-feeder"]),
    ],
)
def test_each_of_several_sources_without_a_breaker_gets_one_of_its_own(tmp_path, feeders, containers, heads):
    parts = [feeder(one) for one in feeders]
    for name, more in zip("ab", containers, strict=True):
        parts += [
            equipment("EnergySource", name, f"{name}0", more=more),
            equipment("ACLineSegment", f"{name}l", f"{name}0", f"{name}1"),
            equipment("EnergyConsumer", f"{name}home", f"{name}1"),
        ]
    tree = Tree(read_cim(written(tmp_path, *parts)).devices)
    assert [(tree.area_of(home), tree.feeder_of(home)) for home in ("ahome-T", "bhome-T")] == list(
        zip("ab", heads, strict=True)
    )


def test_what_a_neighbouring_network_feeds_is_fed(tmp_path):
    first = read_cim(written(tmp_path, *FEEDER))
    feeder = [equipment("ExternalNetworkInjection", "src", "n0"), *FEEDER[1:]]  # as CGMES files say it
    assert read_cim(written(tmp_path, *feeder)) == first
    tie = equipment("Switch", "tie", "n3", "m1", more=OPEN)
    second = [equipment("EnergySource", "other", "m0"), equipment("Breaker", "c", "m0", "m1"), tie]
    tree = Tree(read_cim(written(tmp_path, *feeder, *second)).devices)
    assert [tree.area_of(device) for device in ("b", "c")] == ["src", "other"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (
            [equipment("EnergySource", "second", "n3")],
            r"EnergySource second \(mRID second\) is joined to what another source feeds: nothing hangs on it",
        ),
        (
            [equipment("PowerTransformer", "ta", "n3", "n4"), equipment("PowerTransformer", "tb", "n3", "n4")],
            r"PowerTransformer tb \(mRID tb\) closes a loop: left out",
        ),
        (
            [equipment("Fuse", "g", "n2", "n4"), equipment("ACLineSegment", "ring", "n3", "n4")],
            r"ACLineSegment ring \(mRID ring\) closes a loop: left out",
        ),
        (
            [equipment("Fuse", "old", "n8", "n9"), equipment("ACLineSegment", "dead", "n9", "n10")],
            r"2 objects are not connected to a source: left out, the first Fuse old \(mRID old\)",
        ),
        (
            [re.sub("<cim:EnergyConsumer .*</cim:EnergyConsumer>", "", equipment("EnergyConsumer", "lost", "n3"))],
            "1 Terminal names no equipment of the file, the first has mRID lostt0",
        ),
        ([equipment("ACLineSegment", "phase", "n1", "n2")], None),  # beside another: no device is between
    ],
)
def test_what_is_left_out_so_that_it_is_a_tree_is_told(tmp_path, more, told):
    read = read_cim(written(tmp_path, *FEEDER, *more))
    Tree(read.devices)
    assert len(read.warnings) == (told is not None)
    if told is not None:
        assert re.fullmatch(told, read.warnings[0])


def test_equipment_without_a_position_is_placed_as_in_a_csv_and_told(tmp_path):
    parts = [re.sub(r"<cim:PositionPoint .*</cim:PositionPoint>", "", part) for part in FEEDER[3:]]
    read = read_cim(written(tmp_path, *FEEDER[:3], *parts))
    assert read.warnings == ("2 objects have no PositionPoint, the first Fuse f (mRID f)",)
    write_devices(tmp_path / "n.csv", read.devices)
    write_customers(tmp_path / "c.csv", read.customers)
    files = open_network(tmp_path / "n.csv", tmp_path / "c.csv")
    assert {(row.lat, row.lon) for row in (*files.devices, *files.read_customers())} == {(31.2, 118.4)}


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (FEEDER[1:], "has no EnergySource"),
        ([*FEEDER, equipment("EnergyConsumer", "far", "n9")], r"EnergyConsumer far \(mRID far\) is not connected"),
        (
            [
                *FEEDER,
                '<cim:Terminal rdf:ID="loose"><cim:Terminal.ConductingEquipment rdf:resource="#b"/></cim:Terminal>',
            ],
            r"Terminal \(mRID loose\) of Breaker b",
        ),
        (["<cim:Breaker>"], r"net\.xml:1: is not well-formed XML"),
        (
            [*FEEDER, equipment("Fuse", "g", "n1").replace(' rdf:ID="g"', "")],
            r"net\.xml: Fuse g has neither rdf:ID nor",
        ),
        ([*FEEDER, "<cim:Fuse/>"], r"net\.xml: Fuse \? has neither rdf:ID nor rdf:about"),
        (
            [*FEEDER, equipment("Fuse", "g", "n1", more=named("f")), equipment("Fuse", "h", "n1", more=named("f"))],
            r"Fuse f \(mRID f\) and Fuse g have the same mRID\n.*Fuse f \(mRID f\) and Fuse h have the same mRID",
        ),
        (
            [*FEEDER, equipment("Fuse", "f", "n1").replace("name>f<", "name>g<")],
            r"Fuse f \(mRID f\) and a Fuse g have the same id",
        ),
        ([*FEEDER, equipment("Fuse", "x" * 201, "n1")], r"mRID is longer than 200 characters"),
        *(
            ([*FEEDER[:-1], FEEDER[-1].replace(">118.4<", f">{wrong}<")], reason)
            for wrong, reason in (
                ("1_18.4", r"PositionPoint \? \(mRID Phome\): xPosition '1_18.4' is no number"),
                ("１１８", r"PositionPoint \? \(mRID Phome\): xPosition '１１８' is no number"),
                ("1e400", r"PositionPoint \? \(mRID Phome\): xPosition '1e400' is no number"),
                ("218.4", r"^\S+ EnergyConsumer home \(mRID home\): lat 31.2, lon 218.4: not degrees on the globe$"),
            )
        ),
    ],
)
def test_what_is_wrong_is_named_by_line_or_mrid(tmp_path, parts, reason):
    with pytest.raises(NetworkFileError, match=reason):
        read_cim(written(tmp_path, *parts))


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda text: gzip.compress(text.encode()), r"net\.xml:1: is compressed with gzip: unpack it"),
        (lambda text: b"PK\x03\x04" + text.encode(), r"net\.xml:1: is a zip file: unpack it"),
        *(
            (
                lambda text, name=name: f'<?xml version="1.0" encoding="{name}"?>{text}'.encode(),
                r"net\.xml:1: is in no encoding that can be read \(.+\): save it as UTF-8, and say so",
            )
            for name in ("GBK", "GB18030", "Big5", "no-such")
        ),
    ],
)
def test_a_file_that_is_packed_or_in_an_encoding_of_the_country_is_refused_with_what_to_do(tmp_path, made, told):
    path = written(tmp_path, *FEEDER)
    path.write_bytes(made(path.read_text(encoding="utf-8")))
    with pytest.raises(NetworkFileError) as caught:
        read_cim(path)
    assert re.fullmatch(told, str(caught.value))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_fault(tmp_path, encoding):
    path = written(tmp_path, *FEEDER)
    whole = read_cim(path)
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert read_cim(path) == whole


def test_coordinates_are_degrees_whatever_their_system_is_called(tmp_path):
    end = "</cim:CoordinateSystem>"
    called = DEGREES.replace(end, f"<cim:IdentifiedObject.name>Earth</cim:IdentifiedObject.name>{end}")
    assert read_cim(written(tmp_path, *FEEDER, system=called)) == read_cim(written(tmp_path, *FEEDER))


def counted(tmp_path, count):
    load = equipment(
        "ConformLoad",
        "block",
        "n3",
        more=f"<cim:EnergyConsumer.customerCount>{count}</cim:EnergyConsumer.customerCount>",
    )
    return read_cim(written(tmp_path, *FEEDER, load))


def test_a_load_that_says_how_many_customers_it_stands_for_is_so_many(tmp_path):
    for count, accounts in (("2", {"block-1", "block-2"}), ("", {"block"}), ("0", set())):
        assert {row.account_id for row in counted(tmp_path, count).customers} - {"home"} == accounts


@pytest.mark.parametrize("count", ["²", "１２", "12.0", "-1", "many", "9" * 5000])
def test_a_count_of_customers_that_is_none_is_refused_with_its_load(tmp_path, count):
    with pytest.raises(
        NetworkFileError, match=r"ConformLoad block \(mRID block\): customerCount .* is no whole number"
    ):
        counted(tmp_path, count)


def test_coordinates_of_a_drawing_need_an_origin(tmp_path):
    with pytest.raises(NetworkFileError, match="no degrees"):
        read_cim(written(tmp_path, *FEEDER, system=""))
    placed = read_cim(written(tmp_path, *FEEDER, system=""), HERE)
    assert (placed.devices[0].lat, placed.devices[0].lon) == (31.16, 118.35)


@pytest.mark.parametrize(
    "prologue",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_document_types_and_entities_are_refused(tmp_path, prologue):
    path = tmp_path / "bad.xml"
    path.write_text(prologue + HEAD + "".join(FEEDER) + "</rdf:RDF>", encoding="utf-8")
    with pytest.raises(NetworkFileError, match="document type"):
        read_cim(path)


@pytest.mark.parametrize("kind", ["Breaker", "EnergyConsumer", "PowerTransformer", "EnergySource", "BaseVoltage"])
def test_an_object_in_two_parts_is_one(tmp_path, kind):
    """As where a file joins the profiles of equipment and of its state (IEC 61970-456)."""
    path = NETWORKS / "cim" / "IEEE13.xml"
    text = path.read_text(encoding="utf-8")
    key = re.search(rf'<cim:{kind} rdf:about="([^"]+)"', text)[1]
    part = f'<cim:{kind} rdf:about="{key}"><cim:{kind}.p>1</cim:{kind}.p></cim:{kind}>'
    joined = tmp_path / "joined.xml"
    joined.write_text(text.replace("</rdf:RDF>", f"{part}</rdf:RDF>"), encoding="utf-8")
    whole, parts = read_cim(path, HERE), read_cim(joined, HERE)
    assert (parts.devices, parts.customers) == (whole.devices, whole.customers)


def test_two_objects_with_one_id_are_refused(tmp_path):
    text = (NETWORKS / "cim" / "IEEE13.xml").read_text(encoding="utf-8")
    key = re.search(r'<cim:EnergyConsumer rdf:about="urn:uuid:([^"]+)"', text)[1]
    double = tmp_path / "double.xml"
    double.write_text(text.replace("</rdf:RDF>", f'<cim:Fuse rdf:about="urn:uuid:{key}"/></rdf:RDF>'), encoding="utf-8")
    with pytest.raises(NetworkFileError, match=rf"EnergyConsumer \S+ \(mRID {key}\) and a Fuse have the same id"):
        read_cim(double, HERE)


@pytest.mark.parametrize("begin", ["<!-- ", "<cim:Terminal a='", "<cim:Terminal", "<?x "])
def test_a_tag_without_an_end_is_refused_instead_of_read_for_hours(tmp_path, begin):
    """Of a file that is one line; what stands between two tags may be as long as it likes."""
    file = written(tmp_path, *FEEDER)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("</rdf:RDF>", " " * 3_000_000 + "</rdf:RDF>"), encoding="utf-8")
    assert read_cim(file).devices
    file.write_text(text.replace("</rdf:RDF>", begin + "a" * 3_000_000), encoding="utf-8")
    with pytest.raises(NetworkFileError, match=r"net\.xml:\d+: has a tag or a comment of over 1,000,000 bytes"):
        read_cim(file)
