"""`python -m trunkline`: the command line, where no script is installed."""

from trunkline.cli.main import main

if __name__ == "__main__":
    main()
