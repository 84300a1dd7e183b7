"""Time every stage; see `run.py`."""

from benchmarks.speed.run import main

if __name__ == "__main__":
    main()
