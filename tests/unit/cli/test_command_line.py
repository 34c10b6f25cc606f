"""The command line teaches, and tells every expected failure in two lines with the right exit code."""

from __future__ import annotations

import errno
import itertools
import json
import sys
from pathlib import Path

import pytest

from deploy.native.errors import PortTakenError
from deploy.native.ports import free_port
from services.cli import __main__ as cli
from services.cli import conformance, start
from services.cli.errors import CommandError, Exit
from services.runtime.errors import UnavailableError
from services.runtime.settings import SettingsError

DEPLOY = Path(__file__).parents[3] / "deploy"
NETWORKS = DEPLOY / "networks"
KEY = "0b7e6c0a-5f5e-5c55-a1a5-2f8f5f0c9e11"


@pytest.fixture(autouse=True)
def somewhere_else(monkeypatch, tmp_path):
    """No command here may meet a stack that runs on this machine."""
    monkeypatch.setenv("GRIDLINE_STACK_RUN_FOLDER", str(tmp_path / "run"))
    monkeypatch.setenv("GRIDLINE_KAFKA_BOOTSTRAP", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    for name in ("INTAKE", "ROUTER", "DEDUP", "NOTIFY"):
        monkeypatch.setenv(f"GRIDLINE_{name}_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("GRIDLINE_DEBUG", raising=False)


def commands():
    """Every command and sub-command there is."""
    for name in cli._COMMANDS:
        yield (name,)
        module = __import__(f"services.cli.commands.{name}", fromlist=["app"])
        group = getattr(module, "app", None)
        for command in group.registered_commands if group is not None else ():
            yield name, command.name or command.callback.__name__


@pytest.mark.parametrize("command", [*commands()], ids=" ".join)
def test_every_command_has_help_and_every_working_one_an_example(gridline, command):
    code, out, _ = gridline(*command, "--help")
    assert code == Exit.DONE
    assert "Usage: gridline" in out
    assert "completion" not in out, "only `gridline` itself has that"
    if len(command) == 2 or not hasattr(__import__(f"services.cli.commands.{command[0]}", fromlist=["x"]), "app"):
        assert f"gridline {' '.join(command)}" in out.split("Options")[0].replace("Usage:", "").split(command[-1], 1)[1]


@pytest.mark.parametrize("command", [(), *commands()], ids=" ".join)
def test_help_breaks_its_lines_where_the_terminal_ends(gridline, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = gridline(*command, "--help")
    said = "\n".join(line[1:].rstrip() for line in out.split("\u256d")[0].splitlines())
    for paragraph in said.split("\n\n"):
        lines = paragraph.strip("\n").split("\n")
        for line, after in itertools.pairwise([] if "gridline " in paragraph else lines):
            assert len(line) + 1 + len(after.split()[0]) > 78, f"{line!r} has room for what follows"


def test_the_first_help_lists_the_commands_and_the_exit_codes(gridline):
    code, out, _ = gridline("--help")
    assert code == Exit.DONE
    for name in cli._COMMANDS:
        assert f" {name} " in out
    for number in Exit:
        assert str(number.value) in out.split("Exit codes")[1]


def test_the_version_is_told(gridline):
    assert gridline("--version")[1].startswith("gridline 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("grid", "nonsense"),
        ("storm", "--faults", "many"),
        ("figures", "--from", "2026-11-26"),
        ("planned", "add", "T1", "--from", "2026-12-01T08:00", "--until", "2026-12-01T09:00", "-r", "x"),
        (),
    ],
)
def test_a_wrong_command_line_is_code_2(gridline, arguments):
    code, out, err = gridline(*arguments)
    assert code == Exit.USAGE
    assert "Traceback" not in out + err


def test_a_misspelt_command_is_told_the_nearest(gridline):
    code, _, err = gridline("incident", "list")
    assert code == Exit.USAGE
    assert "Did you mean 'incidents'?" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("topics", "list"),
        ("topics", "apply"),
        ("dlq", "list"),
        ("db", "migrate"),
        ("grid", "show"),
        ("incidents", "list"),
        ("routes", "explain"),
        ("routes", "queues"),
        ("conformance", "publish", "--topic", "x"),
        ("storm", "--faults", "5"),
    ],
    ids=" ".join,
)
def test_what_does_not_answer_is_code_3_with_what_to_do(gridline, arguments):
    code, _, err = gridline(*arguments)
    assert code == Exit.UNREACHABLE
    assert err.startswith("error: ")
    assert "do: Start it (`gridline stack up`)" in err
    assert "Traceback" not in err


def test_a_service_that_does_not_answer_is_named_with_its_variable(gridline):
    _, _, err = gridline("incidents", "list")
    assert "dedup at http://127.0.0.1:" in err
    assert "GRIDLINE_DEDUP_URL" in err


@pytest.mark.parametrize("given", ["7K3M\n9QPX", "../7?x"])
@pytest.mark.parametrize(
    ("line", "argument"),
    [
        ("routes explain GIVEN", "what"),
        ("incidents show GIVEN", "incident"),
        ("incidents draw GIVEN", "incident"),
        ("incidents explain GIVEN", "report"),
        (f"incidents merge GIVEN {KEY} -r x", "incident"),
        (f"incidents merge {KEY} GIVEN -r x", "into"),
        (f"incidents split {KEY} GIVEN -r x", "reports"),
        (f"incidents move {KEY} GIVEN {KEY} -r x", "to"),
        ("incidents confirm GIVEN -r x", "incident"),
        (f"incidents relate {KEY} GIVEN -r x", "to"),
        ("incidents accept-plan GIVEN -r x", "incident"),
        ("incidents decline-plan GIVEN -r x", "incident"),
        ("incidents place GIVEN T1 -r x", "report"),
        ("incidents undo GIVEN -r x", "command"),
        ("planned change GIVEN -r x", "planned"),
        ("planned cancel GIVEN -r x", "planned"),
    ],
)
def test_what_is_no_id_is_told_with_its_argument_and_no_service_is_said_not_to_answer(gridline, line, argument, given):
    code, _, err = gridline(*(given if word == "GIVEN" else word for word in line.split()))
    assert (code, f"Invalid value for '{argument}" in err) == (Exit.USAGE, True), err


def test_a_queue_of_the_desk_that_the_tree_does_not_have_is_told_beside_the_results(gridline, tmp_path):
    desk = tmp_path / "desk.yaml"
    text = (DEPLOY / "desk.yaml").read_text(encoding="utf-8")
    desk.write_text(text.replace("    complaint: {limit", "    complant: {limit"), encoding="utf-8")
    line = 1 + text[: text.index("    complaint: {limit")].count("\n")
    code, out, err = gridline("routes", "test", "--desk", str(desk), "--json")
    assert code == 0
    assert f"{desk}:{line}: 'complant' is no queue of any tree; did you mean 'complaint'?" in err
    assert json.loads(out)
    code, _, err = gridline("routes", "test", "--json")
    assert (code, err) == (0, "")
    desk.write_text(text.replace("offer: 20s", "offer: soon"), encoding="utf-8")
    code, _, err = gridline("routes", "test", "--desk", str(desk))
    assert code == Exit.REFUSED
    assert "offer: 'soon' must be a number" in err


def test_a_route_that_is_never_reached_is_told_with_its_line_beside_the_results(gridline, tmp_path):
    text = (DEPLOY / "routes.yaml").read_text(encoding="utf-8").rstrip("\n") + "\n"
    again = "    - {name: dangerous, match: {hazards: [fire]}, queue: repair}\n"
    (tmp_path / "routes.yaml").write_text(text + again, encoding="utf-8")
    code, out, err = gridline("routes", "test", "--routes", tmp_path / "routes.yaml")
    assert (code, "as expected" in out) == (Exit.DONE, True)
    line = text.count("\n") + 1
    assert f"routes.yaml:{line}: route 'root/dangerous' is never reached" in err.replace("\n", "")


def test_a_bad_network_file_is_refused_with_file_and_line(gridline, tmp_path):
    (tmp_path / "network.csv").write_text(
        "id,parent,type,normally_open,lat,lon\nS,,substation,0,31,118\nT,X,transformer,0,31,118\n"
    )
    (tmp_path / "customers.csv").write_text("account_id,transformer_id,lat,lon,address,phone\n")
    arguments = ("--network", tmp_path / "network.csv", "--customers", tmp_path / "customers.csv")
    code, _, err = gridline("storm", *arguments, "--out", tmp_path / "out")
    assert code == Exit.REFUSED
    assert "network.csv:3: 'T' is an orphan" in err


def test_a_cim_file_that_cannot_be_converted_leaves_nothing_and_is_not_said_to_be_imported(gridline, tmp_path):
    (tmp_path / "net.xml").write_text("# no XML")
    code, _, err = gridline("grid", "convert", tmp_path / "net.xml", "--out", tmp_path / "out")
    assert code == Exit.REFUSED
    assert "net.xml:1: is not well-formed XML" in err
    assert "imported" not in err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_is_named(gridline, tmp_path):
    code, _, err = gridline("conformance", "judge", tmp_path / "nowhere.jsonl")
    assert code == Exit.REFUSED
    assert "nowhere.jsonl: No such file or directory" in err


def test_a_storm_written_to_files_can_be_replayed_and_scored(gridline, tmp_path):
    base = NETWORKS / "ieee123"
    arguments = ("--network", base / "network.csv", "--customers", base / "customers.csv", "--out", tmp_path)
    code, out, err = gridline("storm", *arguments, "--faults", 12)
    assert (code, err) == (Exit.DONE, "")
    assert "12 faults" in out
    names = {name: tmp_path / f"{name}.csv" for name in ("network", "customers", "restorations", "truth")}
    options = [option for name, path in names.items() for option in (f"--{name}", path)]
    code, out, err = gridline("replay", *options, "--reports", tmp_path / "reports.jsonl", "--out", tmp_path)
    assert (code, err) == (Exit.DONE, "")
    assert "B-cubed" in out
    events = {json.loads(line)["event_id"] for line in (tmp_path / "reports.jsonl").read_text().splitlines()}
    assigned = [line.split(",")[0] for line in (tmp_path / "assignments.csv").read_text().splitlines()[1:]]
    assert sorted(assigned) == sorted(events)
    assert (tmp_path / "orders.csv").read_text().startswith("order_id,incident_id,issued_at,device,superseded_by\n")
    truth = tmp_path / "truth.csv"
    truth.write_text(truth.read_text().replace(",outage,", ",blackout,", 1))
    code, _, err = gridline("score", tmp_path)
    assert code == Exit.REFUSED
    assert "truth.csv:2: kind must be one of" in err
    code, out, err = gridline("replay", *options, "--reports", tmp_path / "reports.jsonl", "--out", tmp_path)
    assert code == Exit.REFUSED
    assert "orders:" in out
    assert "how right it was is not known:\ntruth.csv:2:" in err


def test_reports_without_a_good_line_are_refused_with_the_lines_and_nothing_is_written(gridline, tmp_path):
    base = NETWORKS / "ieee123"
    (tmp_path / "reports.jsonl").write_text('{"event_id": "1"}\nnonsense\n')
    out_folder = tmp_path / "out"
    code, _, err = gridline(
        *("replay", "--network", base / "network.csv", "--customers", base / "customers.csv"),
        *("--reports", tmp_path / "reports.jsonl", "--out", out_folder),
    )
    assert code == Exit.REFUSED
    assert "reports.jsonl:1:" in err
    assert "reports.jsonl:2:" in err
    assert not list(out_folder.iterdir())

    good = {"event_id": "1", "channel": "app", "reported_at": "2026-07-01T12:00:00Z"}
    good |= {"received_at": "2026-07-01T12:00:00Z", "account_id": "A0900001"}
    (tmp_path / "reports.jsonl").write_text(f"nonsense\n{json.dumps(good)}\n")
    code, out, err = gridline(
        *("replay", "--network", base / "network.csv", "--customers", base / "customers.csv"),
        *("--reports", tmp_path / "reports.jsonl", "--out", out_folder),
    )
    assert code == Exit.DONE
    assert "reports.jsonl:1: is not JSON" in err
    assert "1 orders" in out
    assert len((out_folder / "assignments.csv").read_text().splitlines()) == 2


def test_a_storm_by_name_is_scored_from_its_files_as_from_the_replay(gridline, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for seed, folder in enumerate(folders):
        assert gridline("storm", "--preset", "mini", "--seed", seed, "--out", folder)[0] == Exit.DONE
        names = {name: folder / f"{name}.csv" for name in ("network", "customers", "restorations", "truth")}
        options = [option for name, path in names.items() for option in (f"--{name}", path)]
        _, replayed, _ = gridline("replay", *options, "--reports", folder / "reports.jsonl", "--out", folder)
    code, scored, err = gridline("score", folders[1])
    assert (code, err) == (Exit.DONE, "")
    rows = [line.split() for line in scored.splitlines() if line[:1] != "f"]
    assert all(row in [line.split() for line in replayed.splitlines()] for row in rows)
    assert "95 %" in gridline("score", *folders)[1]
    assert len(json.loads(gridline("score", *folders, "--json")[1])) == 2
    assert "says nothing of its place" in gridline("score", "--explain", folders[1])[1]
    assert {"b3_f1", "lost"} <= json.loads(gridline("score", "--explain", folders[1], "--json")[1])[0].keys()
    compared = gridline("score", "--baselines", *folders)[1]
    assert all(method in compared for method in ("orders.csv", "no merging", "thresholds 2, 20 %, 15 min"))
    (both,) = json.loads(gridline("score", "--baselines", folders[1], "--json")[1])
    assert both["baselines"]["no merging"]["b3_f1"] < both["baselines"]["feeder + 30 min"]["b3_f1"]
    assert both["baselines"]["no merging"]["spare_per_fault"] > both["spare_per_fault"]
    (asked,) = json.loads(gridline("score", "--ask", folders[1], "--json")[1])
    assert asked["asked"]["unplaced"] < asked["unplaced"]
    assert asked["asked"]["b3_f1"] > asked["b3_f1"] == both["b3_f1"]
    assert "Gridline, and people ask" in gridline("score", "--ask", "--baselines", folders[1])[1]
    (folders[0] / "orders.csv").write_text("order_id,incident_id,issued_at,device,superseded_by\n")
    code, _, err = gridline("score", folders[0])
    assert code == Exit.REFUSED
    assert "assignments.csv:2: order" in err
    assert "is not in orders.csv" in err
    for name in ("assignments.csv", "orders.csv"):  # as another program saves it
        path = folders[1] / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert gridline("score", folders[1])[1] == scored
    (folders[1] / "orders.csv").write_text("order_id,incident_id,issued_at,device,superseded_by\nx,y\n")
    code, _, err = gridline("score", folders[1])
    assert (code, "orders.csv:2: issued_at must be an ISO 8601 time" in err) == (Exit.REFUSED, True), err


def test_a_score_names_the_folder_that_has_no_storm_and_the_rules_that_do_not_fit(gridline, tmp_path, monkeypatch):
    code, _, err = gridline("score", tmp_path / "nowhere")
    assert (code, f"{tmp_path / 'nowhere'}:\n" in err) == (Exit.REFUSED, True), err
    folder = tmp_path / "storm"
    gridline("storm", "--preset", "mini", "--out", folder)
    names = {name: folder / f"{name}.csv" for name in ("network", "customers", "restorations")}
    options = [option for name, path in names.items() for option in (f"--{name}", path)]
    gridline("replay", *options, "--reports", folder / "reports.jsonl", "--out", folder)
    (tmp_path / "dedup.yaml").write_text("version: [")
    monkeypatch.setenv("GRIDLINE_THRESHOLDS_FILE", str(tmp_path / "dedup.yaml"))
    code, _, err = gridline("score", "--baselines", folder)
    assert (code, "dedup.yaml:1" in err) == (Exit.REFUSED, True), err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--preset", "moon"), "no preset 'moon'"),
        (("--preset", "mini", "--tiles", "2x2"), "brings its own network"),
        (("--preset", "mini", "--gasps", "0.5"), "--gasps is of meters, and there are none"),
        (("--network", NETWORKS / "ieee123/network.csv", "--tiles", "2"), "--tiles 2"),
        (("--network", NETWORKS / "ieee123/network.csv", "--tiles", "²x4"), "--tiles ²x4: not areas x feeders"),
        (("--network", NETWORKS / "ieee123/network.csv", "--tiles", "99999999x99999999"), "at most 10,000 feeders"),
    ],
)
def test_a_storm_that_cannot_be_is_refused(gridline, tmp_path, arguments, said):
    if "--network" in arguments:
        arguments = (*arguments, "--customers", NETWORKS / "ieee123/customers.csv")
    code, _, err = gridline("storm", *arguments, "--out", tmp_path)
    assert code == Exit.USAGE
    assert said in err
    assert gridline("storm", *arguments)[0] == Exit.USAGE


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((option, value) for option in ("--seconds", "--hours") for value in ("inf", "nan", "-1", "0", "1e300")),
        *((option, value) for option in ("--faults", "--areas") for value in ("0", "-1", str(10**30))),
    ],
)
def test_a_storm_of_a_size_or_length_that_cannot_be_is_a_wrong_command_line(gridline, tmp_path, option, value):
    files = ("--network", NETWORKS / "ieee123/network.csv", "--customers", NETWORKS / "ieee123/customers.csv")
    code, _, err = gridline("storm", *files, "--faults", "1", option, value, "--out", tmp_path / "out")
    assert (code, f"'{option}'" in err) == (Exit.USAGE, True), err
    assert not (tmp_path / "out").exists()


def test_quality_is_measured_written_and_written_again_from_its_record(gridline, tmp_path):
    code, out, err = gridline(
        *("quality", "--storms", "mini", "--seeds", "1-2", "--only", "engine", "--holds", "--processes", 1),
        *("--out", tmp_path / "one"),
    )
    assert (code, err) == (Exit.DONE, "")
    assert "mini, 2 storms" in out
    assert gridline("quality", "--from", tmp_path / "one/merging.json", "--out", tmp_path / "two")[0] == Exit.DONE
    names = ("merging.json", "merging.md", "merging-methods.svg", "merging-holds.svg")
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert "no storm 'x'" in gridline("quality", "--storms", "x")[2]
    assert "no method" in gridline("quality", "--only", "magic")[2]
    assert "--seeds a" in gridline("quality", "--seeds", "a")[2]


def test_tiling_makes_a_network_that_can_be_read_again(gridline, tmp_path):
    code, out, _ = gridline(
        "grid", "tile", "--base", NETWORKS / "ieee123", "--areas", 2, "--tiles", 3, "--out", tmp_path
    )
    assert code == Exit.DONE
    assert "2,106 customers in 2 areas" in out
    assert len((tmp_path / "customers.csv").read_text().splitlines()) == 2107


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dlq", "replay"), "replay needs to know which"),
        (("dlq", "replay", "--letter", "0:1"), "--letter needs --topic"),
        (("dlq", "list", "--topic", "nonsense.v1"), "nonsense.v1 is no topic of ours"),
        (("dlq", "list", "--topic", "dispatch.order.v1"), "read by others only"),
        (("storm", "--network", "n.csv"), "--network and --customers go together"),
        (("stack", "stop"), "which?"),
    ],
)
def test_arguments_that_do_not_fit_together_are_code_2(gridline, arguments, said):
    code, _, err = gridline(*arguments)
    assert code == Exit.USAGE
    assert said in err
    assert "do: " in err


def test_a_setting_that_does_not_fit_is_named(gridline, monkeypatch):
    monkeypatch.setenv("GRIDLINE_POSTGRES_POOL", "many")
    monkeypatch.setenv("GRIDLINE_HTTP_PORT", "-1")
    code, _, err = gridline("topics", "list")
    assert code == Exit.REFUSED
    assert "GRIDLINE_POSTGRES_POOL" in err
    assert "GRIDLINE_HTTP_PORT" in err


def test_the_status_of_no_stack_is_down_and_code_1(gridline):
    code, out, _ = gridline("stack", "status")
    assert code == Exit.NO
    assert "The stack is down." in out


def test_logs_of_an_unknown_process_name_what_there_is(gridline):
    code, _, err = gridline("stack", "logs", "nonsense")
    assert code == Exit.NO
    assert "no log of nonsense" in err


def test_the_judge_of_conformance_says_yes_and_no(gridline, tmp_path):
    script = conformance.script("1")
    right = [
        json.dumps({"order_id": str(order), "version": version, "status": status})
        for order, versions in script.actions.items()
        for version, status in versions
    ]
    log = tmp_path / "actions.jsonl"
    log.write_text("\n".join(right))
    assert gridline("conformance", "judge", log)[0] == Exit.DONE
    log.write_text("\n".join([*right, right[0]]))
    assert gridline("conformance", "judge", log)[0] == Exit.NO
    log.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*right, "", ""]).encode())
    assert gridline("conformance", "judge", log)[0] == Exit.DONE
    for nonsense in (b"nonsense", b'{"order_id": "x", "version": 1, "status": "issued"}', b"\xc4\xe3", b"[]"):
        log.write_bytes(nonsense)
        code, _, err = gridline("conformance", "judge", log)
        assert (code, "actions.jsonl:1" in err) == (Exit.REFUSED, True), err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandError("x", "y", Exit.NO), Exit.NO),
        (SettingsError("x"), Exit.REFUSED),
        (PortTakenError("x"), Exit.STACK),
        (UnavailableError("x"), Exit.UNREACHABLE),
        (FileNotFoundError(2, "No such file", "x"), Exit.REFUSED),
        (RuntimeError("x"), Exit.BUG),
        (OSError("x"), Exit.BUG),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.REFUSED),
    ],
)
def test_each_failure_has_its_exit_code(error, code):
    assert cli.explain(error)[2] == code


def test_a_bug_is_told_as_ours_and_debugging_shows_the_traceback(gridline, monkeypatch):
    def broken(_topics):
        raise RuntimeError("planted")

    monkeypatch.setattr("services.cli.topics.list_topics", broken)
    code, _, err = gridline("topics", "list")
    assert code == Exit.BUG
    assert "a bug of ours: RuntimeError: planted" in err
    monkeypatch.setenv("GRIDLINE_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["gridline", "topics", "list"])
    with pytest.raises(RuntimeError, match="planted"):
        cli.main()


def test_ctrl_c_while_the_program_is_read_is_no_traceback(monkeypatch):
    class Interrupted:
        def find_spec(self, name, *_):
            if name == "services.cli.__main__":
                raise KeyboardInterrupt

    monkeypatch.setattr(sys, "meta_path", [Interrupted(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "services.cli.__main__")
    with pytest.raises(SystemExit) as ended:
        start.main()
    assert ended.value.code == Exit.INTERRUPTED
