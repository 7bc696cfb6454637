"""`distilmos score` in the test's own process, and its table."""

import csv

from espnet2_distilmos.bin.main import cli


def score(*arguments):
    return cli(["score", *map(str, arguments), "--device", "cpu"])


def rows(path):
    return list(csv.DictReader(open(path, encoding="utf-8")))
