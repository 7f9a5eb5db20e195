"""A feature store: views that the problem defines once, joined to training rows and read by key for requests."""
