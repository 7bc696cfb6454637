"""`distilmos score --report`: what was scored, as a page to look at and listen to."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from espnet2_distilmos.inference.inputs import Clip
from espnet2_distilmos.page.content import Page, PageClip
from espnet2_distilmos.page.pictures import picture_of, wave_of
from espnet2_distilmos.page.write import write_page
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike
from espnet2_distilmos.utils.labels import Labels

# Of a result, what is no column of its own.
_NO_COLUMN = {"mos", "mos_low", "mos_high", "seconds", "rate", "channels"}
_NO_COLUMN |= {"frame_shift"}


class ListeningPage:
    """Gathers clips while they are scored, then writes the page.

    Args:
        path: the HTML file.
        embed_audio: megabytes of audio that go into it; None = all is linked.
        notes: lines under its heading.
    """

    def __init__(
        self,
        path: PathLike,
        embed_audio: Optional[float] = None,
        notes: Sequence[str] = (),
    ):
        self.path, self.embed_audio, self.notes = path, embed_audio, notes
        self.scored: List[Tuple[Clip, Dict[str, Any], Dict[str, Any]]] = []

    def add(
        self, clip: Clip, result: Dict[str, Any], frame_mos: Optional[np.ndarray]
    ) -> None:
        """Add a clip; its file is read again for the waveform.

        Args:
            clip: the clip.
            result: of :meth:`DistilMOSInference.score_files`.
            frame_mos: (T,) frame scores; None where there is no score.
        """
        picture: Dict[str, Any] = {}
        if result["mos"] is not None:
            try:
                wave = wave_of(clip.path)
            except UserError as e:  # it was there when it was scored
                logging.warning(f"{clip.name}: no waveform in the page: {e}")
                wave = None
            picture = picture_of(wave, frame_mos, result.get("frame_shift", 0.0))
        self.scored.append((clip, result, picture))

    def write(self, model: str, labels: Labels) -> None:
        """Write the page.

        Args:
            model: what the model is called.
            labels: what it was trained to predict.
        """
        places = groups_of([clip for clip, _, _ in self.scored])
        clips = [
            PageClip(
                name=clip.name,
                group=group,
                path=clip.path,
                mos=result["mos"],
                key=key,
                interval=_interval(result),
                seconds=result.get("seconds"),
                warnings=result["warnings"],
                error=result.get("error"),
                numbers=_further(result),
                picture=picture,
            )
            for (clip, result, picture), (group, key) in zip(self.scored, places)
        ]
        names = list(dict.fromkeys(group for group, _ in places))
        title = f"Scores of {', '.join(names[:3])}" + (", ..." if names[3:] else "")
        page = Page(title, model, labels, clips, notes=self.notes)
        write_page(self.path, page, self.embed_audio)


def groups_of(clips: Sequence[Clip]) -> List[Tuple[str, str]]:
    """Return group and key of each clip; clips of two groups with one key are a pair.

    Groups are the folders and lists that were given; of a single folder, the folders in
    it. A key is the path below the group's folder, without the suffix unless two files
    differ in nothing else; in a list, the ID.
    """
    sources = list(dict.fromkeys(clip.source for clip in clips))
    pairs = []
    for clip in clips:
        group, inside = clip.source, PurePath(clip.inside)
        if len(sources) == 1 and clip.utt is None and len(inside.parts) > 1:
            group = str(Path(group) / inside.parts[0])
            inside = PurePath(*inside.parts[1:])
        short = str(inside) if clip.utt is not None else str(inside.with_suffix(""))
        pairs.append((group, short, str(inside)))
    n = Counter((group, short) for group, short, _ in pairs)
    return [
        (group, short if n[group, short] == 1 else whole)
        for group, short, whole in pairs
    ]


def _interval(result: Dict[str, Any]) -> Optional[Tuple[float, float]]:
    low, high = result.get("mos_low"), result.get("mos_high")
    return None if low is None or high is None else (low, high)


def _further(result: Dict[str, Any]) -> Dict[str, Optional[float]]:
    """Return the numbers of a result that are no columns yet.

    `scores` are those of a model with several scales, of which `MOS` is the first.
    """
    scores = {k: v for k, v in result.get("scores", {}).items() if k != "MOS"}
    return {
        key: float(value)
        for key, value in {**result, **scores}.items()
        if key not in _NO_COLUMN
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    }
