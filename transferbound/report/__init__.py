"""Reports: the model card, its figure, and the account of the bits."""
