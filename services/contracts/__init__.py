"""What the services say to one another: values, ids, messages, topics, envelope.

Pydantic and the standard library only; this package imports no other room. Nothing here does I/O, reads a
clock or rolls dice, so a message means the same thing in a service, in a test and in a replay.
"""
