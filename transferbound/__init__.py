"""PAC-Bayes compression bounds for finetuned pretrained models."""

__version__ = "0.1.0"
