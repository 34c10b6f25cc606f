r"""Records whose header names are no UTF-8.

Kafka's protocol says that they are; brokers do not look, and some clients send what they are given. aiokafka 0.14 fails
at such a record as it fails at a bug, at every start: one record of a partner would stop a service for ever. Decided
here: what cannot be read in a name is written as ``\xNN``, and the record is judged like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Name(bytearray):
    """Bytes whose text may have any of them; names of headers are all that a batch makes text of."""

    def decode(self, encoding: str = "utf-8", _errors: str = "") -> str:
        return super().decode(encoding, "backslashreplace")


class _Buffer(bytearray):
    """A batch's bytes, as parts that may be names."""

    def __getitem__(self, place: Any) -> Any:
        part = super().__getitem__(place)
        return _Name(part) if isinstance(place, slice) else part


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc] # aiokafka has no types
    """A batch, read in Python and with any names."""

    _buffer: bytearray

    def _read_msg(self) -> Any:
        if not isinstance(self._buffer, _Buffer):
            self._buffer = _Buffer(self._buffer)
        return super()._read_msg()


class _Kept(MemoryRecords):  # type: ignore[misc] # likewise
    """What was fetched, parsed in C, and its bytes."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw


class _Any:
    """What was fetched, from an offset on, with any names."""

    def __init__(self, raw: bytes, first: int) -> None:
        self._batches = [batch for batch in _batches(raw) if batch.next_offset > first]

    def has_next(self) -> bool:
        return bool(self._batches)

    def next_batch(self) -> _Batch:
        return self._batches.pop(0)


def _batches(raw: bytes) -> Iterator[_Batch]:
    parts = _MemoryRecordsPy(raw)
    while (part := parts._next_slice) is not None:  # noqa: SLF001 - its own way makes a batch in C of it
        parts._cache_next()  # noqa: SLF001
        yield _Batch(part)


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc] # likewise
    """What was fetched of a partition: read again with any names, from where one could not be read."""

    _records: _Kept | _Any

    def _unpack_records(self) -> Iterator[Any]:
        try:
            yield from super()._unpack_records()
        except UnicodeDecodeError:
            if isinstance(self._records, _Any):
                raise
            self._records = _Any(self._records.raw, self.next_fetch_offset)
            yield from super()._unpack_records()


def accept_any() -> None:
    """Let this process's consumers read such records."""
    fetcher.MemoryRecords = _Kept
    fetcher.PartitionRecords = _PartitionRecords
