"""`python -m cryskit`: the command line of whatever interpreter runs it."""

from cryskit.cli import main

if __name__ == "__main__":
    main()
