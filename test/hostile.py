"""Names that a shell, a terminal or a format string would make something of."""

# Kaldi IDs have no blanks: ${IFS} stands for one. Run, these would leave `harm`.
IDS = (
    "$(touch${IFS}harm)",
    "`touch${IFS}harm`",
    ";touch${IFS}harm;",
    "x||touch${IFS}harm",
    "x&touch${IFS}harm",
    ">harm",
    "'\"'\"",
    "-rf",
    "--help",
    "*",
    "%s%n{0}{utt}",
    "\\n\\x1b[2J",
    "..",
    "../../harm",
    "/harm",
    "#é–語",
)
# Of audio files; not for the end of a path, where Kaldi has its pipes.
PATHS = ("$(touch harm)", "a b;touch harm;", "'\"`touch harm`\"'", "-rf * é")


def harmed(folder) -> list:
    """What the names above would have left below a folder."""
    return [p for p in folder.rglob("*harm*") if p.name in ("harm", "harm)")]
