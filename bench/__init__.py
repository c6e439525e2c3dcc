"""The figures, measured: each module's `run()` returns rows; `python -m bench` prints and writes them."""
