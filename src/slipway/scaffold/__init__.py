"""From a table to a fork of its own, and from a later template into that fork: the verbs `new` and `upgrade`."""
