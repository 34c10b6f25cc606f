"""The doors of the intake, a file a channel: which requests it takes, in which order it checks them, what it answers.

Each file has ``add(router, front, sources)``; ``services.intake.api`` opens them all.
"""
