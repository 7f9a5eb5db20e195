"""From a release back to reviewed source, link by link."""
