"""git, run by one function: the same answers under every user's settings, and errors that are never dropped.

`command` runs git and pins what would change its output, `client` reads and writes a repository, `history` parses
commits, `changed_paths` the differences between two trees, `refused_push` what a remote answered. Nothing else in this
package's siblings calls git; `tests/unit/test_git_callers.py` holds that.
"""

from slipway.git.client import Git
from slipway.git.command import GitError, GitReadError
from slipway.git.refused_push import PushRaceError, PushRejectedError

__all__ = ["Git", "GitError", "GitReadError", "PushRaceError", "PushRejectedError"]
