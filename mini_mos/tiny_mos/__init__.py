"""The corpus of the model in the wheel: degraded and synthetic speech, listeners."""
