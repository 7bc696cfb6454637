"""A CSV of one's own beside its clips."""


def write(folder, text, encoding="utf-8"):
    path = folder / "scores.csv"
    path.write_bytes(text.encode(encoding))
    return path


def table(folder, n=30, header="wav,mos", more=lambda i: ""):
    lines = [f"wavs/{i}.wav,{1 + i % 9 / 2}{more(i)}" for i in range(n)]
    return write(folder, "\n".join([header, *lines]) + "\n")
