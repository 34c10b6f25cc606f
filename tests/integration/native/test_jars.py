"""Kafka's jars: nothing unchecked gets into the cache, and a machine without network is told what to do."""

from __future__ import annotations

import http.server
import threading

import pytest

from deploy.native.errors import DownloadError
from deploy.native.jars_lock import read_lock
from deploy.native.kafka_jars import ensure_jars
from deploy.native.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def changed_repository():
    """A Maven repository whose every file was changed on the way."""

    class Door(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"not the jar you asked for")

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_without_network_the_message_says_what_to_do_and_nothing_stays(tmp_path):
    with pytest.raises(DownloadError) as refused:
        ensure_jars(tmp_path / "cache", f"http://127.0.0.1:{free_port()}")
    assert f"{len(read_lock())} of Kafka's jar files" in str(refused.value)
    assert "the repository cannot be reached" in str(refused.value)
    assert "GRIDLINE_STACK_MAVEN_REPOSITORY" in str(refused.value)
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == [".lock"]


def test_a_jar_with_another_sum_never_reaches_the_cache(tmp_path, changed_repository):
    with pytest.raises(DownloadError, match="came with SHA-256"):
        ensure_jars(tmp_path / "cache", changed_repository)
    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DownloadError, match="GRIDLINE_STACK_JAR_CACHE"):
        ensure_jars(tmp_path / "file" / "cache")
