"""The one error that users see: a clear line, never a traceback."""


class UserError(Exception):
    """Something that the user can put right: what is wrong, where, what to do. Ends the program with `exit_code`."""

    exit_code = 1


class ParamsError(UserError):
    """params.yaml is not well formed."""

    exit_code = 2
