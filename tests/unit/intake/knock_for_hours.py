"""``python -m tests.unit.intake.knock_for_hours -max_total_time=3600 corpus/``: atheris at every door, run by hand.

It is guided by what the bytes make the code do, which takes hours to be worth more than Hypothesis, and it is not among
the project's requirements: ``pip install atheris``. The first byte says which door. It stops at the first finding.
"""

from __future__ import annotations

import asyncio
import sys

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["services.intake", "services.contracts"]):
    from tests.unit.intake.knocking import DOORS, Knocker, check


def main() -> None:
    """Knock until told to stop."""
    names, knocker, loop = list(DOORS), Knocker(), asyncio.new_event_loop()

    def one(data: bytes) -> None:
        if data:
            check(*loop.run_until_complete(knocker.knock(names[data[0] % len(names)], data[1:])))

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
