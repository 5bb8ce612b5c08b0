"""``python -m transferbound.cli``."""

from transferbound.cli.app import main

if __name__ == "__main__":
    main()
