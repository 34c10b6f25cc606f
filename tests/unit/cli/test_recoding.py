"""A file that Excel wrote in Chinese is read as it is meant, and no file is read in an encoding that it is not in."""

from __future__ import annotations

import pytest

from services.cli.errors import CommandError
from services.cli.recoding import in_utf8

ROWS = "account_id,address\r\nA1,1区人民路3号\r\nA2,𠮷祥路，镕城\r\n"


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16", "GBK"])
def test_another_encoding_becomes_utf8_line_by_line(tmp_path, encoding):
    rows = ROWS.replace("𠮷", "吉")
    path = tmp_path / "customers.csv"
    path.write_bytes(rows.encode(encoding))
    made = in_utf8(path, encoding, tmp_path / "new")
    assert made.read_bytes() == rows.encode()
    assert made.name == path.name, "problems are told by the name that people know"


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_what_is_utf8_stays_itself_whatever_was_said(tmp_path, start):
    path = tmp_path / "network.csv"
    path.write_bytes(start + ROWS.encode())
    assert in_utf8(path, "gb18030", tmp_path / "new") == path


def test_what_is_not_in_it_is_named_with_its_line(tmp_path):
    path = tmp_path / "customers.csv"
    path.write_bytes(ROWS.encode("gb18030") + b"A3,\xff\xff\r\n")
    with pytest.raises(CommandError, match=r"customers\.csv:4: is not gb18030"):
        in_utf8(path, "gb18030", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_encoding_nobody_knows_and_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CommandError, match="base64: not known"):
        in_utf8(tmp_path / "a.csv", "base64", tmp_path / "new")
    assert in_utf8(tmp_path / "a.csv", "gbk", tmp_path / "new") == tmp_path / "a.csv"
