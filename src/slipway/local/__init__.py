"""What stands in for GitHub on one machine: workflows under act, a throwaway repository, and the demo."""
