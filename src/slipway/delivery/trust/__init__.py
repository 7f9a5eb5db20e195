"""Who vouches for a release: a key of ours, or GitHub."""
