"""Networks of our own, registered with timm under ``transferbound_NAME`` when :mod:`.small` and :mod:`.trunk` load."""
