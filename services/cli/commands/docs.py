"""``gridline docs``: generates the contract documents from the code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import structlog
import typer

from services.cli.documents import documents, write_documents
from services.cli.errors import CommandError, Exit

_FOLDER = Path("docs") / "contracts"


def docs(
    folder: Annotated[Path, typer.Argument(help="Where they go.")] = _FOLDER,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if one is missing or outdated.")] = False,
) -> None:
    """Write the contract documents: JSON Schemas, AsyncAPI, OpenAPI, settings, metrics, the shipped routes drawn.

    For example:

      gridline docs

      gridline docs --check
    """
    # Reading the shipped rules tells of itself as a service would; here nobody asked.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if check:
        old = stale(folder)
        if old:
            raise CommandError(f"not as the code says: {', '.join(old)}", "Run `gridline docs`.", Exit.NO)
        print(f"{folder}: current")
        return
    for path in write_documents(folder):
        print(path)


def stale(folder: Path) -> list[str]:
    """Return what under ``folder`` is missing, other than the code says, or of something that is no more."""
    wanted = documents()
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    different = [n for n, text in wanted.items() if n in there and (folder / n).read_text(encoding="utf-8") != text]
    return sorted({*different, *(wanted.keys() ^ there)})
