"""What every service reads from the environment: what is wrong is named before anything begins."""

from __future__ import annotations

import certifi
import pytest
from pydantic import ValidationError

from services.notify.senders.webhook import WebhookSender
from services.runtime.settings import ServiceSettings, SettingsError, read_settings


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
        "",
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
