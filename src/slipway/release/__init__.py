"""A release: its build, manifest, evidence and SBOM, its store and its signature."""
