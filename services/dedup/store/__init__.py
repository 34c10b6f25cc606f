"""Incidents in Postgres: ``load`` builds what is known of areas, ``save`` keeps what a batch changed, ``views`` reads.

Decided here: nothing. Whatever the number of messages in a batch, the number of statements is the same.
"""
