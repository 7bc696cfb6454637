"""BatchNorm and pairs over two processes equal those of one process."""

import copy

import pytest
import torch
import torch.multiprocessing as mp
from two_processes import PARTS, compute, make_batch, work


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(work, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


def test_two_processes_equal_one(results):
    x, mask, mos, norm = make_batch()
    expected = compute(x, mask, mos, copy.deepcopy(norm), 1.0)
    # The clips' own outputs and gradients.
    for name in ("out", "x"):
        both = torch.cat([result[name] for result in results])
        torch.testing.assert_close(both, expected[name], rtol=1e-4, atol=1e-5)
    for name in ("weight", "bias"):
        both = sum(result[name] for result in results)
        torch.testing.assert_close(both, expected[name], rtol=1e-4, atol=1e-5)
    for name in ("mean", "var", "count"):
        for result in results:
            torch.testing.assert_close(result[name], expected[name])
    # The weighted mean of the processes' losses, as the trainer reports it.
    mean = sum(result["loss"] * len(p) / 5 for result, p in zip(results, PARTS))
    torch.testing.assert_close(mean, expected["loss"])


def test_rows_of_unequal_numbers(results):
    for result in results:
        assert result["rows"].tolist() == [[0, 0], [1, 1], [1, 1]]


def test_one_frame_in_all_processes(results):
    ones = torch.full((1, 4, 1), (1 + 1e-5) ** -0.5)
    torch.testing.assert_close(results[0]["one"], ones)
    assert (results[1]["one"] == 0).all()
