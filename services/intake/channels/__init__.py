"""One file a channel: raw payload in, ``ContactReceived`` or a named refusal out.

Decided here: what a sender's payload means. Never here: I/O, a clock, a credential check or an HTTP status;
``now`` is an argument, and a payload, however broken, raises ``PayloadRefusedError`` and nothing else.
"""
