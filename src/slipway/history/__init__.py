"""`slipway history`: every run and release, what differs between two, and any release made again."""
