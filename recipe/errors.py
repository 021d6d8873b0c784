"""What a user got wrong: one class, so that the command line can answer with one line and exit code 2.

One idea: a usage error's text is complete by itself; nobody needs a traceback to mend it. Read `cli.py` next.
"""

__all__ = ["ConfigError", "UsageError"]


class UsageError(ValueError):
    """A flag, file or folder that cannot be used; the text says what came, what was wanted, what to do."""


class ConfigError(UsageError):
    """An option that is unknown or has a value it cannot have; the text names it, where it stands, and what is
    wanted.
    """
