"""Pretraining of the small SSL model that comes with the project."""
