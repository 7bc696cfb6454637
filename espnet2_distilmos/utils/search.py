"""Files below a folder: links are followed, nothing is passed over unsaid."""

import logging
import os
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Deque, Dict, List, Set, Tuple

from espnet2_distilmos.utils.files import PathLike

# What is looked for in folders; a file that is named itself may be called anything.
AUDIO_SUFFIXES = frozenset(
    ".wav .flac .ogg .oga .opus .mp3 .aif .aiff .aifc .au .snd .caf .w64 .rf64 .sph "
    ".nist .m4a .mp4 .aac .wma .webm .mka .amr .spx".split()
)
_SHOWN = 3


@dataclass
class Search:
    """What a folder holds.

    Attributes:
        folder: as given.
        files: audio files relative to it, by name.
        passed_over: why -> paths relative to it.
    """

    folder: str
    files: List[str] = field(default_factory=list)
    passed_over: Dict[str, List[str]] = field(default_factory=dict)

    def pass_over(self, why: str, path: str) -> None:
        """Note that something is not looked at."""
        self.passed_over.setdefault(why, []).append(path)

    def tell(self) -> None:
        """Log what was passed over, a line a reason."""
        for why, paths in self.passed_over.items():
            shown = ", ".join(sorted(paths)[:_SHOWN])
            more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
            level = logging.INFO if why.startswith("hidden") else logging.WARNING
            logging.log(
                level,
                f"{self.folder}: passed over, {why}: {len(paths)} ({shown}{more})",
            )


def find_audio(
    folder: PathLike, suffixes: Collection[str] = AUDIO_SUFFIXES, links: bool = True
) -> Search:
    """List the audio files below a folder; hidden ones are passed over.

    Args:
        folder: where to look, and in all folders below, see :func:`walk`.
        suffixes: of the files, in small letters.
        links: look into folders behind links.
    """
    search = Search(str(folder))
    for inside, entries in walk(search, links):
        for entry in entries:
            name = os.path.join(inside, entry.name)
            is_audio = os.path.splitext(name)[1].lower() in suffixes
            if _is_folder(entry):
                continue
            elif entry.name.startswith("."):
                if is_audio:
                    search.pass_over("hidden files", name)
            elif is_audio:
                search.files.append(name)
            elif entry.is_symlink() and not os.path.exists(entry.path):
                search.pass_over("links that lead nowhere", name)
    search.files.sort()
    return search


def walk(
    search: Search, follow: bool = True
) -> Iterator[Tuple[str, List[os.DirEntry]]]:
    """Yield every folder below, by its path inside, and what is in it, by name.

    Folders behind links are looked at, each once, so that a link to a folder above
    makes no endless loop; where a folder can be reached with and without a link, it has
    its path without. Hidden folders are passed over.
    """
    seen: Set[Tuple[int, int]] = set()
    waiting: Deque[str] = deque([""])
    links: Deque[str] = deque()
    while waiting or links:
        inside = waiting.popleft() if waiting else links.popleft()
        path = os.path.join(search.folder, inside)
        try:
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in seen:
                continue
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError as e:
            why = (e.strerror or str(e)).lower()
            search.pass_over(f"folders that cannot be read ({why})", inside or ".")
            continue
        seen.add((status.st_dev, status.st_ino))
        yield inside, entries
        for entry in entries:
            if _is_folder(entry):
                name = os.path.join(inside, entry.name)
                if entry.name.startswith("."):
                    search.pass_over("hidden folders", name)
                elif not entry.is_symlink():
                    waiting.append(name)
                elif follow:
                    links.append(name)


def _is_folder(entry: os.DirEntry) -> bool:
    # Its own is_dir() raises where a link leads to itself.
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
