"""A customer file of a few homes, and a network that has their transformers."""

from __future__ import annotations

from services.grid.book import CustomerBook
from services.grid.device import DeviceRow
from services.grid.network_file import CustomerRow
from services.grid.tree import Tree


def book_of(homes):
    """Nine transformers or as many as homes, each with a breaker of its own; a customer at each home.

    Args:
        homes: Transformer and address of each.
    """
    rows = [DeviceRow("S", None, "substation", False, 31.0, 118.0)]
    for n in range(1, max(10, len(homes) + 1)):
        rows.append(DeviceRow(f"B{n}", "S", "breaker", False, 31.0 + n / 10, 118.0))
        rows.append(DeviceRow(f"T{n}", f"B{n}", "transformer", False, 31.0 + n / 10, 118.0))
    customers = [
        CustomerRow(f"A{n}", at, 31.0 + n, 118.0, said, f"1380000{n:04}") for n, (at, said) in enumerate(homes)
    ]
    return CustomerBook(Tree(rows), customers)
