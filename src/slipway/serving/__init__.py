"""The released service: one Row in, or an array of them; predictions out."""
