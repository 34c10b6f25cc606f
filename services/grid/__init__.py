"""The network model: which device feeds which customer, and where a report is.

Reference data, imported by the CLI, read by router and dedup. No incident, ticket or queue is known here.
"""
