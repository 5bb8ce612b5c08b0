"""The priors that recipes make for themselves."""
