"""Cross-validation: a corpus too small for one split, tested on all its clips."""
