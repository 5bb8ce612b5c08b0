"""A kind of subspace is a file here, of the kind's name; ``message/kinds.py`` lists the names."""
