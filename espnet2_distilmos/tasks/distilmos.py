"""The ESPnet2 task."""

import argparse
import sys
from typing import Any, Callable, Collection, Dict, List, Optional, TextIO, Tuple

import numpy as np
import torch
import torch.distributed as dist
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import AbsTask, IteratorOptions, optim_classes
from espnet2.torch_utils.initialize import initialize
from espnet2.train.class_choices import ClassChoices
from espnet2.utils.get_default_kwargs import get_default_kwargs
from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump
from typeguard import typechecked

from espnet2_distilmos.model.loss import DistilMOSLoss
from espnet2_distilmos.model.network import (
    PREDICTORS,
    bad_options,
    build_network,
    from_options,
)
from espnet2_distilmos.model.predictor import AbsPredictor
from espnet2_distilmos.tasks import from_data, options
from espnet2_distilmos.tokens.provenance import (
    n_codebooks_of,
    read_provenance,
    require_tokens_of,
    token_columns,
)
from espnet2_distilmos.train.averages import WeightAverage
from espnet2_distilmos.train.batches import check_options, draws_anew, iter_factory
from espnet2_distilmos.train.collate import DistilMOSCollateFn
from espnet2_distilmos.train.crop import require_crop
from espnet2_distilmos.train.espnet_model import ESPnetDistilMOSModel
from espnet2_distilmos.train.optimizer import build_optimizer
from espnet2_distilmos.train.options import require_numbers
from espnet2_distilmos.train.preprocessor import preprocessor_of
from espnet2_distilmos.train.raters import name_raters
from espnet2_distilmos.train.record import confirm_weights
from espnet2_distilmos.train.scales import read_scales
from espnet2_distilmos.train.soft_targets import SoftTargets
from espnet2_distilmos.train.token_kept import TokenKept, folder_of_centroids
from espnet2_distilmos.train.trainer import DistilMOSTrainer
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import read_yaml
from espnet2_distilmos.utils.labels import Labels

predictor_choices = ClassChoices(
    "predictor", classes=PREDICTORS, type_check=AbsPredictor, default="distilmos"
)
loss_choices = ClassChoices(
    "loss",
    classes={"distilmos": DistilMOSLoss},
    type_check=torch.nn.Module,
    default="distilmos",
)


class DistilMOSTask(AbsTask):
    """MOS prediction with layer-wise self-distillation."""

    num_optimizers: int = 1
    class_choices_list = [predictor_choices, loss_choices]
    trainer = DistilMOSTrainer

    @classmethod
    @typechecked
    def add_task_arguments(cls, parser: argparse.ArgumentParser):
        """Add the options beside those of every ESPnet task."""
        options.add_arguments(parser, cls.class_choices_list)

    @classmethod
    def get_default_config(cls) -> Dict[str, Any]:
        """Return the options' defaults, over which ESPnet3 lays a user's configuration.

        ESPnet fills in those of the default predictor's class, too. They would stay
        where the user chooses another predictor, which does not take them.
        """
        config = super().get_default_config()
        for choices in cls.class_choices_list:
            of_class = get_default_kwargs(choices.get_class(config[choices.name]))
            config[f"{choices.name}_conf"] = {
                key: value
                for key, value in config[f"{choices.name}_conf"].items()
                if key not in of_class or value != of_class[key]
            }
        return config

    @classmethod
    def print_config(cls, file: TextIO = sys.stdout) -> None:
        """Write all defaults as YAML, those of the chosen classes among them."""
        config = super().get_default_config()
        file.write(yaml_no_alias_safe_dump(config, indent=4, sort_keys=False))

    @classmethod
    @typechecked
    def build_collate_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[
        [Collection[Tuple[str, Dict[str, np.ndarray]]]],
        Tuple[List[str], Dict[str, torch.Tensor]],
    ]:
        """Return the collator; the same for training and validation."""
        return DistilMOSCollateFn()

    @classmethod
    @typechecked
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Optional[Callable[[str, Dict[str, np.ndarray]], Dict[str, np.ndarray]]]:
        """Return what turns names of corpora, listeners and scales into numbers.

        And what cuts clips. None where the data have no such names, and stay whole.

        All else is ready: stage 1 has formatted the audio, stage 3 the tokens.
        """
        return preprocessor_of(args, train)

    @classmethod
    def required_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """Return `speech`, and `mos` unless in inference."""
        return ("speech",) if inference else ("speech", "mos")

    @classmethod
    def optional_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """Return what the losses and correlations of this task may need besides.

        `tokens` for the token loss, `system` for system correlations, `corpus` for
        those a corpus and for offsets, `ratings` for listener modelling, `scores` for
        further scales.
        """
        return () if inference else ("tokens", "system", "corpus", "ratings", "scores")

    @classmethod
    @typechecked
    def build_model(cls, args: argparse.Namespace) -> ESPnetDistilMOSModel:
        """Build the model and copy all that is portable into `args`.

        Raises:
            UserError: no upstream, tokens that are not those of the upstream, options
                that a class does not take, or no corpora or ratings where they are
                needed.
        """
        for name in ("upstream", "token", "predictor", "loss", "model"):
            if getattr(args, f"{name}_conf") is None:  # an empty key of a YAML file
                setattr(args, f"{name}_conf", {})
        require_numbers(vars(args))
        cls._read_labels(args)
        where = "--upstream_conf"
        if args.upstream_config is not None:
            where = args.upstream_config
            args.upstream_conf = {**read_yaml(where), **args.upstream_conf}
            args.upstream_config = None
        if not args.upstream_conf:
            raise UserError("--upstream_config conf/upstream/NAME.yaml is needed")
        check_options(args)
        from_data.take_label_scale(args)
        kmeans_dir = folder_of_centroids(args)
        loss = from_options(
            loss_choices.get_class(args.loss), "loss_conf", args.loss_conf
        )
        n_tokens = 0
        if loss.token_weight > 0:
            n_tokens = cls._read_token_provenance(args)
        name_raters(args)
        n_codebooks = n_codebooks_of(args.token_conf) if n_tokens > 0 else 1
        network = build_network(
            args.upstream_conf,
            args.predictor,
            args.predictor_conf,
            n_tokens,
            where,
            n_codebooks,
        )
        require_crop(args.crop_seconds, network.upstream.downsample)
        if args.crop_seconds is not None:
            args.crop_unit = network.upstream.downsample
        columns = width = None
        if n_tokens > 0:
            require_tokens_of(args.token_conf, network.upstream.fingerprint)
            columns = token_columns(args.token_conf, network.predictor.target_layers)
            width = len(args.token_conf["layers"]) * n_codebooks
        if args.init is not None:
            initialize(network.predictor, args.init)
            if network.predictor.readout is not None:
                network.predictor.readout.reset()
        model = from_options(
            ESPnetDistilMOSModel,
            "model_conf",
            args.model_conf,
            network=network,
            loss=loss,
            n_tokens=n_tokens,
            token_columns=columns,
            token_width=width,
            corpora=args.corpora or (),
        )
        if kmeans_dir is not None and args.token_kept:
            known = columns or (), args.token_conf
            model.token_kept = TokenKept(network, kmeans_dir, *known)
        if kmeans_dir is not None and loss.soft_tokens:
            made = args.token_conf, loss.token_temperature
            model.soft_targets = SoftTargets(network, kmeans_dir, *made)
        return model

    @classmethod
    @typechecked
    def build_sequence_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str
    ) -> AbsIterFactory:
        """Return ESPnet's; where processes share batches, each gets a part of all.

        Where clips, batches or crops are drawn, with those batches.

        Raises:
            UserError: a batch has fewer clips than there are processes.
        """
        if mode == "train" and (draws_anew(args) or args.crop_seconds is not None):
            return iter_factory(args, iter_options, cls.build_dataset)
        try:
            return super().build_sequence_iter_factory(args, iter_options, mode)
        except RuntimeError as e:
            if "world_size" not in str(e):
                raise
            raise UserError(
                f"{iter_options.shape_files[0]}: a batch has fewer clips than there "
                f"are processes ({e}); train with fewer, or with more clips"
            ) from e

    @staticmethod
    def _read_labels(args: argparse.Namespace) -> None:
        """Copy what the labels are into `args`: a list, or None where nobody said."""
        given = getattr(args, "label_conf", None)
        if isinstance(given, str):
            args.label_conf = Labels.read(given).as_list()
        else:  # of a config.yaml
            Labels.from_list(given, "label_conf")

    @staticmethod
    def _read_token_provenance(args: argparse.Namespace) -> int:
        if args.token_provenance is not None:
            args.token_conf = read_provenance(args.token_provenance)
            args.token_provenance = None
        if not args.token_conf:
            raise UserError(
                "the token loss needs --token_provenance (stage 3 writes it), or set "
                "loss_conf token_weight to 0"
            )
        return args.token_conf["n_clusters"]

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: torch.nn.Module
    ) -> List[torch.optim.Optimizer]:
        """Build one optimiser, see :func:`build_optimizer`.

        ESPnet builds the scheduler next, so what it is to know of the training set is
        found here.

        Raises:
            UserError: options that it does not take, or an upstream with other
                pretrained weights than the training in this folder began with. (ESPnet
                calls this when the model is built and nothing is written yet.)
        """
        network: Any = model.network
        if args.output_dir is not None and not (args.dry_run or args.collect_stats):
            confirm_weights(
                args.output_dir,
                network.upstream.fingerprint["weights_sha256"],
                first=not dist.is_initialized() or dist.get_rank() == 0,
            )
        options.allow_skipped_blocks(args, network.upstream)
        read_scales(args)  # refuses a training without their labels
        from_data.fit_steps(args)
        try:
            optimizer = build_optimizer(
                model,
                optim_classes[args.optim],
                args.optim_conf,
                **options.rates_of(args),
                # An upstream that is held to its start is not pulled to zero, too.
                decay_upstream=model.start is None,
            )
            if args.ema_decay is not None:
                WeightAverage(model, optimizer, args.ema_decay)
        except (TypeError, ValueError) as e:
            raise UserError(bad_options("optim_conf", args.optim_conf, e)) from e
        options.require_schedule(args, optimizer)
        return [optimizer]
