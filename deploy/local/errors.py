"""What stops the stack, in words that say what to do."""


class StackError(Exception):
    """The message is for the person at the terminal: what is wrong, and what to do about it."""
