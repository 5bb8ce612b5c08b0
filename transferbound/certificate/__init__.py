"""The certificate: what it states, the form it must have, and the folder on disk."""

from transferbound.certificate.certificate import CERTIFICATE_FILE, Certificate

__all__ = ["CERTIFICATE_FILE", "Certificate"]
