"""Router: from an accepted contact to a ticket in one skill queue, and to an outage report for merging.

Decided here: what a customer wants, how urgent it is, which queue has it. Never here: whether reports are one outage
(dedup), what a customer is told (notify).
"""
