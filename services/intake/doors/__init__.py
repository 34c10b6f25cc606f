"""The endpoints of the intake, one file per channel: which requests, which checks in which order, which response.

Each file has ``add(router, front, sources)``; ``services.intake.api`` adds them all.
"""
