"""The default corpus: clean speech, known degradations, PESQ labels."""
