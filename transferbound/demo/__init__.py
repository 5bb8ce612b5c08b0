"""``transferbound demo``: a certificate from what the package registry alone can bring."""

from transferbound.demo.packaged import export_efficientnet_lite0, export_mnist5000

__all__ = ["export_efficientnet_lite0", "export_mnist5000"]
