"""Files that are made and committed. `UPDATE_GOLDEN=1 make chart` makes them anew: read the diff."""

import os
from pathlib import Path


def compare(path: Path, made: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made)
    committed = path.read_text() if path.exists() else ""
    # As lists, pytest shows the lines that differ.
    assert made.splitlines() == committed.splitlines(), f"{path} is old; run UPDATE_GOLDEN=1 make chart, and read the diff"
