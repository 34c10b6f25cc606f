"""The operators' files: ``routes.yaml`` and ``classify.yaml``, read into resolved rules.

Decided here: what a well-formed rule file is; each fault is named with file, line and what is allowed. A service does
not start on a bad file; a running one keeps what it has. Never here: what the rules decide (``domain``).
"""
