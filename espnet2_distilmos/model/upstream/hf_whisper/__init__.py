"""Whisper's encoder as an upstream of S3PRL: the files are laid out as S3PRL has them.

Nothing in this folder needs the rest of the package.
"""
