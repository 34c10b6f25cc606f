"""Safe mode: the platform's own vectors hold, and whatever is tampered with is refused in one and the same way."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.intake.channels import wechat
from services.intake.channels.refusal import PayloadRefusedError, Reason
from services.intake.channels.source import MessageMode, WeChatSource
from services.intake.channels.wechat_cipher import AesKey, TamperedError, decrypt, signature, signed
from services.intake.channels.wechat_format import Format
from tests.wechat_platform import Platform, decrypted

VECTORS: dict[str, dict[str, Any]] = {
    one["id"]: one for one in json.loads((Path(__file__).parent / "wechat_vectors.json").read_text(encoding="utf-8"))
}
SIGNATURES = [one for one in VECTORS.values() if one["kind"] == "signature"]
DECRYPTIONS = [one for one in VECTORS.values() if one["kind"] == "decrypt"]
ENCRYPTIONS = [one for one in VECTORS.values() if one["kind"] == "encrypt"]
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
KEY, OLD_KEY = "kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
SAFE = WeChatSource.model_validate(
    {
        "name": "gh_1",
        "token": "AAAAA",
        "mode": "safe",
        "appid": "wx1",
        "encoding_aes_keys": [KEY, OLD_KEY],
    }
)


def named(vector: dict[str, Any]) -> str:
    return str(vector["id"])


def test_every_vector_is_used() -> None:
    assert len(SIGNATURES) + len(DECRYPTIONS) + len(ENCRYPTIONS) == len(VECTORS) == 8


@pytest.mark.parametrize("vector", SIGNATURES, ids=named)
def test_a_signature_vector_holds(vector: dict[str, Any]) -> None:
    token, timestamp, nonce, given = (vector[name] for name in ("token", "timestamp", "nonce", "signature"))
    assert signed(given, token, timestamp, nonce)
    for wrong in (given[:-1] + ("0" if given[-1] != "0" else "1"), "", "签名", given.upper(), "\ud800"):
        assert not signed(wrong, token, timestamp, nonce)
    assert not signed(given, token + "x", timestamp, nonce)
    assert not signed(given, token, timestamp, nonce + "1")


@pytest.mark.parametrize("vector", DECRYPTIONS, ids=named)
def test_a_decryption_vector_holds(vector: dict[str, Any]) -> None:
    encrypted = vector["encrypt"]
    assert signed(vector["msg_signature"], vector["token"], vector["timestamp"], vector["nonce"], encrypted)
    message, key = decrypt([AesKey.decode(vector["encoding_aes_key"])], encrypted, vector["appid"])
    assert message.decode() == vector["plaintext"]
    assert key.encrypt(message, vector["appid"], vector["random"].encode()) == encrypted
    with pytest.raises(TamperedError):
        decrypt([key], encrypted, vector["appid"] + "x")
    with pytest.raises(TamperedError):
        decrypt([AesKey.decode("B" * 43)], encrypted, vector["appid"])


@pytest.mark.parametrize("vector", ENCRYPTIONS, ids=named)
def test_an_encryption_vector_holds(vector: dict[str, Any]) -> None:
    key = AesKey.decode(vector["encoding_aes_key"])
    encrypted = key.encrypt(vector["plaintext"].encode(), vector["appid"], vector["random"].encode())
    assert encrypted == vector["encrypt"]
    if "msg_signature" in vector:
        parts = (vector["token"], vector["timestamp"], vector["nonce"], encrypted)
        assert signature(*parts) == vector["msg_signature"]


@pytest.mark.parametrize("vector", DECRYPTIONS, ids=named)
@pytest.mark.parametrize("mode", [MessageMode.SAFE, MessageMode.COMPATIBLE])
def test_a_vector_passes_the_door_of_its_account(vector: dict[str, Any], mode: MessageMode) -> None:
    source = WeChatSource.model_validate(
        {
            "name": "gh_1",
            "token": vector["token"],
            "mode": mode,
            "appid": vector["appid"],
            "encoding_aes_keys": [KEY, vector["encoding_aes_key"]] if vector["id"] != "V7" else [KEY],
        }
    )
    query = {**{name: vector[name] for name in ("timestamp", "nonce", "msg_signature")}, "encrypt_type": "aes"}
    for body in (
        f"<xml><ToUserName>x</ToUserName><Encrypt><![CDATA[{vector['encrypt']}]]></Encrypt></xml>".encode(),
        json.dumps({"ToUserName": "x", "Encrypt": vector["encrypt"]}).encode(),
    ):
        message = wechat.opened(source, query, body)
        assert message.form is (Format.JSON if vector["plaintext"].startswith("{") else Format.XML)
        assert message.fields["FromUserName"] in vector["plaintext"]


def platform(**changes: str) -> Platform:
    return Platform(**{"account": "gh_1", "token": "AAAAA", "aes_key": KEY, "appid": "wx1", **changes})


def refused(source: WeChatSource | None, query: dict[str, str], body: bytes) -> PayloadRefusedError:
    with pytest.raises(PayloadRefusedError) as caught:
        wechat.opened(source, query, body)
    return caught.value


def unsigned_plaintext() -> tuple[dict[str, str], bytes]:
    clear = Platform("gh_1", "AAAAA")
    return clear.request(clear.message("o1", "text", Content="停电了"))


def test_all_that_is_tampered_with_is_refused_alike() -> None:
    sender = platform()
    query, body = sender.request(sender.message("o1", "text", Content="停电了"))
    assert wechat.opened(SAFE, query, body).fields["Content"] == "停电了"
    cipher = sender._fields(body)["Encrypt"]
    raw = base64.b64decode(cipher)

    def resigned(encrypt: str) -> tuple[dict[str, str], bytes]:
        """By somebody who knows the token, so that what is behind the signature is looked at too."""
        known = signature("AAAAA", query["timestamp"], query["nonce"], encrypt)
        return {**query, "msg_signature": known}, sender.written({"Encrypt": encrypt})

    attempts = {
        "nonce": ({**query, "nonce": "1"}, body),
        "timestamp": ({**query, "timestamp": "1"}, body),
        "no signature": ({name: query[name] for name in ("timestamp", "nonce", "encrypt_type")}, body),
        "the plain signature": ({**query, "msg_signature": query["signature"]}, body),
        "unknown type": ({**query, "encrypt_type": "rsa"}, sender.written({"Content": "停电了"})),
        "flipped": (query, body.replace(cipher[:8].encode(), b"AAAAAAAA")),
        "no Encrypt": (query, sender.written({"Content": "停电了"})),
        "not XML": (query, b"<xml>"),
        "in clear": unsigned_plaintext(),
        "in clear, said to be": ({**unsigned_plaintext()[0], "encrypt_type": "raw"}, unsigned_plaintext()[1]),
        "not base64": resigned("§§§"),
        "cut": resigned(base64.b64encode(raw[:-16]).decode()),
        "half a block": resigned(base64.b64encode(raw[:-3]).decode()),
        "other key": resigned(platform(aes_key="C" * 43).request({"CreateTime": 1})[1].decode()[14:-20]),
        "other appid": platform(appid="wx2").request(sender.message("o1", "text", Content="x")),
        "other token": platform(token="BBBBB").request(sender.message("o1", "text", Content="x")),
        "empty": resigned(""),
    }
    found = {name: refused(SAFE, *attempt) for name, attempt in attempts.items()}
    assert {(one.reason, one.detail, one.fields) for one in found.values()} == {
        (Reason.CREDENTIALS, "The credential is missing or not known.", ())
    }
    assert refused(None, query, body).detail == found["nonce"].detail


def test_who_signs_with_the_token_that_stands_in_for_nobodys_is_a_stranger() -> None:
    clear = Platform("gh_2", "0" * 32)
    query, body = clear.request(clear.message("o1", "text", Content="停电了"))
    assert refused(None, query, body).reason is Reason.CREDENTIALS


def test_a_wrong_length_inside_is_refused() -> None:
    key = AesKey.decode(KEY)
    good = key.encrypt(b"hello", "wx1", b"r" * 16)
    assert key.decrypt(good, "wx1") == b"hello"
    for content in (
        b"r" * 16 + b"\xff\xff\xff\xff" + b"hello" + b"wx1",
        b"r" * 16 + b"\x00\x00\x00\x09" + b"hello" + b"wx1",
        b"r" * 16 + b"\x00\x00\x00\x00" + b"hello" + b"wx1",
        b"r" * 10,
    ):
        pad = 32 - len(content) % 32
        encryptor = key._cipher().encryptor()
        text = base64.b64encode(encryptor.update(content + bytes((pad,)) * pad) + encryptor.finalize()).decode()
        with pytest.raises(TamperedError):
            key.decrypt(text, "wx1")


@pytest.mark.parametrize("pad", [0, 33, 200])
def test_a_wrong_padding_is_refused(pad: int) -> None:
    key = AesKey.decode(KEY)
    content = (b"r" * 16 + b"\x00\x00\x00\x05helloX1").ljust(63, b"x") + bytes((pad,))
    encryptor = key._cipher().encryptor()
    with pytest.raises(TamperedError):
        key.decrypt(base64.b64encode(encryptor.update(content) + encryptor.finalize()).decode(), "X1")


def test_the_key_before_is_read_and_answered_with() -> None:
    sender = platform(aes_key=OLD_KEY)
    query, body = sender.request(sender.message("o1", "text", Content="停电了"))
    message = wechat.opened(SAFE, query, body)
    assert message.key == AesKey.decode(OLD_KEY)
    reply = wechat.sealed(SAFE, message, wechat.answer(message, "好", NOW), query["nonce"], NOW, b"q" * 16)
    fields = sender._fields(reply)
    clear, appid = decrypted(fields["Encrypt"], OLD_KEY)
    assert appid == "wx1"
    assert sender._fields(clear)["Content"] == "好"


def test_compatible_mode_reads_the_encrypted_one_of_the_two() -> None:
    source = SAFE.model_copy(update={"mode": MessageMode.COMPATIBLE})
    sender = platform()
    query, body = sender.request(sender.message("o1", "text", Content="真"))
    both = body.replace(b"<xml>", "<xml><Content>假</Content>".encode())
    assert wechat.opened(source, query, both).fields["Content"] == "真"
    clear = wechat.opened(source, *unsigned_plaintext())
    assert clear.fields["Content"] == "停电了"
    reply = wechat.answer(clear, "好", NOW)
    assert wechat.sealed(source, clear, reply, "1", NOW, b"q" * 16) == reply, "and is answered in clear"


def test_a_retry_has_another_ciphertext_and_the_same_fingerprint() -> None:
    sender = platform()
    fields = sender.message("o1", "text", Content="停电了")
    (query, body), (other_query, other_body) = sender.request(fields), sender.request(fields)
    assert body != other_body
    assert wechat.opened(SAFE, query, body).sha256 == wechat.opened(SAFE, other_query, other_body).sha256


@pytest.mark.parametrize("key", ["", "A" * 42, "A" * 44, "A" * 42 + "!", "A" * 21 + " " + "A" * 22, "电" * 43])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="EncodingAESKey"):
        AesKey.decode(key)


def test_neither_key_nor_token_is_in_a_representation() -> None:
    assert "AAAAA" not in repr(SAFE)
    assert KEY not in repr(SAFE)
    assert repr(AesKey.decode(KEY).key) not in repr(SAFE)


@settings(max_examples=200, deadline=None)
@given(message=st.binary(max_size=300), random=st.binary(min_size=16, max_size=16))
def test_what_is_encrypted_is_decrypted_by_us_and_by_the_platform(message: bytes, random: bytes) -> None:
    key = AesKey.decode(KEY)
    encrypted = key.encrypt(message, "wx1", random)
    assert key.decrypt(encrypted, "wx1") == message
    assert decrypted(encrypted, KEY) == (message, "wx1")


@settings(max_examples=300, deadline=None)
@given(text=st.text(max_size=80) | st.binary(max_size=96).map(lambda raw: base64.b64encode(raw).decode()))
def test_no_ciphertext_raises_anything_else(text: str) -> None:
    with pytest.raises(TamperedError):
        AesKey.decode(KEY).decrypt(text, "wx1")
