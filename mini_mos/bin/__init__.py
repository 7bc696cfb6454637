"""Commands of the demonstration: `python -m mini_mos.bin.COMMAND`."""
