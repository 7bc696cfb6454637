"""Pages of `--report`: what they hold."""

import json
import re
from pathlib import Path
from typing import Any, Dict


def data_of(path: Path) -> Dict[str, Any]:
    """Return the data of a page, as its script reads it."""
    block = re.search(r'id="data">(.*?)</script>', path.read_text("utf-8"), re.S)
    assert block is not None
    return json.loads(block[1])
