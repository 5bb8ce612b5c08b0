"""From a prior and data to a certificate: :mod:`.certify`, and :mod:`.search` before it.

The functions keep to their modules, so that no name stands for a function and for the file that holds it.
"""

from transferbound.certification.settings import CertifySettings

__all__ = ["CertifySettings"]
