"""``python -m transferbound.cli``."""

from transferbound.cli.entry import main

if __name__ == "__main__":
    main()
