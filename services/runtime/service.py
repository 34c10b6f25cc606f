"""Start a service, keep it, drain it on SIGTERM.

Interface (body follows): a room calls ``run("router", RouterSettings, build)`` in its ``__main__``.
"""
