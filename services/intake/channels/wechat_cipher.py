"""The WeChat platform's encryption and signatures (official accounts: compatible and safe mode).

AES-256-CBC whose IV is the first half of the key, PKCS#7 padding to 32, and inside: 16 random bytes, the length of
the message in four bytes, the message, the account's appid. Encrypt-then-sign: the signature covers the ciphertext
and is checked first, so a forger learns nothing from the padding. Everything that does not fit raises the same error.

Source: developers.weixin.qq.com, message push and message encryption; test vectors in tests/unit/intake.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from collections.abc import Iterable

RANDOM_BYTES: Final = 16
_BLOCK: Final = 32
_AES_BLOCK: Final = 16
_LENGTH_BYTES: Final = 4
_HEAD: Final = RANDOM_BYTES + _LENGTH_BYTES


class TamperedError(ValueError):
    """Not encrypted or not signed by the platform for this account; which of them is nobody's business."""


def signature(*parts: str) -> str:
    """Return sha1 of the sorted parts, in hexadecimal: how the platform signs.

    In plaintext of token, timestamp and nonce, so the body is not covered; encrypted, the ciphertext is a part too.
    """
    joined = "".join(sorted(parts)).encode("utf-8", "surrogatepass")
    return hashlib.sha1(joined, usedforsecurity=False).hexdigest()


def signed(given: str, *parts: str) -> bool:
    """Whether ``given`` is the signature of the parts, compared in constant time."""
    return hmac.compare_digest(signature(*parts).encode(), given.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class AesKey:
    """An EncodingAESKey of the platform's console."""

    key: bytes = field(repr=False)

    @classmethod
    def decode(cls, encoded: str) -> Self:
        """Read the 43 characters of the console.

        Leniently: the last character of the platform's own sample keys has bits that a strict decoder refuses.

        Raises:
            ValueError: it is not 43 characters of base64.
        """
        try:
            key = base64.b64decode(f"{encoded}=", validate=True)
        except ValueError:
            key = b""
        if len(key) != _BLOCK:
            raise ValueError("is not an EncodingAESKey: 43 letters and digits")
        return cls(key)

    def decrypt(self, encrypted: str, appid: str) -> bytes:
        """Return the message.

        Raises:
            TamperedError: not encrypted with this key, for this appid, or not by the scheme.
        """
        try:
            ciphertext = base64.b64decode(encrypted, validate=True)
        except ValueError:
            raise TamperedError from None
        if not ciphertext or len(ciphertext) % _AES_BLOCK:
            raise TamperedError
        decryptor = self._cipher().decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        content = padded[: -padded[-1]]
        end = _HEAD + int.from_bytes(content[RANDOM_BYTES:_HEAD], "big")
        # Of another key, length or padding, something else stands where the account does.
        if not hmac.compare_digest(content[end:], appid.encode()):
            raise TamperedError
        return content[_HEAD:end]

    def encrypt(self, message: bytes, appid: str, random: bytes) -> str:
        """Return the message encrypted; ``random`` is 16 bytes that nobody can guess."""
        content = random + len(message).to_bytes(_LENGTH_BYTES, "big") + message + appid.encode()
        pad = _BLOCK - len(content) % _BLOCK
        encryptor = self._cipher().encryptor()
        return base64.b64encode(encryptor.update(content + bytes((pad,)) * pad) + encryptor.finalize()).decode()

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self.key), modes.CBC(self.key[:_AES_BLOCK]))


def decrypt(keys: Iterable[AesKey], encrypted: str, appid: str) -> tuple[bytes, AesKey]:
    """Return the message and the key that opened it: while a key is changed, the platform may still use the old one.

    Raises:
        TamperedError: no key opens it.
    """
    for key in keys:
        try:
            return key.decrypt(encrypted, appid), key
        except TamperedError:
            continue
    raise TamperedError
