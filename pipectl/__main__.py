"""The entry point of the command, also as `python -m pipectl`."""

from pipectl.cli.main import main

if __name__ == "__main__":
    main()
