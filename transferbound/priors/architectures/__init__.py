"""Networks of our own, registered with timm as ``transferbound_NAME`` when :mod:`.small` and :mod:`.filters` load."""
