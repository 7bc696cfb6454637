"""S3PRL's entry for Whisper."""

from .expert import UpstreamExpert as _UpstreamExpert


def hf_whisper_custom(ckpt, *args, **kwargs):
    """Load the encoder of a Whisper of transformers.

    Args:
        ckpt: folder that `save_pretrained` wrote, or name of a repository on the hub.
        args: further arguments of the expert, in order.
        kwargs: further arguments of the expert, by name.
    """
    return _UpstreamExpert(ckpt, *args, **kwargs)
