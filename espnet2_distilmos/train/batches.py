"""Batches of the training set, where not every epoch has those of the one before.

ESPnet's samplers sort clips by length and make batches once; an epoch draws their order
alone. It asks a sampler for the batches of every pass over the set
(`AbsSampler.generate`), which is where other ones are drawn here: by the seed and the
number of the pass, so that they are the same in every process and after a resume.
"""

import argparse
import logging
import math
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch.distributed as dist
from espnet2.fileio.read_text import load_num_sequence_text
from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
from espnet2.samplers.abs_sampler import AbsSampler
from espnet2.samplers.build_batch_sampler import build_batch_sampler

from espnet2_distilmos.train.crop import Draw
from espnet2_distilmos.train.draw import (
    clips_of,
    corpus_counts,
    cut,
    drawn_clips,
    similar_lengths,
)
from espnet2_distilmos.train.raters import path_of
from espnet2_distilmos.utils.audio.crops import crop_samples
from espnet2_distilmos.utils.datadir import read_words
from espnet2_distilmos.utils.errors import UserError

Batches = Sequence[Sequence[str]]
_BY_LENGTH = ("numel", "length")
# A config.yaml of before there were these options has none of them.
_OFF = {"batch_spread": 0.0, "corpus_exponent": None, "crop_seconds": None}


class PassBatches(AbsSampler):
    """Batches of each pass over the training set, of which a process gets its part.

    Every ID says which draw it is (:class:`Draw`), so that what is drawn for a clip
    depends neither on workers nor on processes.

    Args:
        seed: of the training.
        n_batches: of each pass.
        make: batches of a pass, of all processes.
        rank: number of this process.
        world_size: number of processes.
    """

    def __init__(
        self,
        seed: int,
        n_batches: int,
        make: Callable[[np.random.Generator], Batches],
        rank: int = 0,
        world_size: int = 1,
    ):
        self.seed, self.n_batches, self.make = seed, n_batches, make
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Tuple[str, ...]]:
        return iter(self.generate(self.seed))

    def generate(self, seed: int) -> List[Tuple[str, ...]]:
        """Return the batches of a pass.

        Args:
            seed: that of the training plus the number of the pass, as ESPnet counts.
        """
        of_pass = (self.seed, seed - self.seed)
        seen: Dict[str, int] = {}
        found: List[Tuple[str, ...]] = []
        for batch in self.make(np.random.default_rng(of_pass)):
            draws = []
            for utt in batch:
                seen[utt] = seen.get(utt, 0) + 1
                draws.append(Draw(utt, (*of_pass, seen[utt])))
            found.append(tuple(draws[self.rank :: self.world_size]))
        return found


def draws_anew(args: argparse.Namespace) -> bool:
    """Tell whether clips or batches of the training set are drawn for every pass."""
    return bool(args.batch_spread) or args.corpus_exponent is not None


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that do not go together.

    Raises:
        UserError: says which.
    """
    for name, value in _OFF.items():
        vars(args).setdefault(name, value)
    if not (draws_anew(args) or args.crop_seconds is not None):
        return
    if not 0 <= args.batch_spread < 1:
        raise UserError(
            f"--batch_spread {args.batch_spread:g}: 0 (off) or more, and less than 1"
        )
    if args.corpus_exponent is not None and not 0 <= args.corpus_exponent <= 1:
        raise UserError(
            f"--corpus_exponent {args.corpus_exponent:g}: from 0 (all corpora alike) "
            "to 1 (as they are), or null"
        )
    if args.crop_seconds is not None and not 0 < args.crop_seconds < math.inf:
        raise UserError(f"--crop_seconds {args.crop_seconds:g}: more than 0, or null")
    what = "--batch_spread, --corpus_exponent and --crop_seconds"
    if args.iterator_type != "sequence" or args.multiple_iterator:
        raise UserError(
            f"{what} need --iterator_type sequence and no --multiple_iterator"
        )
    if args.crop_seconds is not None and args.max_cache_size not in (0, "0", "0.0"):
        raise UserError(
            "--crop_seconds needs --max_cache_size 0: what is kept in memory is cut "
            "once, and would be the same crop for ever"
        )
    if not draws_anew(args):
        return
    if args.batch_type not in _BY_LENGTH:
        raise UserError(
            "--batch_spread and --corpus_exponent need --batch_type numel or length; "
            "batches of batch_size clips are shuffled by ESPnet's "
            "--shuffle_within_batch true"
        )
    if args.shuffle_within_batch:
        raise UserError(
            "--shuffle_within_batch mixes clips of all lengths and overrides "
            "--batch_spread and --corpus_exponent; leave it out"
        )


def fixed_batches(args: argparse.Namespace, least: int) -> List[Tuple[str, ...]]:
    """Return ESPnet's batches of the training set; crops count as they are cut.

    Args:
        args: of the training.
        least: clips that each batch has at least.
    """
    most = None if args.crop_seconds is None else crop_samples(args.crop_seconds)
    with tempfile.TemporaryDirectory() as tmp:
        files = list(args.train_shape_file)
        if most is not None:
            # ESPnet's samplers take lengths from files alone.
            for i, file in enumerate(files):
                rows = [
                    (utt, ",".join(map(str, [min(length, most), *rest])))
                    for utt, (length, *rest) in _shapes(file).items()
                ]
                files[i] = f"{tmp}/{i}"
                Path(files[i]).write_text(
                    "".join(f"{u} {shape}\n" for u, shape in rows)
                )
        sampler = build_batch_sampler(
            type=args.batch_type,
            batch_size=args.batch_size,
            batch_bins=args.batch_bins,
            shape_files=files,
            sort_in_batch=args.sort_in_batch,
            sort_batch=args.sort_batch,
            drop_last=args.drop_last_iter,
            min_batch_size=least,
            fold_lengths=args.fold_length,
        )
        return list(sampler)


def _shapes(file: str) -> Dict[str, List[int]]:
    return load_num_sequence_text(file, loader_type="csv_int")


def train_batches(args: argparse.Namespace, distributed: bool) -> PassBatches:
    """Return the sampler of the training set, with what the options say is drawn.

    Args:
        args: of the training.
        distributed: whether processes share each batch.

    Raises:
        UserError: fewer than two corpora, or a clip without one, where they are to be
            balanced; a batch with fewer clips than there are processes.
    """
    rank, world_size = 0, 1
    if distributed:
        rank, world_size = dist.get_rank(), dist.get_world_size()
    least = world_size if distributed else args.min_batch_size
    found = fixed_batches(args, least)
    smallest = min(map(len, found))
    if smallest < world_size:
        raise UserError(
            f"{args.train_shape_file[0]}: a batch has fewer clips than there are "
            f"processes ({smallest} < {world_size}); train with fewer, or with more "
            "clips"
        )
    # Of a training set of fewer clips the one batch may be smaller.
    made = _drawn(args, len(found), min(least, smallest)) if draws_anew(args) else None
    make = made or (lambda _: found)
    return PassBatches(args.seed, len(found), make, rank, world_size)


def _drawn(
    args: argparse.Namespace, n_batches: int, least: int
) -> Callable[[np.random.Generator], Batches]:
    """Return what draws the batches of a pass."""
    most = None if args.crop_seconds is None else crop_samples(args.crop_seconds)
    sizes: Dict[str, int] = {}
    for file in args.train_shape_file:
        for utt, (length, *rest) in _shapes(file).items():
            length = length if most is None else min(length, most)
            elements = int(np.prod(rest)) if args.batch_type == "numel" else 1
            sizes[utt] = sizes.get(utt, 0) + length * elements
    everything = sorted(sizes, key=str.encode)
    draw = _balanced(args, sizes, n_batches * least)

    def make(rng: np.random.Generator) -> Batches:
        utts = everything if draw is None else draw(rng)
        utts = similar_lengths(utts, sizes, args.batch_spread, rng)
        batches = cut(utts, sizes, n_batches, least)
        longest_first = args.sort_in_batch == "descending"
        return [
            sorted(batch, key=sizes.__getitem__, reverse=longest_first)
            for batch in batches
        ]

    first = make(np.random.default_rng([args.seed, 1]))
    largest = max(len(batch) * max(sizes[utt] for utt in batch) for batch in first)
    logging.info(
        f"batches are drawn anew: {n_batches} for every pass over the training set; "
        f"the largest of the first has {largest}, batch_bins is {args.batch_bins}"
    )
    return make


def _balanced(
    args: argparse.Namespace, sizes: Dict[str, int], fewest: int
) -> Optional[Callable[[np.random.Generator], List[str]]]:
    """Return what draws the clips of a pass, if corpora are balanced."""
    if args.corpus_exponent is None:
        return None
    path = path_of(args.train_data_path_and_name_and_type, "corpus")
    known = {} if path is None else read_words(path)
    missing = [utt for utt in sizes if utt not in known]
    if path is not None and missing:
        raise UserError(f"{path}: has no corpus of {missing[0]}; run stage 1 again")
    corpus_of = {utt: known[utt] for utt in sizes if utt in known}
    names = sorted(set(corpus_of.values()), key=str.encode)
    if len(names) < 2:
        raise UserError(
            "--corpus_exponent needs at least two corpora in utt2corpus of the "
            f"training set, found {' '.join(names) or 'none'}; train on several with "
            '--train_sets "CORPUS/SET CORPUS/SET"'
        )
    counts = corpus_counts(corpus_of, sizes, args.corpus_exponent)
    clips = clips_of(corpus_of)
    if sum(counts.values()) < fewest:
        raise UserError(
            f"--corpus_exponent {args.corpus_exponent:g} leaves "
            f"{sum(counts.values())} clips, and {fewest} are needed; lower "
            "min_batch_size or the number of processes"
        )
    told = (f"{name} {counts[name]} ({len(clips[name])} there are)" for name in clips)
    logging.info(f"clips for every pass over the training set: {', '.join(told)}")
    return lambda rng: drawn_clips(clips, counts, rng)


def iter_factory(
    args: argparse.Namespace,
    iter_options: Any,
    build_dataset: Callable[[argparse.Namespace, Any], Any],
) -> SequenceIterFactory:
    """Return ESPnet's factory of iterators with these batches.

    Args:
        args: of the training.
        iter_options: as ESPnet has made them of these.
        build_dataset: ESPnet's.
    """
    return SequenceIterFactory(
        # All clips: another part of them is this process's in every pass.
        dataset=build_dataset(args, iter_options),
        batches=train_batches(args, iter_options.distributed),
        seed=args.seed,
        num_iters_per_epoch=iter_options.num_iters_per_epoch,
        shuffle=True,
        shuffle_within_batch=args.shuffle_within_batch,
        num_workers=args.num_workers,
        collate_fn=iter_options.collate_fn,
        pin_memory=args.ngpu > 0,
    )
