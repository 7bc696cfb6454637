"""`distilmos evaluate` on a folder that a TTS recipe has decoded."""

from espnet2_distilmos.bin import evaluate_distilmos
from espnet2_distilmos.utils.command import run


def evaluate(*arguments):
    return run(evaluate_distilmos.main, list(map(str, arguments)))


def read(path):
    return dict(line.split() for line in path.read_text().splitlines())
