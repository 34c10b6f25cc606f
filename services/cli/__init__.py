"""The ``gridline`` command: the stack, the network, storms, replays, and looking into what runs.

Decided here: how an operator asks and is answered, and what a simulated storm is made of. Never here: how a
contact is routed, merged or told; that is asked of the services, or of their pure cores.
"""
