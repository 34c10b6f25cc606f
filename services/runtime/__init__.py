"""How any service runs: the consume loop, positions and outbox, settings, logs, metrics, health, clock.

No business word belongs here. Router, dedup and notify run on the one loop in ``consumer``; it alone commits.
"""
