"""The only package that runs git: independent of the user's settings, and no error is ever dropped.

`command` runs git and pins the settings that change its output; `client` reads and writes a repository; `history`
parses commits; `changed_paths` parses the differences between two trees; `refused_push` parses a remote's refusal.
`tests/unit/test_git_callers.py` asserts that no other package calls git.
"""

from slipway.git.client import Git
from slipway.git.command import GitError, GitReadError
from slipway.git.refused_push import PushRaceError, PushRejectedError

__all__ = ["Git", "GitError", "GitReadError", "PushRaceError", "PushRejectedError"]
