"""Features: what enters the head, or the last blocks, computed once and kept on disk.

For subspaces that train nothing before it. The finetuning loop then trains the end of the model on the features, in
a part of the time. This is for training alone: a certificate's errors are counted with the decoded model on the
real inputs, so a stale or wrong cache can cost tightness, never truth.
"""

from transferbound.features.cache import CachedFeatures, cached_features, features_key

__all__ = ["CachedFeatures", "cached_features", "features_key"]
