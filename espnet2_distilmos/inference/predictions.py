"""Stage 6, first half: predictions of whole sets, shared out over jobs."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List

from espnet2_distilmos.inference.outputs import (
    SCALES,
    SCORES,
    further_scores,
    outputs_of,
    write_further,
)
from espnet2_distilmos.tokens.sharded_set import ShardedSet, ShardedSets, pending_of
from espnet2_distilmos.tokens.shards import Shard, require_whole
from espnet2_distilmos.utils.arks import join_arks, write_ark
from espnet2_distilmos.utils.datadir import (
    read_floats,
    read_scores,
    write_lines,
)
from espnet2_distilmos.utils.files import PathLike, require_folder
from espnet2_distilmos.utils.progress import progress
from espnet2_distilmos.utils.stamp import audio_request, write_stamp
from espnet2_distilmos.utils.terminal import counted

if TYPE_CHECKING:  # the engine needs torch, and joining does not
    from espnet2_distilmos.inference.engine import DistilMOSInference


class Predictions(ShardedSets):
    """Predictions of some sets: :meth:`run` in each job, then :meth:`combine`.

    Each set gets `<output_dir>/<set>/` with `utt2mos`, `frame_mos.ark`,
    `frame_mos.scp` and, last, `inference.yaml`; and `utt2scores`, what a model with
    further scales says on those.

    Args:
        data_dirs: set -> formatted set, with `wav.scp` and `utt2num_samples`.
        output_dir: folder to write.
        request: what the scores depend on besides the audio: model, settings.
        load_model: returns the engine; called where something is left to score.
        shard_seconds: of audio, about: what a killed job loses at most.

    Raises:
        UserError: a set whose IDs differ between its files, or an output folder that
            is the set's own.
    """

    def __init__(
        self,
        data_dirs: Mapping[str, PathLike],
        output_dir: PathLike,
        request: Mapping[str, Any],
        load_model: "Callable[[], DistilMOSInference]",
        shard_seconds: float = 300.0,
    ):
        self.load_model = load_model
        self.sets = [
            _Set(Path(folder), Path(output_dir) / name, request, shard_seconds)
            for name, folder in data_dirs.items()
        ]

    def run(self, job: int = 1, nj: int = 1) -> None:
        """Score the shards of job `job` of `nj` that are not whole yet.

        Raises:
            UserError: a clip cannot be scored; names it.
        """
        shards = pending_of(self.sets, job, nj)
        if not shards:
            return
        model = self.load_model()
        from espnet2_distilmos.inference.scp import scored

        for dset, shard in progress(shards, "scoring, parts"):
            with shard.making() as stamp:
                wavs = {utt: dset.wavs[utt] for utt in shard.items}
                scores, frames, further = {}, {}, {}
                for utt, result in scored(model, wavs):
                    scores[utt], frames[utt] = result["mos"], result["frame_mos"]
                    further[utt] = further_scores(result)
                write_lines(shard.folder / "utt2mos", scores)
                write_further(shard.folder, further)
                stamp.update(offsets=write_ark(_ark_of(shard), frames.items()))


class _Set(ShardedSet):
    """One set's shards, and its files."""

    def __init__(
        self,
        data_dir: Path,
        folder: Path,
        request: Mapping[str, Any],
        shard_seconds: float,
    ):
        # Its utt2mos would take the place of the labels.
        require_folder(folder, data_dir)
        super().__init__(
            data_dir,
            folder,
            "inference.yaml",
            lambda: {**request, **audio_request(data_dir)},
            shard_seconds,
        )

    def files(self, stamp: Mapping[str, Any]) -> List[Path]:
        """Return what the stamp stands for."""
        return outputs_of(self.folder, stamp)

    def combine(self) -> None:
        """Write the set's files, then their stamp."""
        require_whole(self.shards)
        scores: Dict[str, float] = {}
        further: Dict[str, Dict[str, float]] = {}
        for shard in self.shards:
            scores.update(read_floats(shard.folder / "utt2mos"))
            if (shard.folder / SCORES).exists():
                further.update(read_scores(shard.folder / SCORES))
        places = join_arks(
            self.folder / "frame_mos.ark",
            [(_ark_of(shard), shard.read_stamp()["offsets"]) for shard in self.shards],
        )
        write_lines(self.folder / "frame_mos.scp", places)
        write_further(self.folder, further)
        write_lines(self.folder / "utt2mos", scores)
        write_stamp(self.stamp, self.request, **({SCALES: True} if further else {}))
        logging.info(f"{self.folder}: {counted(len(scores), 'clip')} scored")


def _ark_of(shard: Shard) -> Path:
    """Return the frame scores of a shard."""
    return shard.folder / "frame_mos.ark"
