"""A sparse linear head on features that do not change: fitted, put on the grid and polished, on all rows at once.

The rows' features fit into memory, and a step looks at all of them. So the fit is that of a convex function, and a
polish can judge every single change of the message on the true bound.
"""

from transferbound.finetune.heads.polish import Search
from transferbound.finetune.heads.problem import HeadProblem
from transferbound.finetune.heads.shake import shaken
from transferbound.finetune.heads.train import FULL, PILOT, Effort, Judge, TrainedHead, train_head

__all__ = ["FULL", "PILOT", "Effort", "HeadProblem", "Judge", "Search", "TrainedHead", "shaken", "train_head"]
