"""Writing a page: markup, style, script and data in one HTML file.

Whatever comes from outside (names, paths, warnings, labels) stands in a block of JSON
that no parser takes for markup, and the script writes it as text. The page's policy
(Content-Security-Policy) allows no script but its own, known by its hash, and no
network.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Dict, Optional

from espnet2_distilmos.page.content import Page
from espnet2_distilmos.utils.files import PathLike, write_text
from espnet2_distilmos.utils.stamp import digest_of

# In this order: each uses those before it.
_SCRIPTS = (
    "data.js",
    "pictures.js",
    "tables.js",
    "player.js",
    "sections.js",
    "main.js",
)
_MARKUP = "page.html"
_STYLES = ("page.css", "player.css")
# What could end a block of data or begin markup, and what JavaScript once refused.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def write_page(path: PathLike, page: Page, embed_audio: Optional[float] = None) -> None:
    """Write a page atomically.

    Args:
        path: the HTML file.
        page: what it shows; audio is linked by paths relative to its folder.
        embed_audio: megabytes of audio that go into the page itself; None = none.
    """
    audio: Mapping[int, str] = {}
    if embed_audio is not None:
        from espnet2_distilmos.page.embed import embedded

        audio = embedded(page.clips, embed_audio)
    data = page.as_data(Path(path).parent)
    for number in audio:
        data["clips"][number]["embedded"] = True
    style = "".join(_asset(name) for name in _STYLES)
    script = "".join(
        ["(() => {\n'use strict';\n", *(_asset(name) for name in _SCRIPTS), "})();\n"]
    )
    blocks = "".join(
        f'<script type="application/json" id="audio-{number}">"{sound}"</script>\n'
        for number, sound in audio.items()
    )
    values = {
        "title": html.escape(data["title"]),
        "policy": _policy(script, style),
        "style": style,
        "script": script,
        "data": as_json(data),
        "audio": blocks,
    }
    # One pass: nothing in a value is taken for a place of another one.
    text = re.sub(r"\{\{(\w+)\}\}", lambda m: values[m[1]], _asset(_MARKUP))
    write_text(path, text)


def as_json(data: Any) -> str:
    """Return JSON that can stand inside a script element; NaN is refused."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def assets_sha256() -> str:
    """Return a hash of markup, style and script, for stamps of pages."""
    return digest_of(_asset(name) for name in (_MARKUP, *_STYLES, *_SCRIPTS))


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8")


def _policy(script: str, style: str) -> str:
    """Return the page's policy: its own script and style, and sound from files."""
    rules: Dict[str, str] = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "media-src": "'self' file: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
