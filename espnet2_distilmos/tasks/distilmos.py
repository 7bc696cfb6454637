"""The ESPnet2 task."""

import argparse
import sys
from typing import Any, Callable, Collection, Dict, List, Optional, TextIO, Tuple

import numpy as np
import torch
import torch.distributed as dist
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import AbsTask, IteratorOptions, optim_classes
from espnet2.torch_utils.initialize import INITIALIZATIONS, initialize
from espnet2.train.class_choices import ClassChoices
from espnet2.utils.get_default_kwargs import get_default_kwargs
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import float_or_none, str2bool, str_or_none
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
from espnet2_distilmos.tasks import from_data
from espnet2_distilmos.tokens.provenance import (
    n_codebooks_of,
    read_provenance,
    require_tokens_of,
)
from espnet2_distilmos.train.collate import DistilMOSCollateFn
from espnet2_distilmos.train.espnet_model import ESPnetDistilMOSModel
from espnet2_distilmos.train.optimizer import build_optimizer
from espnet2_distilmos.train.options import require_numbers
from espnet2_distilmos.train.preprocessor import RaterPreprocessor
from espnet2_distilmos.train.raters import name_raters, path_of
from espnet2_distilmos.train.record import confirm_weights
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
        """Options beside those of every ESPnet task."""
        # ESPnet's own default, folded, cannot do without --fold_length.
        parser.set_defaults(batch_type="numel")
        group = parser.add_argument_group(description="Task related")
        group.add_argument(
            "--upstream_config",
            type=str_or_none,
            default=None,
            help="conf/upstream/NAME.yaml; copied into upstream_conf",
        )
        group.add_argument(
            "--upstream_conf",
            action=NestedDictAction,
            default=dict(),
            help="Keys that override those of upstream_config",
        )
        group.add_argument(
            "--token_provenance",
            type=str_or_none,
            default=None,
            help="provenance.yaml of the k-means; needed for the token loss",
        )
        group.add_argument(
            "--token_conf",
            action=NestedDictAction,
            default=dict(),
            help="Content of token_provenance; filled in by the task",
        )
        group.add_argument(
            "--label_conf",
            type=str_or_none,
            default=None,
            help="labels.yaml of the training set: what the labels are. Its content is "
            "copied into config.yaml; it decides no weight",
        )
        group.add_argument(
            "--corpus_offset",
            type=str2bool,
            default=False,
            help="Learn an offset a corpus; needs `corpus` data (utt2corpus)",
        )
        group.add_argument(
            "--corpora",
            nargs="*",
            default=None,
            help="Names of the corpora in the order of their numbers; filled in by the "
            "task from the `corpus` data of the training set",
        )
        group.add_argument(
            "--listeners",
            type=str2bool,
            default=False,
            help="Model single listeners; needs `ratings` data (utt2ratings). The "
            "names go into predictor_conf",
        )
        from_data.add_arguments(group)
        group.add_argument(
            "--upstream_lr",
            type=float_or_none,
            default=None,
            help="Learning rate of the upstream (default: that of optim_conf)",
        )
        group.add_argument(
            "--cnn_lr",
            type=float_or_none,
            default=None,
            help="Learning rate of the upstream's CNN (default: upstream_lr)",
        )
        group.add_argument(
            "--freeze_upstream_steps",
            type=int,
            default=0,
            help="Leave the upstream as it is for so many steps",
        )
        group.add_argument(
            "--layer_logits_lr",
            type=float_or_none,
            default=None,
            help="Learning rate of the layer weighting's logits (default: likewise)",
        )
        group.add_argument(
            "--num_threads",
            type=int,
            default=1,
            help="On the CPU, a process; 1 is reproducible",
        )
        group.add_argument(
            "--init",
            type=lambda x: str_or_none(x.lower()),
            default=None,
            choices=[*INITIALIZATIONS, None],
            help="Initialisation of the predictor (not of the upstream)",
        )
        group.add_argument(
            "--model_conf",
            action=NestedDictAction,
            default={"extract_feats_in_collect_stats": False},
            help="The keyword arguments for the model class",
        )
        for class_choices in cls.class_choices_list:
            class_choices.add_arguments(group)

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
        """The collator; the same for training and validation."""
        return DistilMOSCollateFn()

    @classmethod
    @typechecked
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Optional[Callable[[str, Dict[str, np.ndarray]], Dict[str, np.ndarray]]]:
        """Names of corpora and listeners to numbers, where the data has any.

        All else is ready: stage 1 has formatted the audio, stage 3 the tokens.
        """
        sets = (
            args.train_data_path_and_name_and_type,
            args.valid_data_path_and_name_and_type,
        )
        if not any(path_of(data, x) for data in sets for x in ("corpus", "ratings")):
            return None
        return RaterPreprocessor(
            train,
            args.corpora or (),
            args.predictor_conf.get("listeners") or (),
        )

    @classmethod
    def required_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """`speech`, and `mos` unless in inference."""
        return ("speech",) if inference else ("speech", "mos")

    @classmethod
    def optional_data_names(
        cls, train: bool = True, inference: bool = False
    ) -> Tuple[str, ...]:
        """What the losses and correlations of this task may need besides.

        `tokens` for the token loss, `system` for system correlations, `corpus` for
        those a corpus and for offsets, `ratings` for listener modelling.
        """
        return () if inference else ("tokens", "system", "corpus", "ratings")

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
        from_data.take_label_scale(args)
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
        columns = width = None
        if n_tokens > 0:
            require_tokens_of(args.token_conf, network.upstream.fingerprint)
            columns = _token_columns(args.token_conf, network.predictor.target_layers)
            width = len(args.token_conf["layers"]) * n_codebooks
        if args.init is not None:
            initialize(network.predictor, args.init)
        return from_options(
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

    @classmethod
    @typechecked
    def build_sequence_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str
    ) -> AbsIterFactory:
        """ESPnet's; where processes share batches, each gets a part of every one.

        Raises:
            UserError: a batch has fewer clips than there are processes.
        """
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
        """One optimiser, see :func:`build_optimizer`.

        ESPnet builds the scheduler next, so what it is to know of the training set is
        found here.

        Raises:
            UserError: options that it does not take, or an upstream with other
                pretrained weights than the training in this folder began with. (ESPnet
                calls this when the model is built and nothing is written yet.)
        """
        if args.output_dir is not None and not (args.dry_run or args.collect_stats):
            confirm_weights(
                args.output_dir,
                model.network.upstream.fingerprint["weights_sha256"],
                first=not dist.is_initialized() or dist.get_rank() == 0,
            )
        from_data.fit_steps(args)
        try:
            optimizer = build_optimizer(
                model,
                optim_classes[args.optim],
                args.optim_conf,
                upstream_lr=args.upstream_lr,
                cnn_lr=args.cnn_lr,
                layer_logits_lr=args.layer_logits_lr,
                freeze_upstream_steps=args.freeze_upstream_steps,
            )
        except (TypeError, ValueError) as e:
            raise UserError(bad_options("optim_conf", args.optim_conf, e)) from e
        return [optimizer]


def _token_columns(token_conf: Dict, target_layers: Collection[int]) -> List[int]:
    """The columns of the target layers, those of a layer's codebooks together."""
    layers = list(token_conf["layers"])
    missing = sorted(set(target_layers) - set(layers))
    if missing:
        raise UserError(
            f"the tokens hold layers {layers}, but {missing} are to be predicted; run "
            "stages 2 and 3 again"
        )
    n = n_codebooks_of(token_conf)
    return [
        layers.index(layer) * n + codebook
        for layer in target_layers
        for codebook in range(n)
    ]
