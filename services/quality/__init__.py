"""How good the merging is: storms with their truth, ways to merge them, figures, a table and plots.

Decided here: what is measured, against which baselines and bounds, on which storms. Never here: a rule of merging
that a service uses.
"""
