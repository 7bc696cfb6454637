"""Decode folders that are scored, as a page to look at and listen to."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Dict, List, Optional

from espnet2_distilmos.page.content import Page, PageClip
from espnet2_distilmos.page.predictions import picture_of_file
from espnet2_distilmos.page.write import write_page
from espnet2_distilmos.tts.decoded import Decoded
from espnet2_distilmos.tts.evaluate import utterances
from espnet2_distilmos.tts.results import PROVENANCE, read_stamp
from espnet2_distilmos.utils.audio import is_silent
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, require_output
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.terminal import counted


def write_decoded_page(
    path: PathLike, folders: Sequence[Decoded], embed_audio: Optional[float] = None
) -> None:
    """Write a page; utterances of one ID are compared between decode folders.

    Args:
        path: the HTML file.
        folders: of one MOS model. The audio is that of `wav.scp` beside the scores, or
            the files in the folder; frame scores are not kept there.
        embed_audio: megabytes of audio that go into the page; None = all is linked.

    Raises:
        UserError: a `wav.scp` that cannot be read, or the page would replace audio.
    """
    labels = Counter(folder.label for folder in folders)
    clips: List[PageClip] = []
    for folder in folders:
        # A name that two have would make one group of both.
        group = folder.label if labels[folder.label] == 1 else str(folder.folder)
        files = _audio_of(folder.folder)
        require_output(path, *files.values())
        for utt, mos in progress(list(folder.mos.items()), f"page, {group}"):
            if utt in files:
                picture, seconds, warnings = picture_of_file(files[utt])
            else:
                picture, seconds, warnings = {}, None, ["its audio file is not known"]
            if utt in folder.silent and not is_silent(warnings):
                warnings = [folder.silent[utt], *warnings]
            clips.append(
                PageClip(
                    name=utt,
                    group=group,
                    path=files.get(utt),
                    mos=mos,
                    key=utt,
                    seconds=seconds,
                    warnings=warnings,
                    picture=picture,
                )
            )
        stamp = folder.folder / PROVENANCE
        failed = read_stamp(stamp)["failed"] if stamp.exists() else {}
        clips += [
            PageClip(utt, group, files.get(utt), None, error=str(why))
            for utt, why in failed.items()
        ]
    judge = folders[0]
    page = Page(
        "Decoded speech", judge.judge_name, judge.judge_labels, clips, "decode folder"
    )
    write_page(path, page, embed_audio)
    logging.info(f"{path}: {counted(len(clips), 'utterance')} to look at and listen to")


def _audio_of(folder: Path) -> Dict[str, str]:
    """Return ID -> audio file of a decode folder, as far as it is known."""
    scp = folder / "wav.scp"
    if scp.exists():
        return utterances(scp)
    try:
        return utterances(folder)
    except UserError as e:  # scores that were written elsewhere (--outdir)
        logging.warning(f"{folder}: no audio to listen to: {e}")
        return {}
