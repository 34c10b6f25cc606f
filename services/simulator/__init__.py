"""A simulated storm: faults, the people who report them, and what they send; from a seed, with the truth.

Decided here: what a storm looks like, from figures with a source. The generator is pure: the same network, shape and
seed give the same bytes. Only ``sender`` and ``files`` do I/O.
"""
