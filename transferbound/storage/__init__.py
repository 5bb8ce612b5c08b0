"""What touches the disk: plain files, folders that appear whole, arrays of the cache, states of unfinished runs."""
