"""What every service reads from the environment: what is wrong is named before anything begins."""

from __future__ import annotations

import certifi
import pytest
from pydantic import ValidationError

from deploy.native.settings import StackSettings
from services.dedup.settings import DedupSettings
from services.intake.settings import IntakeSettings
from services.notify.senders.webhook import WebhookSender
from services.notify.settings import NotifySettings
from services.router.settings import RouterSettings
from services.runtime.settings import ServiceSettings, SettingsError, misspelt, read_settings


def refused(monkeypatch, **given):
    for name, value in given.items():
        monkeypatch.setenv(f"GRIDLINE_{name}", str(value))
    with pytest.raises(SettingsError) as error:
        read_settings(ServiceSettings)
    return str(error.value)


def test_a_file_of_certificates_that_is_none_is_a_setting_that_does_not_fit(monkeypatch, tmp_path):
    missing, other = tmp_path / "missing.pem", tmp_path / "other.pem"
    other.write_text("no certificate")
    monkeypatch.setenv("GRIDLINE_KAFKA_SECURITY", "SSL")
    for file, reason in ((missing, "No such file"), (other, "has no certificates"), (tmp_path, "cannot be read")):
        monkeypatch.setenv("GRIDLINE_KAFKA_CA_FILE", str(file))
        with pytest.raises(SettingsError, match="KAFKA_CA_FILE") as error:
            read_settings(ServiceSettings).kafka_client()
        assert reason in str(error.value)
        with pytest.raises(SettingsError, match="NOTIFY_CA_FILE"):
            WebhookSender("https://gateway.example", [b"k" * 32], timeout_s=1, connections=1, ca_file=file)

    monkeypatch.setenv("GRIDLINE_KAFKA_CA_FILE", certifi.where())
    assert "ssl_context" in read_settings(ServiceSettings).kafka_client()


def test_relays_leave_connections_for_everything_else(monkeypatch):
    """Each shard's relay keeps one for good; a process that has them all would never read a record."""
    monkeypatch.setenv("GRIDLINE_OUTBOX_SHARDS", "6")
    assert read_settings(ServiceSettings).outbox_shards == 6
    assert "GRIDLINE_POSTGRES_POOL" in refused(monkeypatch, OUTBOX_SHARDS=7)
    monkeypatch.setenv("GRIDLINE_POSTGRES_POOL", "9")
    assert read_settings(ServiceSettings).outbox_shards == 7


@pytest.mark.parametrize("given", [{}, {"USERNAME": "gridline"}, {"PASSWORD": "word"}])
def test_sasl_needs_a_name_and_a_password(monkeypatch, given):
    given = {f"KAFKA_{name}": value for name, value in given.items()}

    said = refused(monkeypatch, KAFKA_SECURITY="SASL_PLAINTEXT", **given)
    assert "GRIDLINE_KAFKA_USERNAME and GRIDLINE_KAFKA_PASSWORD" in said
    assert "word\n" not in said


def test_with_both_it_fits(monkeypatch):
    for name, value in {"SECURITY": "SASL_PLAINTEXT", "USERNAME": "gridline", "PASSWORD": "word"}.items():
        monkeypatch.setenv(f"GRIDLINE_KAFKA_{name}", value)
    assert read_settings(ServiceSettings).kafka_client()["sasl_plain_username"] == "gridline"


@pytest.mark.parametrize(
    "dsn",
    [
        "nonsense",
        "mysql://gridline:secret@db:3306/gridline",
        "postgresql://gridline:sec/ret@db:5432/gridline",
        "postgresql://gridline:12/secret@db:5432/gridline",
        "postgresql://gridline:sec#ret@db:5432/gridline",
        "postgresql://gridline:sec?ret@db:5432/gridline",
        "postgresql://gridline:secret@db:port/gridline",
        "postgresql://gridline:secret@db:99999/gridline",
        "postgresql://gridline:secret@[::1/gridline",
    ],
)
def test_an_address_of_the_database_that_cannot_be_read_is_named_without_a_letter_of_it(monkeypatch, dsn):
    said = refused(monkeypatch, POSTGRES_DSN=dsn)
    assert "GRIDLINE_POSTGRES_DSN" in said
    assert not any(word in said for word in ("sec", "ret@", "12/", "nonsense", "99999"))
    with pytest.raises(ValidationError) as error:
        ServiceSettings()
    assert dsn not in str(error.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://gridline@127.0.0.1:15432/gridline",
        "postgres://gridline:p%2Fw%40@db/gridline?sslmode=verify-full&sslrootcert={ca}",
        "postgres://gridline:p%2Fw%40@db/gridline?sslmode=disable&sslrootcert=/nowhere/ca.crt",
        "postgresql://gridline:a:b@[::1]:5432/gridline",
        "postgresql://gridline@one:5432,two:5432,three/gridline?target_session_attrs=read-write",
        "postgresql:///gridline?host=/run/postgresql",
    ],
)
def test_addresses_of_a_database_as_its_client_reads_them_fit(monkeypatch, tmp_path, dsn):
    (tmp_path / "ca.crt").touch()
    dsn = dsn.format(ca=tmp_path / "ca.crt")
    monkeypatch.setenv("GRIDLINE_POSTGRES_DSN", dsn)
    assert read_settings(ServiceSettings).postgres_dsn.get_secret_value() == dsn


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "sslmode=verify-full&sslrootcert=/nowhere/ca.crt",
            "sslrootcert in the address: /nowhere/ca.crt cannot be read",
        ),
        ("sslmode=require&sslkey=/nowhere/key", "sslkey in the address: /nowhere/key cannot be read: No such file"),
        ("sslmode=verify-full", "sslmode=verify-full in the address needs sslrootcert=FILE"),
        ("sslmode=cret", "sslmode in the address must be one of disable, allow, prefer"),
    ],
)
def test_certificates_of_the_database_that_are_not_there_are_named_at_the_start(monkeypatch, tmp_path, said, told):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    text = refused(monkeypatch, POSTGRES_DSN=f"postgresql://gridline:secret@db/gridline?{said}")
    assert "GRIDLINE_POSTGRES_DSN" in text
    assert told in text
    assert "cret" not in text


@pytest.mark.parametrize(
    ("given", "read"),
    [("a:1", "a:1"), (" a:1 , b.c-d:2\n", "a:1,b.c-d:2"), ("[fd00::1]:9", "[fd00::1]:9"), ("kafka", "kafka")],
)
def test_brokers_as_people_write_them(monkeypatch, given, read):
    monkeypatch.setenv("GRIDLINE_KAFKA_BOOTSTRAP", given)
    assert read_settings(ServiceSettings).kafka_bootstrap == read


@pytest.mark.parametrize("given", ["kafka:port", "kafka://a:1", "a:1;b:2", "a:99999", "a:0", "a:1,", "a b:1", "a:1/x"])
def test_what_is_no_broker_is_named(monkeypatch, given):
    """The client said so with a traceback, or looked for a host of that name for ever."""
    assert "GRIDLINE_KAFKA_BOOTSTRAP: " in refused(monkeypatch, KAFKA_BOOTSTRAP=given)


@pytest.mark.parametrize("name", ["KAFKA_BOOTSTRAP", "POSTGRES_DSN", "KAFKA_CA_FILE", "REHEARSAL_FILE", "HTTP_HOST"])
@pytest.mark.parametrize("given", ["", " "])
def test_what_a_template_left_empty_is_not_the_default_and_not_the_folder_we_are_in(monkeypatch, name, given):
    assert f"GRIDLINE_{name}: Value error, is empty" in refused(monkeypatch, **{name: given})


def test_photos_are_not_kept_in_the_folder_a_process_happens_to_run_in(monkeypatch):
    monkeypatch.setenv("GRIDLINE_PHOTOS_FOLDER", "")
    with pytest.raises(SettingsError, match="PHOTOS_FOLDER"):
        read_settings(IntakeSettings)


@pytest.mark.parametrize("given", ["10.0.0.0/8,fd00::/8", '["10.0.0.0/8", "fd00::/8"]', " 10.0.0.0/8 , fd00::/8 "])
def test_networks_are_read_with_commas_and_as_json(monkeypatch, given):
    monkeypatch.setenv("GRIDLINE_TRUSTED_PROXIES", given)
    assert [*map(str, read_settings(IntakeSettings).trusted_proxies)] == ["10.0.0.0/8", "fd00::/8"]


def test_a_network_that_is_none_is_named_with_its_variable(monkeypatch):
    monkeypatch.setenv("GRIDLINE_TRUSTED_PROXIES", "10.0.0.0/8,proxy")
    with pytest.raises(SettingsError, match="GRIDLINE_TRUSTED_PROXIES"):
        read_settings(IntakeSettings)


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("KAFKA_BOOTSRAP", "KAFKA_BOOTSTRAP"),
        ("POSTGRES_DNS", "POSTGRES_DSN"),
        ("KEY_FILE", "KEYS_FILE"),
        ("HTTP_PROT", "HTTP_PORT"),
        ("DRAIN_SECOND", "DRAIN_SECONDS"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_told(slip, meant):
    assert misspelt(RouterSettings, [f"GRIDLINE_{slip}", "PATH"]) == {f"GRIDLINE_{slip}": f"GRIDLINE_{meant}"}


def test_what_is_meant_for_others_is_no_slip():
    """All services may be given one environment; and Kubernetes adds addresses of each."""
    kinds = (IntakeSettings, RouterSettings, DedupSettings, NotifySettings)
    names = {f"GRIDLINE_{name}".upper() for kind in kinds for name in kind.model_fields}
    names |= {f"GRIDLINE_{name}" for name in ("API_KEY", "DEBUG", "FAILPOINT", "TOPIC_PARTITIONS", "TOPIC_REPLICATION")}
    for room in ("INTAKE", "ROUTER", "DEDUP", "NOTIFY"):
        names |= {
            f"GRIDLINE_{room}_{what}" for what in ("URL", "PORT", "SERVICE_HOST", "SERVICE_PORT", "PORT_8001_TCP")
        }
    names |= {f"GRIDLINE_STACK_{name}".upper() for name in StackSettings.model_fields}
    assert {kind.__name__: misspelt(kind, names) for kind in kinds} == {kind.__name__: {} for kind in kinds}
