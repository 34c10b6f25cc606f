"""Which reports are one outage, and the one dispatch order of each.

Decided here: incidents, their predicted device, membership, orders, restoration. Never here: queues of tickets,
what customers are told, where a report is.
"""
