"""Options of a small training on the corpus of the tests' conftest."""

NET = "hidden_size=8"


def options(corpus, output_dir, **more):
    """Arguments of a small training; `more` replaces or adds, None removes."""
    args = {
        "upstream_config": corpus.upstream,
        "token_provenance": corpus.provenance,
        "predictor_conf": NET,
        "loss_conf": "token_weight=0.3",
        "optim": "adamw",
        "optim_conf": "lr=0.003",
        "best_model_criterion": "valid,srcc,max",
        "keep_nbest_models": 1,
        "max_epoch": 2,
        "batch_type": "numel",
        "batch_bins": 40000,
        "num_workers": 0,
        "use_matplotlib": "false",
        "use_tensorboard": "false",
        "num_att_plot": 0,
        "log_interval": 1,
        "seed": 7,
        "resume": "true",
        "output_dir": output_dir,
        "train_shape_file": corpus.stats / "train/speech_shape",
        "valid_shape_file": corpus.stats / "valid/speech_shape",
        **more,
    }
    cmd = [x for k, v in args.items() if v is not None for x in (f"--{k}", str(v))]
    for part in ("train", "valid"):
        for name, kind in (
            (f"{corpus.raw}/{part}/wav.scp", "speech,sound"),
            (f"{corpus.raw}/{part}/utt2mos", "mos,text_float"),
            (f"{corpus.raw}/{part}/utt2sys_id", "system,text_int"),
            (f"{corpus.kmeans}/{part}/tokens.scp", "tokens,kaldi_ark"),
        ):
            if "tokens" not in name or args["token_provenance"]:
                cmd += [f"--{part}_data_path_and_name_and_type", f"{name},{kind}"]
    return cmd
