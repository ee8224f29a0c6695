"""The notebook: from a cell's text to a program, ``%%coroutines``, and what is shown under the cell."""
