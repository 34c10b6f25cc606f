"""Random stories in which hours pass, one module for each part of the product that is told them.

A module here has ``story(seed)``, which makes the steps up, and ``stage()``, a context in which they are lived.
"""
