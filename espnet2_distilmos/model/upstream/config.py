"""The upstream's configuration: one YAML file a model, `conf/upstream/NAME.yaml`."""

from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Union

from espnet2_distilmos.model.upstream.releases import RELEASES
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml
from espnet2_distilmos.utils.mapping import from_mapping, is_number

_UNSAFE = {"hooks", "hook_postprocess", "legacy", "fairseq", "model_config"}

# What identifies an upstream, for every stamp and check. Hidden states depend on these
# keys and on the weights, which are known by their content...
STATE_KEYS = ("upstream", "normalize", "extra_conf", "normalize_waveform")
# ...so tokens and training must agree on these (versions and paths may differ)...
FINGERPRINT_KEYS = (*STATE_KEYS, "weights_sha256")
# ...for files from before a key was there...
FINGERPRINT_DEFAULTS = {"normalize_waveform": "checkpoint"}
# ...which for records of trainings are these, too...
RECORD_DEFAULTS = {"frozen_layers": 0}
# ...and a training depends on all keys but these, with which gradients are the same.
NO_WEIGHTS_KEYS = (
    *("path_or_url", "random_init", "release"),
    "gradient_checkpointing",
)


@dataclass
class UpstreamConfig:
    """What it takes to build an upstream.

    The first four keys are those of ESPnet's S3PRL frontend.

    Attributes:
        upstream: S3PRL's name of the model (`wavlm_base`, `wavlm_local`, `fbank`...).
        path_or_url: checkpoint for the names that need one (`*_local`, `*_custom`);
            with a name that has weights of its own (`wavlm_base`...), a copy of them
            that is at hand already, or another checkpoint of that family.
        normalize: layer-normalise every hidden state over its channels.
        extra_conf: further arguments of the S3PRL entry.
        layers: the layers to use, counted from 1 (layer i = raw output of block i);
            0 = the input of block 1; None = all from 1.
        freeze: the whole upstream stays as pretrained (no gradient, eval mode).
        frozen_layers: the CNN and blocks 1 to this one stay as pretrained (no gradient,
            no dropout); 0 = none.
        feature_grad_mult: factor on the gradient that reaches the CNN; 0 freezes
            it; None = what the checkpoint was pretrained with.
        layerdrop: probability of skipping a block in training; None = what the
            checkpoint was pretrained with. (S3PRL's own setting is 0 for this and
            the one above.)
        gradient_checkpointing: in training keep only what goes into the CNN and into
            each block, and compute the rest again in the backward pass: less memory,
            more time, the same gradients.
        normalize_waveform: layer-normalise the waveform, true or false;
            `checkpoint` = if the checkpoint's own configuration says so.
        random_init: `{seed, config}` of a WavLM with random weights, written to
            `path_or_url` if that file is not there yet.
        release: name of weights (:mod:`.releases`) that are written to `path_or_url`
            if that folder is not there yet.
    """

    upstream: str
    path_or_url: Optional[str] = None
    normalize: bool = False
    extra_conf: Dict[str, Any] = field(default_factory=dict)
    layers: Optional[List[int]] = None
    freeze: bool = False
    frozen_layers: int = 0
    feature_grad_mult: Optional[float] = None
    layerdrop: Optional[float] = None
    gradient_checkpointing: bool = False
    normalize_waveform: Union[str, bool] = "checkpoint"
    random_init: Optional[Dict[str, Any]] = None
    release: Optional[str] = None

    @classmethod
    def from_file(cls, path: PathLike) -> "UpstreamConfig":
        """Read `conf/upstream/NAME.yaml`; raises UserError as :meth:`from_dict`."""
        return cls.from_dict(read_yaml(path), str(path))

    @classmethod
    def from_dict(cls, conf: Mapping[str, Any], where: str) -> "UpstreamConfig":
        """Check and convert a mapping; `where` names its source in errors.

        Raises:
            UserError: unknown or missing key, or a value of the wrong type.
        """
        conf = without_freeze_cnn(conf, where)
        if conf.get("extra_conf") is None:  # as ESPnet writes an empty one
            conf = {key: value for key, value in conf.items() if key != "extra_conf"}
        self = from_mapping(cls, conf, where)

        def require(name: str, ok: bool, what: str) -> None:
            if not ok:
                value = getattr(self, name)
                raise UserError(f"{where}: {name} must be {what}, not {value!r}")

        path = self.path_or_url
        require("path_or_url", path is None or isinstance(path, str), "text")
        # S3PRL evaluates or unpickles what they hold; a downloaded model has them too.
        unsafe = sorted(_UNSAFE.intersection(self.extra_conf))
        require("extra_conf", not unsafe, f"without {', '.join(unsafe)}")
        require(
            "layers",
            self.layers is None
            or (
                isinstance(self.layers, list)
                and len(self.layers) > 0
                and all(type(x) is int and x >= 0 for x in self.layers)
                and self.layers == sorted(set(self.layers))
            ),
            "a rising list of layer numbers (0: the input of block 1), or null for all",
        )
        self.frozen_layers = int(self.frozen_layers)  # 2.0 passes for a whole number
        mult = self.feature_grad_mult
        require(
            "feature_grad_mult",
            mult is None or (is_number(mult) and mult >= 0),
            "a number >= 0 (as in 0.1, not 1e-1), or null",
        )
        drop = self.layerdrop
        require(
            "layerdrop",
            drop is None or (is_number(drop) and 0 <= drop < 1),
            "a number in [0, 1), or null",
        )
        require(
            "normalize_waveform",
            self.normalize_waveform in ("checkpoint", True, False),
            "checkpoint, true or false",
        )
        require(
            "random_init",
            self.random_init is None
            or (
                isinstance(self.random_init, dict)
                and set(self.random_init) == {"seed", "config"}
                and self.path_or_url is not None
            ),
            "{seed, config} beside a path_or_url",
        )
        release = self.release
        require(
            "release",
            release is None
            or (
                isinstance(release, str)
                and release in RELEASES
                and RELEASES[release].upstream == self.upstream
                and self.path_or_url is not None
                and self.random_init is None
            ),
            f"{' or '.join(RELEASES)}, with upstream "
            f"{' or '.join(sorted({r.upstream for r in RELEASES.values()}))}, a "
            "path_or_url and no random_init",
        )
        return self

    def to_dict(self) -> Dict[str, Any]:
        """Return plain types, for config.yaml and provenance files."""
        return asdict(self)

    def entry_arguments(self) -> Dict[str, Any]:
        """Return what S3PRL's entry of the upstream is called with."""
        ckpt = {} if self.path_or_url is None else {"ckpt": self.path_or_url}
        return {**self.extra_conf, **ckpt}


def without_freeze_cnn(conf: Mapping[str, Any], where: str) -> Dict[str, Any]:
    """Return a configuration without `freeze_cnn`, which older files have.

    `freeze_cnn: true` is `feature_grad_mult: 0`.

    Args:
        conf: of an upstream.
        where: names its source in errors.

    Raises:
        UserError: `freeze_cnn` is neither true nor false, or contradicts the other key.
    """
    now = dict(conf)
    frozen = now.pop("freeze_cnn", False)
    if not isinstance(frozen, bool):
        raise UserError(f"{where}: freeze_cnn must be true or false, not {frozen!r}")
    if not frozen:
        return now
    if now.get("feature_grad_mult"):
        raise UserError(
            f"{where}: freeze_cnn is an older name of feature_grad_mult: 0, and "
            f"feature_grad_mult is {now['feature_grad_mult']}; leave one of them out"
        )
    return {**now, "feature_grad_mult": 0.0}
