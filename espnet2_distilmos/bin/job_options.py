"""Options of the commands whose work array jobs share out."""

import argparse

from espnet2_distilmos.utils import option_types as takes


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add `--job`, `--nj` and `--combine`."""
    group = parser.add_argument_group(
        "array jobs (default: everything in this process)"
    )
    group.add_argument(
        "--job", type=takes.positive_int, help="Do the part of this job, from 1"
    )
    group.add_argument(
        "--nj", type=takes.positive_int, default=1, help="Number of jobs"
    )
    group.add_argument(
        "--combine", action="store_true", help="Only join what the jobs have made"
    )


def run_jobs(work, args: argparse.Namespace) -> None:
    """Do the part of `work` that the options name.

    Args:
        work: has methods `run(job, nj)` and `combine()`.
        args: with the options of :func:`add_job_options`.

    Raises:
        UserError: a job that there is not.
    """
    from espnet2_distilmos.utils.errors import UserError

    if args.nj < 1 or not 1 <= (args.job or 1) <= args.nj:
        raise UserError(f"--job {args.job} of --nj {args.nj}: jobs count from 1 to nj")
    if not args.combine:
        for job in [args.job] if args.job else range(1, args.nj + 1):
            work.run(job, args.nj)
    if args.combine or not args.job:
        work.combine()
