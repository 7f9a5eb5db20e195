"""Erasure of a data subject: its rows in every version of the data and in the prediction logs."""
