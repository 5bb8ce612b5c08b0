"""The libraries that checkpoints are read with, and how inputs are prepared for each."""
