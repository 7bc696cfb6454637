"""What the tests of published corpora share."""

import csv
from pathlib import Path


def read_csv(path: Path) -> list[dict]:
    with open(path, newline="") as f:
        return list(csv.DictReader(f))


def findings(data_dir: Path) -> dict[tuple[str, str], str]:
    """skipped.txt: (item, kind) -> skipped or kept."""
    lines = (data_dir / "skipped.txt").read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    return {(item, kind): state for _, item, state, kind, _ in fields}


def ratings_of(text: str) -> dict[str, float]:
    pairs = [pair.split(":") for pair in text.split(" ")]
    assert len({listener for listener, _ in pairs}) == len(pairs)
    return {listener: float(score) for listener, score in pairs}
