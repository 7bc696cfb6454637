"""The one exception for mistakes that a user can mend."""


class UserError(Exception):
    """A mistake of the user's: one line that names the culprit and the remedy.

    Commands print it without a traceback and exit with 1
    (:func:`espnet2_distilmos.utils.command.run`).
    """
