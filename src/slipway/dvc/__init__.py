"""DVC: the one way to call it, and to read and check its files, cache and remote."""
