"""Names of corpora and listeners in the data, numbers in the batch."""

import numpy as np
import pytest

from espnet2_distilmos.train.collate import DistilMOSCollateFn
from espnet2_distilmos.train.preprocessor import RaterPreprocessor


def clip(**more):
    return {"speech": np.ones(3, np.float32), "mos": np.ones(1, np.float32), **more}


def test_names_become_numbers():
    convert = RaterPreprocessor(True, ["bvcc", "somos"], ["L:1", "L2"])
    given = clip(corpus="somos", ratings="L2:4 L:1:2.5 stranger:1")
    found = convert("a", given)
    assert found["corpus"].tolist() == [1]
    assert found["ratings"].tolist() == [[2, 4.0], [1, 2.5]]
    assert found["ratings"].dtype == np.float32
    assert given["corpus"] == "somos"  # the data set's own is kept
    assert convert("b", clip(corpus="bc19"))["corpus"].tolist() == [-1]
    assert convert("c", clip(ratings="-"))["ratings"].shape == (0, 2)


def test_what_is_not_asked_for_is_left_out():
    both = clip(corpus="bvcc", ratings="L1:3")
    assert RaterPreprocessor(True)("a", both).keys() == {"speech", "mos"}
    # Ratings are for training: validation depends on no listener.
    valid = RaterPreprocessor(False, ["bvcc", "somos"], ["L1"])
    assert valid("a", both).keys() == {"speech", "mos", "corpus"}
    assert valid("a", clip()).keys() == {"speech", "mos"}


def test_bad_ratings_say_what_is_wrong():
    with pytest.raises(ValueError, match="'L1' is not listener:score"):
        RaterPreprocessor(True, [], ["L1"])("a", clip(ratings="L1"))


def test_a_batch_of_them():
    convert = RaterPreprocessor(True, ["x", "y"], ["L1", "L2"])
    texts = {"a": ("y", "L1:3 L2:4"), "b": ("x", "-"), "c": ("z", "L2:5")}
    data = [
        (utt, convert(utt, clip(corpus=corpus, ratings=ratings)))
        for utt, (corpus, ratings) in texts.items()
    ]
    _, batch = DistilMOSCollateFn()(data)
    assert batch["corpus"].tolist() == [[1], [0], [-1]]
    assert batch["ratings_lengths"].tolist() == [2, 0, 1]
    assert batch["ratings"].tolist() == [
        [[1, 3], [2, 4]],
        [[0, 0], [0, 0]],
        [[2, 5], [0, 0]],
    ]
    _, nobody = DistilMOSCollateFn()(data[1:2])
    assert nobody["ratings"].shape == (1, 0, 2)
