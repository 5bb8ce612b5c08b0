"""What studies share: points that are certificates, their rows on disk, and how differences are told from chance."""
