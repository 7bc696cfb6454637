"""A model as files: found, loaded, described, packed, published, imported."""
