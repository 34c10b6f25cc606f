"""Gridline: one Python package; every service is a folder in it."""
