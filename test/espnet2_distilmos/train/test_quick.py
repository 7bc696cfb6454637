"""What is asked of a training before anything heavy is imported."""

from espnet2_distilmos.train.quick import asked


def test_a_comment_is_not_asked_for(training):
    config = training.root / "conf/train.yaml"
    before = asked(training.words())
    config.write_text(f"# tried: 0.1\n{config.read_text()}")
    assert asked(training.words()) == before
    config.write_text("optim_conf:\n    lr: 0.002\n")
    assert asked(training.words()) != before


def test_other_words_and_files_that_they_name_are_asked_for(training, monkeypatch):
    monkeypatch.chdir(training.root)
    before = asked(training.words())
    # What launchers add is not.
    more = ["--ngpu", "0", "--multiprocessing_distributed", "true", "--dist_rank=1"]
    assert asked([*training.words(), *more]) == before
    assert asked([*training.words(), "--seed", "1"]) != before
    for words in (["--init_param", "init.pth:a"], ["--init_param=init.pth"]):
        with_file = asked([*training.words(), *words])
        (training.root / "init.pth").write_text(f"other {words}")
        assert asked([*training.words(), *words]) != with_file
