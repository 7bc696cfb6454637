"""The upstream's configuration: one YAML file a model, `conf/upstream/NAME.yaml`."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict, List, Mapping, Optional, Union

from espnet2_distilmos.model.upstream.releases import RELEASES
from espnet2_distilmos.utils.errors import UserError
from espnet2_distilmos.utils.files import PathLike, read_yaml

_UNSAFE = {"hooks", "hook_postprocess", "legacy", "fairseq", "model_config"}


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
        feature_grad_mult: factor on the gradient that reaches the CNN; 0 freezes
            it; None = what the checkpoint was pretrained with.
        layerdrop: probability of skipping a block in training; None = what the
            checkpoint was pretrained with. (S3PRL's own setting is 0 for this and
            the one above.)
        freeze_cnn: the CNN stays as pretrained; the same as feature_grad_mult 0.
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
    feature_grad_mult: Optional[float] = None
    layerdrop: Optional[float] = None
    freeze_cnn: bool = False
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
        known = {f.name: f for f in fields(cls)}
        unknown = sorted(str(key) for key in set(conf) - set(known))
        if unknown:
            raise UserError(
                f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(known)}"
            )
        if not isinstance(conf.get("upstream"), str):
            raise UserError(f"{where}: `upstream: NAME` (an S3PRL name) is needed")
        self = cls(**conf)
        self.extra_conf = self.extra_conf or {}

        def require(name: str, ok: bool, what: str) -> None:
            if not ok:
                value = getattr(self, name)
                raise UserError(f"{where}: {name} must be {what}, not {value!r}")

        def is_number(value: Any) -> bool:
            return isinstance(value, (int, float)) and not isinstance(value, bool)

        path = self.path_or_url
        require("path_or_url", path is None or isinstance(path, str), "text")
        for name in ("normalize", "freeze", "freeze_cnn", "gradient_checkpointing"):
            require(name, isinstance(getattr(self, name), bool), "true or false")
        require("extra_conf", isinstance(self.extra_conf, dict), "a mapping")
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
            "freeze_cnn",
            not (self.freeze_cnn and mult),
            "false where feature_grad_mult is more than 0",
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
            f"{' or '.join(RELEASES)}, beside a path_or_url and the upstream's name",
        )
        return self

    def to_dict(self) -> Dict[str, Any]:
        """Plain types, for config.yaml and provenance files."""
        return asdict(self)
