"""Container images of releases: build, push, verify and run them, without a daemon and without root."""
