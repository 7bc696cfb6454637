"""S3PRL's WavLM."""

from espnet2_distilmos.model.upstream.fairseq import FairseqAdapter


class WavLMAdapter(FairseqAdapter):
    """WavLM (arXiv 2110.13900) as S3PRL loads it."""

    models = ("s3prl.upstream.wavlm.WavLM.WavLM",)
    # Block 1 makes the position bias that all others share.
    first_block_runs = True

    def pretraining(self, expert, cfg):
        """See :class:`TransformerAdapter`."""
        return self._pretraining(expert.cfg.normalize, vars(expert.cfg))

    def _block(self, block, x, padding, shared):
        x, _, shared = block(
            x.transpose(0, 1),
            self_attn_padding_mask=padding,
            need_weights=False,
            pos_bias=shared,
        )
        return x.transpose(0, 1), shared
