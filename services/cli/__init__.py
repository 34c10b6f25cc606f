"""The ``gridline`` command: the stack, the network, storms, replays, and looking into what runs.

Decided here: how an operator asks and is answered. Never here: how a contact is routed, merged or told, what a storm
is made of (``services.simulator``) or how good a merging is (``services.quality``).
"""
