"""From a certificate on disk to a verdict: everything it states is computed again, and compared."""

from transferbound.verification.verdict import Verdict

__all__ = ["Verdict"]
