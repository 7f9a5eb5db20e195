"""A local replacement for GitHub: workflows under act, a throwaway repository and the demo."""
