"""Errors that were read back from a file, or told by another process: what they said, not what they were.

A file is data and brings no classes along: an error of whatever class comes back as a `SavedError`.
"""

from __future__ import annotations


class SavedError(Exception):
    """Stands for an error of a run that was saved, or made in the process of the baseline.

    Attributes
    ----------
    type:
        The name of the error's class.
    text:
        Its message.
    traceback:
        Its traceback as Python prints it, its notes with it; empty if it was not kept.
    """

    def __init__(self, type: str, text: str, traceback: str = "") -> None:
        super().__init__(type, text)
        self.type = type
        self.text = text
        self.traceback = traceback
        if traceback:
            self.add_note(f"As it was where it was raised:\n{traceback}")

    def __str__(self) -> str:
        return self.text


class SavedErrors(SavedError, ExceptionGroup[SavedError]):
    """Stands for a group of errors of a run that was saved; its `exceptions` are `SavedError`s."""

    def __new__(cls, type: str, text: str, traceback: str, errors: list[SavedError]) -> SavedErrors:
        """Make it; errors there must be at least one."""
        return super().__new__(cls, text, errors)

    def __init__(self, type: str, text: str, traceback: str, errors: list[SavedError]) -> None:
        SavedError.__init__(self, type, text, traceback)


def type_name(error: BaseException) -> str:
    """Give the name of an error's class; of a saved one, of what it was."""
    return error.type if isinstance(error, SavedError) else type(error).__name__
