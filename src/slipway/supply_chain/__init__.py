"""The chain from running bytes to reviewed source, and the audit of the installed packages."""
