"""How this package is installed, said in one way everywhere."""

# The package is on no index. Where an address is needed, this word stands for that of
# the repository that it was cloned from: a message cannot know it.
REPOSITORY = "REPOSITORY"


def install_line(extra: str = "") -> str:
    """Return the line that installs the package, with one of its extras, from anywhere.

    In a clone `pip install .` (`pip install '.[EXTRA]'`) does the same.
    """
    name = f"espnet2-distilmos[{extra}]" if extra else "espnet2-distilmos"
    return f'pip install "{name} @ git+{REPOSITORY}"'
