"""What can go wrong with the local stack, each with a text that says what to do next.

Decided here: the names of the failures. Never here: a message without a next step.
"""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot be brought up or down; the text says why and what to do."""


class PortTakenError(StackError):
    """Another process listens on a port the stack needs."""


class StaleDataError(StackError):
    """A data folder was made by another version, for another cluster, or not by us."""


class DownloadError(StackError):
    """Kafka's jars are not on this machine and could not be fetched."""


class StartError(StackError):
    """A server or service did not become ready; the text carries the end of its log."""


class StopRequestedError(Exception):
    """Raised by a wait's `on_wait` to give up at once: a signal came, or the caller is gone. Not a failure."""
