"""For all tests: one thread a process, so that sums and timings can be relied on."""

import os

# Read by torch and numpy when they are imported, here and in child processes.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# No test asks anything of the Hugging Face Hub; what stands in for it is local.
os.environ["HF_HUB_OFFLINE"] = "1"
