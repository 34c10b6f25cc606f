"""The router's decisions, pure: words to meaning, attributes to a queue, contacts to a ticket.

``words`` finds keywords and scripts, ``classify`` gives a contact its meaning, ``routes`` matches the tree,
``ticket`` folds contacts and decides. Never here: I/O, a clock, a rule file's syntax.
"""
