"""ESPnet's trainer with correlations over the whole validation set."""

import logging
from typing import Any, Collection, Dict, Iterable, List, Optional, Sequence, Tuple

import numpy as np
import torch
from espnet2.torch_utils.device_funcs import to_device
from espnet2.torch_utils.recursive_op import recursive_average
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import SubReporter
from espnet2.train.trainer import Trainer, TrainerOptions, autocast_args
from torch.amp import autocast
from typeguard import typechecked

from espnet2_distilmos.scoring.metrics import (
    MIN_SYSTEMS,
    group_by_system,
    lcc,
    srcc,
    system_means,
)
from espnet2_distilmos.train.averages import averages_of
from espnet2_distilmos.train.checkpoints import mend_folder, save_whole_files
from espnet2_distilmos.train.optimizer import share_of_upstream_rate
from espnet2_distilmos.train.selection import require_criteria, settle_ties
from espnet2_distilmos.train.steps import WatchedBatches
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.terminal import counted

# ID -> (prediction, label, system number or None)
Scores = Dict[str, Tuple[float, float, Optional[int]]]


class DistilMOSTrainer(Trainer):
    """Adds `srcc`, `lcc`, `sys_srcc` and the layer weights to the validation stats.

    With several corpora also `srcc_NAME` of each, and their offsets if there are any;
    with further scales `NAME_srcc` and `NAME_lcc` of each.

    A correlation is a figure of the whole set, not a mean over batches, so
    predictions are collected (from all processes) before it is computed.
    """

    def __init__(self):
        raise RuntimeError("This class can't be instantiated.")

    @classmethod
    def run(
        cls,
        *,
        trainer_options: TrainerOptions,
        distributed_option: DistributedOption,
        **kwargs: Any,
    ) -> None:
        """Train as ESPnet does, with checkpoints that are whole or not there.

        Of epochs that the criterion finds equal, the one of the lower loss is best.

        Raises:
            UserError: a checkpoint cannot be read, or there is no room for one.
        """
        first = not distributed_option.distributed or distributed_option.dist_rank == 0
        with save_whole_files(), settle_ties():
            if first and trainer_options.resume:
                mend_folder(trainer_options)
            super().run(
                trainer_options=trainer_options,
                distributed_option=distributed_option,
                **kwargs,
            )

    @classmethod
    def train_one_epoch(
        cls,
        model: torch.nn.Module,
        iterator: Collection,
        optimizers: Sequence[torch.optim.Optimizer],
        options: TrainerOptions,
        **kwargs: Any,
    ) -> bool:
        """Train as ESPnet does, and name the clips of steps that could not be made.

        Batches at the end that are fewer than `accum_grad` make no step. With an
        average of the weights the model holds that afterwards.

        Raises:
            UserError: not one step could be made; the checkpoint stays that of the
                epoch before.
        """
        # ESPnet does so after a step only. What batches of the epoch before have left
        # is in no checkpoint: a resumed training would go on without it.
        for optimizer in optimizers:
            optimizer.zero_grad()
        averages = averages_of(optimizers)
        for average in averages:
            average.use_trained()
        watched = WatchedBatches(iterator, optimizers, options.accum_grad)
        none_made = super().train_one_epoch(
            model=model,
            iterator=watched,
            optimizers=optimizers,
            options=options,
            **kwargs,
        )
        watched.report()
        if none_made:
            raise UserError(watched.why_none())
        for average in averages:
            average.use_average()
        for optimizer in optimizers:
            share = share_of_upstream_rate(optimizer)
            if share is not None:
                logging.info(f"the upstream learns on at {share:.3f} of its rates")
        return none_made

    @classmethod
    @torch.no_grad()
    @typechecked
    def validate_one_epoch(
        cls,
        model: torch.nn.Module,
        iterator: Iterable,
        reporter: SubReporter,
        options: TrainerOptions,
        distributed_option: DistributedOption,
    ) -> None:
        """Validate as ESPnet does, then register the whole-set stats.

        Raises:
            UserError: none of the criteria for the best epoch is among the stats.
        """
        device = "cuda" if options.ngpu > 0 else "cpu"
        distributed = distributed_option.distributed
        model.eval()
        scores: Scores = {}
        corpus_of: Dict[str, int] = {}
        further: List[Scores] = [{} for _ in _inside(model).network.predictor.scales]
        # Processes may have unequal numbers of batches; the first to end stops all.
        stop = torch.tensor(0, device=device)
        for utt_ids, batch in iterator:
            if distributed:
                torch.distributed.all_reduce(stop, torch.distributed.ReduceOp.SUM)
                if stop > 0:
                    break
            if options.no_forward_run:
                continue
            batch = to_device({**batch, "utt_id": utt_ids}, device)
            with autocast("cuda", enabled=options.use_amp, **autocast_args):
                retval = model(**batch)
            stats, weight = retval["stats"], retval["weight"]
            if options.ngpu > 1 or distributed:
                stats, weight = recursive_average(stats, weight, distributed)
            reporter.register(stats, weight)
            reporter.next()

            systems = batch.get("system")
            columns = zip(
                utt_ids,
                retval["predicted"].float().tolist(),
                batch["mos"].flatten().tolist(),
                [None] * len(utt_ids) if systems is None else systems.view(-1).tolist(),
            )
            scores.update({utt: (hyp, ref, s) for utt, hyp, ref, s in columns})
            if further and "scores" in batch:
                hyps = retval["predicted_scores"].float().T.tolist()
                refs = batch["scores"].T.tolist()
                for of_scale, hyp, ref in zip(further, hyps, refs):
                    of_scale.update(labelled(utt_ids, hyp, ref))
            if "corpus" in batch:
                corpus_of.update(zip(utt_ids, batch["corpus"].view(-1).tolist()))
        else:
            if distributed:
                stop.fill_(1)
                torch.distributed.all_reduce(stop, torch.distributed.ReduceOp.SUM)
        if options.no_forward_run:
            return
        if distributed:
            parts: list = [None] * torch.distributed.get_world_size()
            torch.distributed.all_gather_object(parts, (scores, corpus_of, *further))
            scores, corpus_of, *further = map(_joined, zip(*parts))
        names = _inside(model).corpora
        reporter.register(
            {
                **correlations(scores),
                **corpus_srcc(scores, corpus_of, names),
                **scale_correlations(_inside(model).network.predictor.scales, further),
                **layer_weights(model),
                **corpus_offsets(model),
            }
        )
        reporter.next()
        require_criteria(options.best_model_criterion, reporter.stats)
        if options.patience is not None:
            require_criteria([options.early_stopping_criterion], reporter.stats)


def _inside(model: torch.nn.Module) -> Any:
    # What DDP wraps.
    return getattr(model, "module", model)


def correlations(scores: Scores) -> Dict[str, float]:
    """Return whole-set `srcc`, `lcc` and, from 10 systems on, `sys_srcc`.

    An undefined correlation (constant or non-finite predictions) counts as -1, the
    worst: ESPnet would rank a NaN of the first epoch best for ever. The same clips have
    the same figures whatever was predicted: ESPnet sorts epochs by them, and cannot do
    so where one has none.
    """
    ids = sorted(scores)  # the order of batches must not matter
    hyp = np.array([scores[u][0] for u in ids])
    ref = np.array([scores[u][1] for u in ids])
    groups = group_by_system([str(scores[u][2]) for u in ids])
    result: Dict[str, Optional[float]] = {"srcc": None, "lcc": None}
    if len(groups) >= MIN_SYSTEMS:
        result["sys_srcc"] = None
    if not np.isfinite(hyp).all():
        bad = [u for u, h in zip(ids, hyp) if not np.isfinite(h)]
        logging.warning(
            f"{counted(len(bad), 'non-finite prediction')}: {' '.join(bad[:10])}"
        )
    else:
        result.update(srcc=srcc(ref, hyp), lcc=lcc(ref, hyp))
        if "sys_srcc" in result:
            means = (system_means(x, groups) for x in (ref, hyp))
            result["sys_srcc"] = srcc(*means)
    return {name: -1.0 if value is None else value for name, value in result.items()}


def corpus_srcc(
    scores: Scores, corpus_of: Dict[str, int], names: Sequence[str]
) -> Dict[str, float]:
    """Return `srcc_NAME` of each corpus with clips; ranks of tests do not mix.

    Args:
        scores: of the whole set.
        corpus_of: ID -> corpus number.
        names: of the corpora, in the order of their numbers.
    """
    found = {}
    for number, name in enumerate(names):
        part = {utt: s for utt, s in scores.items() if corpus_of.get(utt) == number}
        if part:
            found[f"srcc_{name}"] = correlations(part)["srcc"]
    return found


def _joined(parts: Iterable[Dict[str, Any]]) -> Dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def labelled(
    utt_ids: Sequence[str], hyp: Sequence[float], ref: Sequence[float]
) -> Scores:
    """Return the scores of clips whose label is a number."""
    found = zip(utt_ids, hyp, ref)
    return {utt: (h, r, None) for utt, h, r in found if np.isfinite(r)}


def scale_correlations(
    names: Sequence[str], further: Sequence[Scores]
) -> Dict[str, float]:
    """Return `NAME_srcc` and `NAME_lcc` of each further scale with labelled clips."""
    return {
        f"{name}_{figure}": value
        for name, of_scale in zip(names, further)
        if of_scale
        for figure, value in correlations(of_scale).items()
    }


def corpus_offsets(model: torch.nn.Module) -> Dict[str, float]:
    """Return `corpus_offset_NAME` of every corpus (MOS units), if there are any."""
    offset = _inside(model).network.predictor.corpus_offset
    if offset is None:
        return {}
    values = offset.values().tolist()
    return {f"corpus_offset_{n}": v for n, v in zip(offset.names, values)}


def layer_weights(model: torch.nn.Module) -> Dict[str, float]:
    """Return `layer_weight_NN` of every layer, if they are learned."""
    network = _inside(model).network
    weights = network.predictor.layer_weights()
    if weights is None:
        return {}
    return {
        f"layer_weight_{layer:02d}": value
        for layer, value in zip(network.upstream.layers, weights.tolist())
    }
