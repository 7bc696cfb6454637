"""What hypothesis makes up."""

from hypothesis import settings
from hypothesis import strategies as st

QUICK = settings(max_examples=60, deadline=None, database=None, derandomize=True)
WORD = st.text(min_size=1, max_size=8).filter(
    lambda x: len(x.split()) == 1 and x.split() == [x] and "\ufeff" not in x
)
WORD = WORD.filter(lambda x: not any(c in x for c in "\0\r\n") and x.isprintable())
