"""Tickets and reports as people name them on the command line: by their id, or by the reference a customer reads out.

Decided here: what is neither is a wrong command line. Never here: which ticket has a reference.
"""

from __future__ import annotations

from uuid import UUID

import typer

from services.contracts.ids import parse_ticket_ref


def given(text: str) -> str:
    """Return an argument's id or reference as our services write it.

    Raises:
        typer.BadParameter: it is neither.
    """
    try:
        return str(UUID(text))
    except ValueError:
        pass
    try:
        return parse_ticket_ref(text)
    except ValueError as error:
        wanted = "neither an id, such as 5f0c9e11-0b7e-5c55-a1a5-6c0a2f8f5f5e, nor a ticket reference"
        raise typer.BadParameter(f"{text!r} is {wanted}, such as 7K3M-9QPX-2HR: {error}.") from None
