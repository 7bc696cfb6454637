"""The default corpus and what was learned on it: the demonstration beside the package.

Not part of the wheel: the recipes `egs2/mini_mos/{distilmos1,ssl1}` and
`egs2/tts_engines` call it as `python -m mini_mos.bin.COMMAND` from a clone. It may
import `espnet2_distilmos`; never the other way.
"""
