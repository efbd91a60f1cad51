"""Runs a model on a stack."""
