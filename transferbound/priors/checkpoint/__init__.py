"""A checkpoint on disk: found, read, described and written."""
